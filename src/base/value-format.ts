/** The bytes of row values, as far as encoder, walk and decoder share them. RFC 8949; docs/spec/values.md. */

/** Major types: the upper three bits of a head. */
export const MAJOR = {
  uint: 0,
  negint: 1,
  bytes: 2,
  text: 3,
  array: 4,
  map: 5,
  tag: 6,
} as const;

/** Whole heads: the simple values, and the one of every number that is no whole one. */
export const HEAD = { false: 0xf4, true: 0xf5, null: 0xf6, float64: 0xfb } as const;

export const TAG = {
  /** RFC 8949 §3.4.3: unsigned and negative bignums. Every bigint is one, so that 1 and 1n stay apart. */
  bigintPositive: 2,
  bigintNegative: 3,
  /** RFC 9581: extended time, here always whole seconds (key 1) and milliseconds (key -3). */
  date: 1001,
  /** Ours, of the range that is first come, first served: "rook" in ASCII. An array: root, size, depth, chunker, media type. */
  blobRef: 0x726f6f6b,
  /** Ours too: "roon" in ASCII. Any value, which docs/spec/conflicts.md reads. */
  mergeable: 0x726f6f6e,
} as const;

/** A date's map as it begins: two entries, the first key. */
export const DATE_START = [0xa2, 0x01] as const;
/** A date's second key, -3. */
export const DATE_MILLIS_KEY = 0x22;
/** Greatest milliseconds of a Date either way (ECMAScript). */
export const DATE_REACH_MILLIS = 8.64e15;

/** The one NaN: quiet, without sign or payload. */
export const NAN_BITS = 0x7ff8_0000_0000_0000n;

/** Whether a number is written as a whole one. -0 is not, since CBOR's whole numbers have no such. */
export function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && !Object.is(value, -0);
}
