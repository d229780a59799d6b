import type { Ancestry } from "./ancestry.ts";
import type { ControlEntry } from "./control-entry.ts";

/** A value that an entry gives to something, where `index` is the entry's number in the ancestry. */
export interface Candidate<T> {
  readonly index: number;
  readonly entry: ControlEntry;
  readonly value: T;
}

/**
 * The candidates that remain when one is added that none of them follows: one that follows another replaces it. [AC18]
 */
export function withCandidate<T>(
  ancestry: Ancestry,
  candidates: readonly Candidate<T>[],
  added: Candidate<T>,
): readonly [Candidate<T>, ...Candidate<T>[]] {
  return [added, ...candidates.filter(({ index }) => !ancestry.precedes(index, added.index))];
}

/** Of values that do not know each other the one with the greatest (timestamp, id). [AC18] */
export function latestOf<T>(candidates: readonly [Candidate<T>, ...Candidate<T>[]]): Candidate<T> {
  return candidates.reduce((latest, candidate) =>
    isLater(candidate.entry, latest.entry) ? candidate : latest,
  );
}

function isLater(a: ControlEntry, b: ControlEntry): boolean {
  return a.timestamp === b.timestamp ? a.id > b.id : a.timestamp > b.timestamp;
}
