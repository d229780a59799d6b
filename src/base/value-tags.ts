/** CBOR tags of row values; docs/spec/values.md. */
export const TAG = {
  /** RFC 8949 §3.4.3: unsigned and negative bignums. Every bigint is one, so that 1 and 1n stay apart. */
  bigintPositive: 2,
  bigintNegative: 3,
  /** RFC 9581: extended time, here always whole seconds (key 1) and milliseconds (key -3). */
  date: 1001,
  /** Ours, of the range that is first come, first served: "rook" in ASCII. An array: root, size, depth, chunker, media type. */
  blobRef: 0x726f6f6b,
} as const;

/** Keys of a date's map. */
export const DATE_SECONDS = 1;
export const DATE_MILLIS = -3;
/** Greatest milliseconds of a Date either way (ECMAScript). */
export const DATE_MILLIS_MAX = 8.64e15;
