import { hash } from "node:crypto";

/** SHA-256 of `number` as four bytes, big-endian. */
export function block(number: number): Uint8Array {
  const input = new Uint8Array(4);
  new DataView(input.buffer).setUint32(0, number);
  return hash("sha256", input, "buffer");
}

/** `length` bytes that look random and are easily made elsewhere: the blocks from number `first` on, one after another. */
export function blocks(length: number, first = 0): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(length / 32) * 32);
  for (let i = 0; i * 32 < length; i++) bytes.set(block(first + i), i * 32);
  return bytes.subarray(0, length);
}
