/**
 * The encoder of row values. By hand and in one pass, which reads every property once: a library that walks after a
 * check may meet other values than were checked, and reckons the size when the memory has been taken already.
 */

import { BlobRef } from "./blob-ref.ts";
import { allocate, compareBytes, equalBytes, fromHex, utf8 } from "./bytes.ts";
import { ValueError } from "./errors.ts";
import { Mergeable } from "./mergeable.ts";
import { ROW_VALUE_BYTES_MAX, VALUE_DEPTH_MAX, VALUE_NODES_MAX } from "./limits.ts";
import type { Value } from "./value.ts";
import {
  DATE_MILLIS_KEY,
  DATE_START,
  HEAD,
  isWhole,
  MAJOR,
  NAN_BITS,
  TAG,
} from "./value-format.ts";

/**
 * The one encoding of a row value: CBOR, deterministic, in memory that nobody else writes to. [VA1] [VA3]
 *
 * @throws {ValueError} `DB_VALUE_UNSUPPORTED` [VA2] or `DB_VALUE_TOO_LARGE` [VA5], having written nothing anywhere.
 */
export function encodeValue(value: unknown): Uint8Array {
  const scratch = spare ?? new Uint8Array(SCRATCH_BYTES);
  // Out of reach while in use: a proxy's trap may encode too.
  spare = undefined;
  const encoder = new Encoder(scratch);
  try {
    encoder.item(value, 1);
    return encoder.finish();
  } finally {
    spare = scratch;
  }
}

/** Whether both are the same value: equality of values is equality of their bytes. NaN is NaN, 0 is not -0. [VA4] */
export function equalValues(a: Value, b: Value): boolean {
  return equalBytes(encodeValue(a), encodeValue(b));
}

/** Memory to write in, since what is written goes out as a copy: most values fit, and making it costs more than they do. */
const SCRATCH_BYTES = 16 * 1024;
const SCRATCH = new Uint8Array(SCRATCH_BYTES);
let spare: Uint8Array | undefined = SCRATCH;

/** Views of its start up to this size are kept, by size: making one for each value costs as much as copying it. */
const STARTS_BYTES_MAX = 1024;
const starts: (Uint8Array | undefined)[] = [];

function startOf(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes !== SCRATCH || size > STARTS_BYTES_MAX) return bytes.subarray(0, size);
  return (starts[size] ??= SCRATCH.subarray(0, size));
}

/** Below this many characters a loop is quicker than the encoder's call. Measured on V8. */
const SHORT_CHARACTERS = 160;

const textEncoder = new TextEncoder();

class Encoder {
  #bytes: Uint8Array;
  #view: DataView | undefined;
  #at = 0;
  #nodes = 0;

  constructor(scratch: Uint8Array) {
    this.#bytes = scratch;
  }

  finish(): Uint8Array {
    if (this.#at > ROW_VALUE_BYTES_MAX) throw tooLarge();
    const bytes = allocate(this.#at);
    bytes.set(startOf(this.#bytes, this.#at));
    return bytes;
  }

  /** `depth`: the level that an array or object would have here. */
  item(value: unknown, depth: number): void {
    this.#nodes += 1;
    if (this.#nodes > VALUE_NODES_MAX)
      throw unsupported(`it has more than ${VALUE_NODES_MAX} parts`);
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return this.#number(value);
      case "boolean":
        return this.#byte(value ? HEAD.true : HEAD.false);
      case "bigint":
        return this.#bigint(value);
      case "object":
        return value === null ? this.#byte(HEAD.null) : this.#object(value, depth);
      default:
        throw unsupported(`${value === undefined ? "" : "a "}${typeof value} is no row value`);
    }
  }

  #object(value: object, depth: number): void {
    if (ArrayBuffer.isView(value) && value instanceof Uint8Array)
      return this.#sized(MAJOR.bytes, value);
    if (BlobRef.isBlobRef(value)) return this.#blobRef(value);
    if (value instanceof Date) return this.#date(value);
    if (Mergeable.isMergeable(value)) return this.#mergeable(value, depth);
    // A cycle ends here too.
    if (depth > VALUE_DEPTH_MAX)
      throw unsupported(`it is nested over ${VALUE_DEPTH_MAX} deep, or holds itself`);
    if (Array.isArray(value)) return this.#array(value, depth);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null)
      throw unsupported("an object is of a class of its own");
    this.#record(value, depth);
  }

  #array(value: readonly unknown[], depth: number): void {
    const { length } = value;
    if (length > VALUE_NODES_MAX) throw unsupported(`it has more than ${VALUE_NODES_MAX} parts`);
    if (Object.getPrototypeOf(value) !== Array.prototype)
      throw unsupported("an array is of a class of its own");
    if (Object.keys(value).length !== length || Object.getOwnPropertySymbols(value).length > 0)
      throw unsupported("an array has holes, or properties beside its items");
    this.#head(MAJOR.array, length);
    for (let i = 0; i < length; i++) this.item(value[i], depth + 1);
  }

  #record(value: object, depth: number): void {
    const keys = Reflect.ownKeys(value);
    let isAscii = true;
    for (const key of keys) {
      if (typeof key !== "string") throw unsupported("an object has a symbol as key");
      isAscii &&= ASCII.test(key);
    }
    const names = keys as string[];
    if (names.length > 1) names.sort(isAscii ? byLengthThenUnits : byLengthThenBytes);
    this.#head(MAJOR.map, names.length);
    for (const name of names) {
      const property = Reflect.getOwnPropertyDescriptor(value, name);
      // Not there: a proxy. Neither hidden properties nor accessors would come back as what they are.
      if (property === undefined || property.enumerable !== true || !("value" in property))
        throw unsupported("an object has accessors or hidden properties");
      this.#text(name);
      this.item(property.value, depth + 1);
    }
  }

  #number(value: number): void {
    if (isWhole(value)) {
      if (value < 0) this.#head(MAJOR.negint, -1 - value);
      else this.#head(MAJOR.uint, value);
      return;
    }
    this.#room(9);
    this.#bytes[this.#at] = HEAD.float64;
    this.#view ??= new DataView(this.#bytes.buffer);
    // Of all NaNs one is written, whatever bits the engine keeps in this one.
    this.#view.setFloat64(this.#at + 1, value);
    if (Number.isNaN(value)) this.#view.setBigUint64(this.#at + 1, NAN_BITS);
    this.#at += 9;
  }

  #bigint(value: bigint): void {
    const magnitude = value < 0n ? ~value : value;
    if (BigInt.asUintN(8 * ROW_VALUE_BYTES_MAX, magnitude) !== magnitude) throw tooLarge();
    this.#head(MAJOR.tag, value < 0n ? TAG.bigintNegative : TAG.bigintPositive);
    const digits = magnitude === 0n ? "" : magnitude.toString(16);
    this.#sized(
      MAJOR.bytes,
      fromHex(digits.length % 2 === 0 ? digits : `0${digits}`) as Uint8Array,
    );
  }

  #date(value: Date): void {
    const millis = millisOf(value);
    const seconds = Math.floor(millis / 1000);
    this.#head(MAJOR.tag, TAG.date);
    for (const byte of DATE_START) this.#byte(byte);
    this.#number(seconds);
    this.#byte(DATE_MILLIS_KEY);
    this.#number(millis - 1000 * seconds);
  }

  #blobRef({ root, size, depth, chunker, mediaType }: BlobRef): void {
    this.#head(MAJOR.tag, TAG.blobRef);
    this.#head(MAJOR.array, mediaType === undefined ? 4 : 5);
    this.#sized(MAJOR.bytes, root);
    this.#head(MAJOR.uint, size);
    this.#head(MAJOR.uint, depth);
    this.#head(MAJOR.uint, chunker);
    if (mediaType !== undefined) this.#text(mediaType);
  }

  #mergeable({ content }: Mergeable, depth: number): void {
    if (depth > 1) throw unsupported("a mergeable value is a part of another");
    this.#head(MAJOR.tag, TAG.mergeable);
    this.item(content, depth + 1);
  }

  #text(text: string): void {
    const { length } = text;
    // Before its bytes are counted: each character has one at least.
    if (length > ROW_VALUE_BYTES_MAX) throw tooLarge();
    if (length < SHORT_CHARACTERS && this.#shortAscii(text)) return;
    if (!text.isWellFormed()) throw unsupported("a text has a lone surrogate");
    // Most text is as many bytes as characters: the head of that length is the right one, or the bytes are moved.
    this.#room(Math.min(3 * length, ROW_VALUE_BYTES_MAX) + HEAD_BYTES_MAX);
    const headAt = this.#at;
    this.#head(MAJOR.text, length);
    const start = this.#at;
    const { read, written } = textEncoder.encodeInto(text, this.#bytes.subarray(start));
    if (read < length) throw tooLarge();
    if (written !== length) {
      const moved = headAt + headSize(written);
      if (moved !== start) this.#bytes.copyWithin(moved, start, start + written);
      this.#at = headAt;
      this.#head(MAJOR.text, written);
    }
    this.#at += written;
  }

  /** Writes `text` if it is ASCII; answers whether it was. */
  #shortAscii(text: string): boolean {
    this.#room(text.length + HEAD_BYTES_MAX);
    const headAt = this.#at;
    this.#head(MAJOR.text, text.length);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        this.#at = headAt;
        return false;
      }
      bytes[at++] = unit;
    }
    this.#at = at;
    return true;
  }

  #sized(major: number, content: Uint8Array): void {
    this.#head(major, content.length);
    this.#room(content.length);
    this.#bytes.set(content, this.#at);
    this.#at += content.length;
  }

  /** A head in its shortest form. */
  #head(major: number, argument: number): void {
    this.#room(HEAD_BYTES_MAX);
    const bytes = this.#bytes;
    const first = major << 5;
    let at = this.#at;
    if (argument < 24) bytes[at++] = first | argument;
    else {
      const size = argument < 0x100 ? 1 : argument < 0x1_0000 ? 2 : argument < 2 ** 32 ? 4 : 8;
      bytes[at++] = first | (size === 1 ? 24 : size === 2 ? 25 : size === 4 ? 26 : 27);
      if (size === 8) {
        const high = Math.floor(argument / 2 ** 32);
        for (let shift = 24; shift >= 0; shift -= 8) bytes[at++] = high >>> shift;
      }
      for (let shift = 8 * Math.min(size, 4) - 8; shift >= 0; shift -= 8)
        bytes[at++] = (argument >>> shift) & 0xff;
    }
    this.#at = at;
  }

  #byte(byte: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = byte;
  }

  /** Makes room for `size` more bytes; refuses when what is written already, or will be, is over the limit. */
  #room(size: number): void {
    const needed = this.#at + size;
    if (needed <= this.#bytes.length) return;
    if (this.#at > ROW_VALUE_BYTES_MAX || size > ROW_VALUE_BYTES_MAX + HEAD_BYTES_MAX)
      throw tooLarge();
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#view = undefined;
  }
}

/** Bytes of the head of this length, at most 2^32 - 1. */
function headSize(length: number): number {
  if (length < 24) return 1;
  return length < 0x100 ? 2 : length < 0x1_0000 ? 3 : 5;
}

/** The longest head: one byte and a number of 64 bits. */
const HEAD_BYTES_MAX = 9;

const ASCII = /^[\0-\x7f]*$/;

/** Of ASCII, whose code units are its bytes. */
function byLengthThenUnits(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}

function byLengthThenBytes(a: string, b: string): number {
  const [aBytes, bBytes] = [utf8(a), utf8(b)];
  return aBytes.length - bBytes.length || compareBytes(aBytes, bBytes);
}

function millisOf(date: Date): number {
  let millis: number;
  try {
    millis = Date.prototype.getTime.call(date);
  } catch (cause) {
    throw unsupported("an object is of a class of its own", { cause });
  }
  if (Number.isNaN(millis)) throw unsupported("a date is invalid");
  return millis;
}

function unsupported(why: string, options?: ErrorOptions): ValueError {
  return new ValueError("DB_VALUE_UNSUPPORTED", `Cannot encode value: ${why}`, options);
}

function tooLarge(): ValueError {
  return new ValueError(
    "DB_VALUE_TOO_LARGE",
    `Cannot encode value: over ${ROW_VALUE_BYTES_MAX} bytes. Larger content is a blob`,
  );
}
