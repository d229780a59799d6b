/**
 * Reading and writing single fields, for the codecs written by hand. Numbers are whole and at most 2^53 - 1; field numbers
 * are at most 15, so that every tag is one byte.
 */

import { allocate, assert, SHORT_BYTES, varintSize, writeVarint } from "../base/index.ts";

/** Bytes of a field that holds `size` bytes, with tag and size. */
export function sizedSize(size: number): number {
  return 1 + varintSize(size) + size;
}

/** Writes fields into memory of a size reckoned before. */
export class FieldWriter {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  /** `into`: memory that is there already, in which it writes from `at` on. Default: memory of its own. */
  constructor(size: number, into?: Uint8Array, at = 0) {
    this.#bytes = into ?? allocate(size);
    this.#at = at;
    this.#end = at + size;
  }

  /** A field that holds bytes. */
  sized(tag: number, content: Uint8Array): void {
    this.head(tag, content.length);
    this.bytes(content);
  }

  /** One byte of a field whose head has been written. */
  byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  /** Bytes of a field whose head has been written. */
  bytes(content: Uint8Array): void {
    const bytes = this.#bytes;
    let at = this.#at;
    this.#at = at + content.length;
    if (content.length >= SHORT_BYTES) bytes.set(content, at);
    else for (let i = 0; i < content.length; i++) bytes[at++] = content[i] as number;
  }

  /** Tag and size of a field whose `size` bytes are written next. */
  head(tag: number, size: number): void {
    this.#bytes[this.#at++] = tag;
    this.varint(size);
  }

  /** A field that holds a number; nothing for 0, the default. */
  number(tag: number, value: number): void {
    if (value === 0) return;
    this.#bytes[this.#at++] = tag;
    this.varint(value);
  }

  /** A field of 64 bits, the least first. */
  fixed64(tag: number, value: bigint): void {
    this.#bytes[this.#at++] = tag;
    let low = Number(value & 0xffff_ffffn);
    let high = Number(value >> 32n);
    for (let i = 0; i < 4; i++, low >>>= 8, high >>>= 8) {
      this.#bytes[this.#at + i] = low & 0xff;
      this.#bytes[this.#at + 4 + i] = high & 0xff;
    }
    this.#at += 8;
  }

  varint(value: number): void {
    this.#at = writeVarint(this.#bytes, this.#at, value);
  }

  finish(): Uint8Array {
    assert(this.#at === this.#end, "a message is as long as it was reckoned to be");
    return this.#bytes;
  }
}

const NOTHING = new Uint8Array();

/**
 * Reads the fields of a canonical message in order. What is not as asked is noted, not thrown: `isGood` says at the end
 * whether all was, and the general walk says why not.
 */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at = 0;
  #good = true;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  get at(): number {
    return this.#at;
  }

  /** Whether everything was as asked and nothing is left. */
  get isGood(): boolean {
    return this.#good && this.#at === this.#end;
  }

  /** Whether everything so far was as asked. */
  get isGoodSoFar(): boolean {
    return this.#good;
  }

  /** Steps over `tag` if it is next. */
  next(tag: number): boolean {
    if (this.#at >= this.#end || this.#bytes[this.#at] !== tag) return false;
    this.#at += 1;
    return true;
  }

  /** Notes whether what was read is within its limits. */
  require(holds: boolean): void {
    if (!holds) this.#good = false;
  }

  /** Steps over size and content and answers the content, as a view. */
  sized(min: number, max: number): Uint8Array {
    const start = this.pass(min, max);
    return start < 0 ? NOTHING : this.#bytes.subarray(start, this.#at);
  }

  /** As `sized`, but answers where the content begins: it ends at `at`. -1: it is not as asked. */
  pass(min: number, max: number): number {
    const size = this.varint(max);
    const start = this.#at;
    if (size < min || size > this.#end - start) {
      this.#good = false;
      return -1;
    }
    this.#at = start + size;
    return start;
  }

  /** Steps over a size and answers where the content of that size, which is read next, ends. */
  nested(max: number): number {
    const size = this.varint(max);
    if (size <= this.#end - this.#at) return this.#at + size;
    this.#good = false;
    return this.#at;
  }

  /** A field's number: not 0, which would have been left out, and at most `max`. */
  number(max: number): number {
    const value = this.varint(max);
    if (value === 0) this.#good = false;
    return value;
  }

  varint(max: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    let value = 0;
    let scale = 1;
    while (at < end && scale < 2 ** 56) {
      const byte = bytes[at++] as number;
      if (byte < 0x80) {
        value += byte * scale;
        // A last byte of 0 says nothing: a longer form than needed.
        if ((byte === 0 && scale > 1) || value > max) break;
        this.#at = at;
        return value;
      }
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    }
    this.#good = false;
    return 0;
  }
}
