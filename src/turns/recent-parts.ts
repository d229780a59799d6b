import { equalBytes } from "../base/index.ts";
import { type CommitPart, partSize, type PartName, type StoredRecord } from "../records/index.ts";
import { RECENT_PART_BYTES_MAX, RECENT_PARTS_BYTES_MAX } from "./limits.ts";
import { placeText } from "./staged-parts.ts";

/**
 * Parts that were put together last, of all scopes, for the next peer who follows what is written: to many at once a commit is read
 * and put together once. The oldest goes first.
 */
export class RecentParts {
  readonly #parts = new Map<string, CommitPart>();
  #bytes = 0;

  /** The part of a record, if it is here with all that the record holds. */
  get(name: PartName, record: StoredRecord): CommitPart | undefined {
    const part = this.#parts.get(placeText(name));
    if (part === undefined || part.ops.length !== record.held.length) return undefined;
    // After a fork there may be another commit of that name.
    return equalBytes(part.header, record.header) ? part : undefined;
  }

  put(name: PartName, part: CommitPart): void {
    const size = partSize(part);
    if (size > RECENT_PART_BYTES_MAX) return;
    const place = placeText(name);
    this.#drop(place);
    this.#parts.set(place, part);
    this.#bytes += size;
    for (const oldest of this.#parts.keys()) {
      if (this.#bytes <= RECENT_PARTS_BYTES_MAX) break;
      this.#drop(oldest);
    }
  }

  #drop(place: string): void {
    const part = this.#parts.get(place);
    if (part === undefined) return;
    this.#bytes -= partSize(part);
    this.#parts.delete(place);
  }
}
