/** Bytes of the longest varint written here: 2^53 - 1. */
export const LONGEST_VARINT_SIZE = 8;

/** Bytes of `value` as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

/**
 * Writes a whole number from 0 to 2^53 - 1 as unsigned LEB128, as protobuf's varint, at `at`, and answers where it ends.
 * There must be room. [BA3]
 */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError("A varint is a whole number from 0 to 2^53 - 1");
  let end = at;
  let rest = value;
  // Bit operations see 32 bits.
  for (; rest >= 0x8000_0000; rest = Math.floor(rest / 0x80)) bytes[end++] = (rest % 0x80) | 0x80;
  for (; rest >= 0x80; rest >>>= 7) bytes[end++] = (rest & 0x7f) | 0x80;
  bytes[end++] = rest;
  return end;
}
