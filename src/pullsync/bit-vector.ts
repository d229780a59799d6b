/** Which of an offer's entries are wanted: entry i is bit i mod 8, of value 2^(i mod 8), of byte ⌊i / 8⌋. [PS12] */

/** The vector of `wanted.length` bits; at least one byte, one for each eight bits begun. */
export function encodeBits(wanted: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.max(1, Math.ceil(wanted.length / 8)));
  wanted.forEach((isWanted, i) => {
    if (isWanted) bytes[i >> 3] = (bytes[i >> 3] as number) | (1 << (i & 7));
  });
  return bytes;
}

/** The first `count` bits; `undefined` when there are fewer. Bits beyond them do not count. */
export function decodeBits(bytes: Uint8Array, count: number): boolean[] | undefined {
  if (8 * bytes.length < count) return undefined;
  return Array.from(
    { length: count },
    (_, i) => (((bytes[i >> 3] as number) >> (i & 7)) & 1) === 1,
  );
}
