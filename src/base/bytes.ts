import { base64url } from "multiformats/bases/base64";
import { POOL_BYTES } from "./limits.ts";

const textEncoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Below this, V8 keeps the memory of a `Uint8Array` in the object; above, each is an allocation of its own, half a
 * microsecond, unless it is cut from memory that several share.
 */
const OWN_BYTES = 64;

/** Below this, copying byte by byte is quicker than a call of `set`. Measured on V8. */
export const SHORT_BYTES = 24;

/** Below this, copying from the middle of bytes byte by byte is quicker than a view of them and a call of `set`. */
const SHORT_WITHIN_BYTES = 8 * SHORT_BYTES;

/** Copies the `size` bytes of `from` that begin at `at` to where `to` is in `into`. */
export function copyAt(
  into: Uint8Array,
  to: number,
  from: Uint8Array,
  at: number,
  size: number,
): void {
  if (size >= SHORT_WITHIN_BYTES) into.set(from.subarray(at, at + size), to);
  else for (let i = 0; i < size; i++) into[to + i] = from[at + i] as number;
}

let pool = new ArrayBuffer(POOL_BYTES);
let poolUsed = 0;

/** Memory of `size` bytes, filled with zeros. It may share its buffer with other such memory. */
export function allocate(size: number): Uint8Array {
  return size <= OWN_BYTES ? new Uint8Array(size) : allocateShared(size);
}

/**
 * As `allocate`, but few bytes too are cut from memory that several share: for those that go to native code at once, for which V8
 * would first have to take their memory out of the object. Not for what is kept: it would keep all that it shares memory with.
 */
export function allocateShared(size: number): Uint8Array {
  if (size > POOL_BYTES / 8) return new Uint8Array(size);
  if (size > POOL_BYTES - poolUsed) {
    pool = new ArrayBuffer(POOL_BYTES);
    poolUsed = 0;
  }
  const bytes = new Uint8Array(pool, poolUsed, size);
  poolUsed += size;
  return bytes;
}

/** The UTF-8 bytes of `text`. A lone surrogate becomes U+FFFD: check with `isWellFormed()` where that matters. */
export function utf8(text: string): Uint8Array {
  const size = text.length;
  if (size > OWN_BYTES) return textEncoder.encode(text);
  // Most texts are short keys in ASCII, for which the encoder's call takes ten times as long as they do.
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return textEncoder.encode(text);
    bytes[i] = unit;
  }
  return bytes;
}

/** The text of UTF-8 `bytes`, or `undefined` when they are not valid UTF-8. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The parts one after another, in fresh memory. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Order by unsigned bytes, a prefix before what it begins: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const size = Math.min(a.length, b.length);
  for (let i = 0; i < size; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Whether both hold the same bytes. Not constant-time: never for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Two lower-case hexadecimal digits a byte. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** The bytes of an even number of hexadecimal digits, or `undefined`. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const byte = (digitAt(text, 2 * i) << 4) | digitAt(text, 2 * i + 1);
    if (byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

/** The value of a hexadecimal digit; -1 for what is none. */
function digitAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const letter = unit | 0x20;
  return letter >= 0x61 && letter <= 0x66 && unit < 0x80 ? letter - 0x57 : -1;
}

/** Base64 with the URL alphabet and without padding (RFC 4648 §5). */
export function toBase64Url(bytes: Uint8Array): string {
  return base64url.baseEncode(bytes);
}

/** The bytes of base64url text, or `undefined` when it is none: wrong characters, padding, or bits that would be lost. */
export function fromBase64Url(text: string): Uint8Array | undefined {
  try {
    const bytes = base64url.baseDecode(text);
    return base64url.baseEncode(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
