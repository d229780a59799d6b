/** Protobuf put together by hand, also where nobody should: for tests of what is refused. */

import { concatBytes, utf8 } from "../../base/index.ts";

/** A number as a varint, in `size` bytes if its shortest form is shorter. */
export function rawVarint(value: number | bigint, size = 1): Uint8Array {
  const bytes: number[] = [];
  for (let rest = BigInt(value); rest > 0n || bytes.length < size; rest >>= 7n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
  bytes.push((bytes.pop() as number) & 0x7f);
  return Uint8Array.from(bytes);
}

/** The tag of a field. */
export function rawTag(number: number, wireType: number): Uint8Array {
  return rawVarint((BigInt(number) << 3n) | BigInt(wireType));
}

/** A field that holds a varint. */
export function rawNumber(number: number, value: number | bigint): Uint8Array {
  return concatBytes(rawTag(number, 0), rawVarint(value));
}

/** A field that holds bytes, text, a message or packed numbers. */
export function rawSized(number: number, content: Uint8Array | string): Uint8Array {
  const bytes = typeof content === "string" ? utf8(content) : content;
  return concatBytes(rawTag(number, 2), rawVarint(bytes.length), bytes);
}
