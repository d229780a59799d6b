import type { Ancestry } from "./ancestry.ts";
import type { ControlEntry } from "./control-entry.ts";

interface Candidate<T> {
  readonly index: number;
  readonly entry: ControlEntry;
  readonly value: T;
}

/**
 * The latest of several values for one thing: one that follows another replaces it; of those that do not know each other
 * the greatest (timestamp, id) is shown. [AC17]
 */
export class Latest<T> {
  /** Those that no other follows. */
  #candidates: Candidate<T>[] = [];

  /** Adds a value that is not followed by any added before. */
  add(ancestry: Ancestry, candidate: Candidate<T>): void {
    this.#candidates = this.#candidates.filter(
      ({ index }) => !ancestry.precedes(index, candidate.index),
    );
    this.#candidates.push(candidate);
  }

  /** The one that is shown; `undefined` before the first. */
  get shown(): Candidate<T> | undefined {
    let shown = this.#candidates[0];
    for (const candidate of this.#candidates) {
      if (shown === undefined || isLater(candidate.entry, shown.entry)) shown = candidate;
    }
    return shown;
  }
}

function isLater(a: ControlEntry, b: ControlEntry): boolean {
  return a.timestamp === b.timestamp ? a.id > b.id : a.timestamp > b.timestamp;
}
