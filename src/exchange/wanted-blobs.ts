import type { BlobRef, Crypto } from "../base/index.ts";
import { BlobError, rootOf } from "../blobs/index.ts";
import { blobKeyOf } from "./blob-access.ts";
import { KEEPER_WANTED_MAX } from "./limits.ts";

/** A blob that is wanted and not yet here and placed. */
export interface Wanted {
  readonly ref: BlobRef;
  /** When to look at it next, by the monotonic clock, and when to fetch it again at the earliest. */
  dueAt: number;
  retryAt: number;
  /** Times that it was tried in vain since there was news. */
  attempts: number;
  /** Times that it was looked at in vain since then. */
  looks: number;
  isUnderWay: boolean;
  /** Whether it has had its turn. */
  isTried: boolean;
  /** Whether a row was seen to name it since its turn began: another group may do so now. */
  isSeenAgain: boolean;
  /** Bytes that were here at the last look, and since when there are no more. */
  here: number;
  idleSince: number;
}

/** Whether there can be a blob as a row says. What cannot be is never wanted. */
export function isPossible(crypto: Crypto, ref: BlobRef): boolean {
  try {
    rootOf(crypto, ref);
    return true;
  } catch (error) {
    if (error instanceof BlobError) return false;
    throw error;
  }
}

/**
 * What a storage peer is after, in the order of turns: who has had one goes to the end. Bounded: when it is full, what has
 * waited longest after its turn makes place for what has had none, and is found in the rows again.
 */
export class WantedBlobs {
  readonly #wanted = new Map<string, Wanted>();
  /** Whether some were left out, or made place: rows are to be looked through again. */
  isShort = false;

  get size(): number {
    return this.#wanted.size;
  }

  /** Whether `add` finds a place. */
  get hasRoom(): boolean {
    return this.#wanted.size < KEEPER_WANTED_MAX || this.#spare !== undefined;
  }

  /** Those to be had, first come first. */
  values(): Iterable<Wanted> {
    return this.#wanted.values();
  }

  /** Adds a blob, unless it is among them; without room it is left out. `now`: by the monotonic clock. */
  add(ref: BlobRef, now: number): void {
    const known = this.#wanted.get(blobKeyOf(ref));
    if (known !== undefined) {
      known.isSeenAgain = true;
      return;
    }
    if (this.#wanted.size >= KEEPER_WANTED_MAX) {
      this.isShort = true;
      const spare = this.#spare;
      if (spare === undefined) return;
      this.delete(spare);
    }
    this.#wanted.set(blobKeyOf(ref), {
      ref,
      dueAt: now,
      retryAt: now,
      attempts: 0,
      looks: 0,
      isUnderWay: false,
      isTried: false,
      isSeenAgain: false,
      here: 0,
      idleSince: now,
    });
  }

  delete(wanted: Wanted): void {
    if (this.#isAmong(wanted)) this.#wanted.delete(blobKeyOf(wanted.ref));
  }

  /** It has had its turn: if it is among them still, the others come first now. */
  toEnd(wanted: Wanted): void {
    if (!this.#isAmong(wanted)) return;
    this.delete(wanted);
    wanted.isTried = true;
    this.#wanted.set(blobKeyOf(wanted.ref), wanted);
  }

  #isAmong(wanted: Wanted): boolean {
    return this.#wanted.get(blobKeyOf(wanted.ref)) === wanted;
  }

  /** What may make place: the first that is not under way, if it has had its turn. */
  get #spare(): Wanted | undefined {
    for (const wanted of this.#wanted.values())
      if (!wanted.isUnderWay) return wanted.isTried ? wanted : undefined;
    return undefined;
  }
}
