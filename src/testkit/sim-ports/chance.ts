import { type SeededRandom, seededRandom } from "../seeded-random.ts";

/**
 * The chance of one actor of a run: what one draws moves no other's, so that a node more or less leaves the rest of a
 * plan as it was. Labels of one seed that differ give sequences that differ.
 */
export function chanceOf(seed: number, label: string): SeededRandom {
  let a = 0x811c9dc5 ^ (seed | 0);
  let b = 0x9e3779b9 ^ (Math.floor(seed / 2 ** 32) | 0);
  for (let i = 0; i < label.length; i++) {
    a = Math.imul(a ^ label.charCodeAt(i), 0x01000193);
    b = Math.imul(b ^ a, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return seededRandom((a >>> 0) + (b >>> 12) * 2 ** 32);
}

/** A whole number from `from` to `to`, both included. */
export function between(random: SeededRandom, from: number, to: number): number {
  return from + random.below(to - from + 1);
}
