import { type Ancestry, contains, type Past } from "./ancestry.ts";
import type { ControlEntry } from "./control-entry.ts";
import { insertSorted } from "./sorted.ts";

/** A value that an entry gives to something, where `index` is the entry's number in the ancestry. */
export interface Candidate<T> {
  readonly index: number;
  readonly entry: ControlEntry;
  readonly value: T;
}

/**
 * The latest of several values for one thing: one that follows another replaces it; of those that do not know each other
 * the one with the greatest (timestamp, id) is shown. [AC18]
 */
export class Latest<T> {
  /** By (timestamp, id); the last is the one shown. Others may have been replaced. */
  readonly #candidates: Candidate<T>[] = [];
  /** What all candidates follow: whoever is in it has been replaced, for ever. */
  #replaced: Past = [];

  constructor(from?: Latest<T>) {
    if (from === undefined) return;
    this.#candidates = [...from.#candidates];
    this.#replaced = from.#replaced;
  }

  /** Adds a candidate that none of those before follows. Answers the one that is shown then. */
  add(ancestry: Ancestry, added: Candidate<T>): Candidate<T> {
    this.#replaced = ancestry.withAncestorsOf(this.#replaced, added.index);
    insertSorted(this.#candidates, added, isEarlier);
    for (;;) {
      const last = this.#candidates.at(-1) ?? added;
      if (last === added || !contains(this.#replaced, last.index)) return last;
      this.#candidates.pop();
    }
  }
}

/** The order of values that do not know each other. */
export function isEarlier(a: Candidate<unknown>, b: Candidate<unknown>): boolean {
  const [left, right] = [a.entry, b.entry];
  return left.timestamp === right.timestamp ? left.id < right.id : left.timestamp < right.timestamp;
}
