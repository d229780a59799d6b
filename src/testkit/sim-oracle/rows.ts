/** What a row must be, by the set of its versions alone: no store, no order of arrival, no network. */

import type { VersionFact } from "./facts.ts";

/** Whether `later` was written by somebody who had seen `earlier`. */
export function covers(later: VersionFact, earlier: VersionFact): boolean {
  return later !== earlier && (later.context.get(earlier.log) ?? 0) >= earlier.generation;
}

/**
 * Whether another log wrote over `earlier` and can have meant no other commit under its name, of all versions of the row: then
 * that may have been dropped everywhere before anybody heard of the fork.
 */
export function replaces(
  later: VersionFact,
  earlier: VersionFact,
  all: readonly VersionFact[],
): boolean {
  const isNamed = later.context.get(earlier.log) === earlier.generation;
  if (later.log === earlier.log || !isNamed) return false;
  return all.every((one) => one.dot !== earlier.dot || one.digest === earlier.digest);
}

/** The versions that no other of the set has seen, the visible one first. */
export function headsOf(versions: readonly VersionFact[]): VersionFact[] {
  return versions
    .filter((one) => !versions.some((other) => covers(other, one)))
    .sort((a, b) => (isGreater(a, b) ? -1 : 1));
}

/** Last write wins: by time stamp, then by log. */
function isGreater(a: VersionFact, b: VersionFact): boolean {
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp;
  return a.log > b.log;
}
