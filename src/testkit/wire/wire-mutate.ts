/** Bytes as a broken or hostile peer may send them: mostly a message, with something wrong. */

import { concatBytes } from "../../base/index.ts";
import type { SeededRandom } from "../seeded-random.ts";

/** Bytes that mean something to a reader: ends of ranges, tags of low fields, long varints. */
const TELLING = [0x00, 0x01, 0x08, 0x0a, 0x10, 0x12, 0x1a, 0x22, 0x2a, 0x7f, 0x80, 0x81, 0xff];

/** One of `corpus` with one to four alterations, or, now and then, bytes by chance alone. */
export function mutated(random: SeededRandom, corpus: readonly Uint8Array[]): Uint8Array {
  if (random.chance(0.05)) return random.bytes(random.below(64));
  let bytes = random.pick(corpus);
  for (let left = 1 + random.below(4); left > 0; left--) bytes = alteration(random, bytes, corpus);
  return bytes;
}

function alteration(
  random: SeededRandom,
  bytes: Uint8Array,
  corpus: readonly Uint8Array[],
): Uint8Array {
  const at = random.below(bytes.length + 1);
  const to = at + random.below(Math.min(bytes.length - at, 40) + 1);
  const [before, piece, after] = [
    bytes.subarray(0, at),
    bytes.subarray(at, to),
    bytes.subarray(to),
  ];
  switch (random.below(7)) {
    case 0: // One bit.
      return altered(bytes, at, (byte) => byte ^ (1 << random.below(8)));
    case 1: // One byte, to one that means something.
      return altered(bytes, at, () => random.pick(TELLING));
    case 2: // Cut short.
      return before;
    case 3: // A piece is gone.
      return concatBytes(before, after);
    case 4: // A piece stands twice.
      return concatBytes(before, piece, piece, after);
    case 5: // Something foreign in between.
      return concatBytes(
        before,
        Uint8Array.from([random.pick(TELLING), random.pick(TELLING)]),
        after,
      );
    default: // The end of another.
      return concatBytes(before, tail(random, random.pick(corpus)));
  }
}

function altered(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = bytes.slice();
  const byte = copy[at];
  if (byte !== undefined) copy[at] = change(byte);
  return copy;
}

function tail(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  return bytes.subarray(random.below(bytes.length + 1));
}
