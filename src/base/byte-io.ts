import { allocate, SHORT_BYTES } from "./bytes.ts";
import { BytesError } from "./errors.ts";
import { LONGEST_VARINT_SIZE, varintSize, writeVarint } from "./varint.ts";

const wideBytes = new Uint8Array(8);
const wide = new DataView(wideBytes.buffer);

/** Writes numbers (big-endian, or as varints) and bytes one after another into memory that grows. [BA4] */
export class ByteWriter {
  #bytes: Uint8Array;
  #at = 0;

  /** `size`: bytes expected, so that nothing has to grow; or memory of that size, all zeros. */
  constructor(size: number | Uint8Array = 64) {
    this.#bytes = typeof size === "number" ? allocate(size) : size;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  /** An unsigned byte. */
  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  /** 32 bits, unsigned, big-endian: so that keys sort as their numbers. */
  u32(value: number): void {
    this.#room(4);
    for (let shift = 24; shift >= 0; shift -= 8) this.#bytes[this.#at++] = value >>> shift;
  }

  /** 64 bits, unsigned, big-endian. */
  u64(value: bigint): void {
    // A view of one's own memory costs more than the copy.
    wide.setBigUint64(0, value);
    this.bytes(wideBytes);
  }

  /** Unsigned LEB128, as protobuf's: a whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#room(varintSize(value));
    this.#at = writeVarint(this.#bytes, this.#at, value);
  }

  /** The bytes alone: who reads knows how many. */
  bytes(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#room(length);
    const own = this.#bytes;
    let at = this.#at;
    this.#at = at + length;
    if (length >= SHORT_BYTES) own.set(bytes, at);
    else for (let i = 0; i < length; i++) own[at++] = bytes[i] as number;
  }

  /** What is written so far, as a view until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** What was written. The writer is not used afterwards. */
  finish(): Uint8Array {
    return this.#at === this.#bytes.length ? this.#bytes : this.written();
  }

  #room(size: number): void {
    const needed = this.#at + size;
    if (needed <= this.#bytes.length) return;
    const grown = allocate(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/**
 * Reads what a `ByteWriter` wrote. Every read is checked against what is left. [BA4]
 *
 * @throws {BytesError} `BYTES_TRUNCATED`, and for varints `BYTES_MALFORMED`.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** An unsigned byte. */
  u8(): number {
    this.#need(1);
    return this.#bytes[this.#at++] as number;
  }

  /** 32 bits, unsigned, big-endian. */
  u32(): number {
    this.#need(4);
    let value = 0;
    for (let i = 0; i < 4; i++) value = value * 256 + (this.#bytes[this.#at++] as number);
    return value;
  }

  /** 64 bits, unsigned, big-endian. */
  u64(): bigint {
    this.#need(8);
    for (let i = 0; i < 8; i++) wideBytes[i] = this.#bytes[this.#at++] as number;
    return wide.getBigUint64(0);
  }

  /** A whole number from 0 to 2^53 - 1, in its shortest form. [BA3] */
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw malformed("a number is too great");
      if (byte < 0x80) {
        if (byte === 0 && scale > 1) throw malformed("a number is longer than it needs to be");
        return value;
      }
      if (scale >= SCALE_MAX) throw malformed("a number does not end");
    }
  }

  /** How many elements follow, each of `least` bytes or more: never more than there is room for, so that as many can be made at once. */
  count(least: number): number {
    const count = this.varint();
    if (count * least > this.remaining) this.#need(this.remaining + 1);
    return count;
  }

  /** The next `size` bytes, in the memory that is read. */
  bytes(size: number): Uint8Array {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError("A size is a whole number");
    this.#need(size);
    const bytes = this.#bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return bytes;
  }

  #need(size: number): void {
    if (size > this.remaining)
      throw new BytesError("BYTES_TRUNCATED", "Cannot read bytes: they end too early");
  }
}

/** Of the last byte of 2^53 - 1. */
const SCALE_MAX = 2 ** (7 * (LONGEST_VARINT_SIZE - 1));

function malformed(why: string): BytesError {
  return new BytesError("BYTES_MALFORMED", `Cannot read bytes: ${why}`);
}
