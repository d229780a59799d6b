import { equalBytes } from "../base/index.ts";
import { type CommitPart, type LogNumber, partSize, type StoredRecord } from "../records/index.ts";
import { RECENT_PARTS_BYTES_MAX } from "./limits.ts";

/**
 * Parts of a scope that were put together last, for the next peer who follows what is written: to many at once a commit is read and
 * put together once. The oldest goes first.
 */
export class RecentParts {
  readonly #parts = new Map<string, CommitPart>();
  #bytes = 0;

  /** The part of a record, if it is here with all that the record holds. */
  get(log: LogNumber, generation: number, record: StoredRecord): CommitPart | undefined {
    const part = this.#parts.get(`${log} ${generation}`);
    if (part === undefined || part.ops.length !== record.held.length) return undefined;
    // After a fork there may be another commit of that name.
    return equalBytes(part.header, record.header) ? part : undefined;
  }

  put(log: LogNumber, generation: number, part: CommitPart): void {
    const size = partSize(part);
    if (size > RECENT_PARTS_BYTES_MAX / 4) return;
    const name = `${log} ${generation}`;
    this.#drop(name);
    this.#parts.set(name, part);
    this.#bytes += size;
    for (const oldest of this.#parts.keys()) {
      if (this.#bytes <= RECENT_PARTS_BYTES_MAX) break;
      this.#drop(oldest);
    }
  }

  #drop(name: string): void {
    const part = this.#parts.get(name);
    if (part === undefined) return;
    this.#bytes -= partSize(part);
    this.#parts.delete(name);
  }
}
