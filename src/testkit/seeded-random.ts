import { assert, type Random } from "../base/index.ts";

/** Chance that a seed repeats. Good for tests, worthless for keys. */
export interface SeededRandom extends Random {
  /** Printed by a test that fails, so that it can be run again. */
  readonly seed: number;
  /** A whole number from 0 up to, not including, `limit` (at most 2^32). */
  below(limit: number): number;
  /** True this share of the time. */
  chance(share: number): boolean;
  /** One of `choices`, which must not be empty. */
  pick<T>(choices: readonly T[]): T;
  /** The same in another order; `list` itself is left alone. */
  shuffled<T>(list: readonly T[]): T[];
}

/** The sequence that belongs to `seed`, any whole number. */
export function seededRandom(seed: number): SeededRandom {
  const next = sfc32(seed);
  const below = (limit: number): number => {
    assert(limit > 0 && limit <= 2 ** 32, "a limit lies between 1 and 2^32");
    return Math.floor((next() / 2 ** 32) * limit);
  };
  return {
    seed,
    below,
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = next() & 255;
      return bytes;
    },
    chance: (share) => next() / 2 ** 32 < share,
    pick<T>(choices: readonly T[]): T {
      assert(choices.length > 0, "there is something to pick from");
      return choices[below(choices.length)] as T;
    },
    shuffled<T>(list: readonly T[]): T[] {
      const shuffled = [...list];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
      }
      return shuffled;
    },
  };
}

/** Chris Doty-Humphrey's Small Fast Chaotic generator, from PractRand: 32-bit numbers, unsigned. */
function sfc32(seed: number): () => number {
  let a = seed | 0;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  // The first numbers of neighbouring seeds are alike.
  for (let i = 0; i < 15; i++) next();
  return next;
}
