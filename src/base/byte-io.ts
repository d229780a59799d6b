import { CodedError } from "./errors.ts";

/** `BYTES_TRUNCATED`: more was asked for than is there. `BYTES_MALFORMED`: a varint that is not the shortest, or too great. */
export type BytesErrorCode = "BYTES_MALFORMED" | "BYTES_TRUNCATED";

export class BytesError extends CodedError<BytesErrorCode> {}

const TWO_32 = 2 ** 32;

/** Writes numbers and bytes one after another into memory that grows. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  /** `size`: bytes expected, so that nothing has to grow. */
  constructor(size = 64) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  u32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  u64(value: bigint): void {
    this.#room(8);
    this.#view.setBigUint64(this.#at, value);
    this.#at += 8;
  }

  /** Unsigned LEB128, as protobuf's: a whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at++] = rest;
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** What was written. The writer is not used afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(size: number): void {
    const needed = this.#at + size;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads what a `ByteWriter` wrote. Every read is checked against what is left. @throws {BytesError} */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    this.#need(1);
    return this.#bytes[this.#at++] as number;
  }

  u32(): number {
    this.#need(4);
    const value = this.#view.getUint32(this.#at);
    this.#at += 4;
    return value;
  }

  u64(): bigint {
    this.#need(8);
    const value = this.#view.getBigUint64(this.#at);
    this.#at += 8;
    return value;
  }

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
      if (scale > TWO_32 * TWO_32) throw malformed("a number does not end");
    }
  }

  /** The next `size` bytes, in the memory that is read. */
  bytes(size: number): Uint8Array {
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

function malformed(why: string): BytesError {
  return new BytesError("BYTES_MALFORMED", `Cannot read bytes: ${why}`);
}
