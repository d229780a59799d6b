import type { LogKey } from "./ids.ts";

/**
 * A generation vector: for each log the highest generation known without gaps. A log that is not named is at 0.
 * Generations count from 1 and stay below 2^53.
 */
export type GenVector = ReadonlyMap<LogKey, number>;

/** The generation of `log` in `vector`; 0 when it is not named. */
export function generationIn(vector: GenVector, log: LogKey): number {
  return vector.get(log) ?? 0;
}

/** Entry by entry the greater: the least vector that covers both. */
export function joinVectors(a: GenVector, b: GenVector): Map<LogKey, number> {
  const join = new Map(a);
  for (const [log, generation] of b)
    if (generation > generationIn(join, log)) join.set(log, generation);
  return join;
}

/** Whether `vector` reaches every entry of `other`. Entry by entry: incomparable is not covered. */
export function coversVector(vector: GenVector, other: GenVector): boolean {
  for (const [log, generation] of other) if (generationIn(vector, log) < generation) return false;
  return true;
}

/** Whether two vectors name the same logs at the same generations. */
export function equalVectors(a: GenVector, b: GenVector): boolean {
  return a.size === b.size && [...a].every(([log, generation]) => b.get(log) === generation);
}
