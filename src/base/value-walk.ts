/**
 * The guard of foreign row values: one pass over the bytes that accepts exactly what `encodeValue` makes, without making
 * an object other than the BlobRefs it meets. A CBOR library alone takes other forms, changes some and can be made to
 * exhaust the stack. [VA6]
 */

import { ADDRESS_SIZE, BlobRef, isMediaType } from "./blob-ref.ts";
import { fromUtf8 } from "./bytes.ts";
import { ValueError } from "./errors.ts";
import {
  BLOB_DEPTH_MAX,
  MEDIA_TYPE_BYTES_MAX,
  ROW_VALUE_BYTES_MAX,
  VALUE_DEPTH_MAX,
  VALUE_NODES_MAX,
} from "./limits.ts";
import {
  DATE_MILLIS_KEY,
  DATE_REACH_MILLIS,
  DATE_START,
  HEAD,
  isWhole,
  MAJOR,
  NAN_BITS,
  TAG,
} from "./value-format.ts";

/** What a walk finds on its way. */
export interface CheckedValue {
  readonly blobRefs: readonly BlobRef[];
}

const NO_REFS: readonly BlobRef[] = [];
const WITHOUT_REFS: CheckedValue = { blobRefs: NO_REFS };

/**
 * Walks the whole of `bytes`, or of them from `start` to `end`, as one encoded value.
 *
 * @throws {ValueError} `DB_VALUE_MALFORMED` for anything that `encodeValue` does not make. [VA6]
 */
export function checkValue(bytes: Uint8Array, start = 0, end = bytes.length): CheckedValue {
  if (end - start > ROW_VALUE_BYTES_MAX) throw malformed(`it is over ${ROW_VALUE_BYTES_MAX} bytes`);
  // A short text alone needs no walk, and none of its objects.
  if (isAsciiText(bytes, start, end)) return WITHOUT_REFS;
  const walk = new Walk(bytes, start, end);
  walk.item(1);
  if (walk.at !== end) throw malformed("bytes follow it");
  return walk.blobRefs === undefined ? WITHOUT_REFS : { blobRefs: walk.blobRefs };
}

/** Whether it is a text of ASCII whose size stands in one byte: what the walk would find, without one. */
function isAsciiText(bytes: Uint8Array, start: number, end: number): boolean {
  const head = bytes[start];
  if (head === undefined || head >> 5 !== MAJOR.text) return false;
  const info = head & 0x1f;
  const size = info === 24 ? (bytes[start + 1] as number) : info;
  const from = start + (info === 24 ? 2 : 1);
  if (info > 24 || (info === 24 && size < 24) || from + size !== end) return false;
  for (let at = from; at < end; at++) if ((bytes[at] as number) >= 0x80) return false;
  return true;
}

/**
 * The BlobRefs in bytes that `encodeValue` has made. Most values hold none: that costs one search for a byte that few
 * hold. [VA6]
 */
export function blobRefsIn(bytes: Uint8Array): readonly BlobRef[] {
  for (let at = bytes.indexOf(BLOB_REF_HEAD); at >= 0; at = bytes.indexOf(BLOB_REF_HEAD, at + 1)) {
    const tag = ((bytes[at + 1] ?? 0) << 24) | ((bytes[at + 2] ?? 0) << 16);
    if ((tag | ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0)) === TAG.blobRef)
      return checkValue(bytes).blobRefs;
  }
  return NO_REFS;
}

/** First byte of a tag of four bytes, as a BlobRef's. */
const BLOB_REF_HEAD = 0xda;

/** The least head of major type 7: simple values and floats. */
const SIMPLE = 0xe0;

class Walk {
  at: number;
  blobRefs: BlobRef[] | undefined;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #view: DataView | undefined;
  #nodes = 0;
  /** Of the head read last. */
  #major = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.at = start;
    this.#end = end;
  }

  item(depth: number): void {
    this.#nodes += 1;
    if (this.#nodes > VALUE_NODES_MAX) throw malformed(`it has more than ${VALUE_NODES_MAX} parts`);
    const first = this.#bytes[this.at];
    if (first !== undefined && first >= SIMPLE && this.at < this.#end) return this.#simple(first);
    const argument = this.#head();
    switch (this.#major) {
      case MAJOR.uint:
      case MAJOR.negint:
        return;
      case MAJOR.bytes:
        this.#skip(argument);
        return;
      case MAJOR.text:
        this.#text(argument);
        return;
      case MAJOR.array:
        this.#container(argument, 1, depth);
        for (let i = 0; i < argument; i++) this.item(depth + 1);
        return;
      case MAJOR.map:
        this.#container(argument, 2, depth);
        this.#map(argument, depth);
        return;
      default:
        this.#tagged(argument, depth);
    }
  }

  /** Reads a head in its shortest form; answers its argument, at most 2^53 - 1. */
  #head(): number {
    const first = this.#byte();
    this.#major = first >> 5;
    const info = first & 0x1f;
    if (info < 24) return info;
    if (info > 27) throw malformed("it has a head of no known form");
    let value = 0;
    for (let left = 1 << (info - 24); left > 0; left--) value = value * 256 + this.#byte();
    const least = info === 24 ? 24 : info === 25 ? 256 : info === 26 ? 65_536 : 2 ** 32;
    if (value < least) throw malformed("a number is longer than it needs to be");
    // -1 - value is the number of a negative one, so 2^53 - 1 would be -2^53.
    if (value > Number.MAX_SAFE_INTEGER - (this.#major === MAJOR.negint ? 1 : 0))
      throw malformed("a whole number is too great");
    return value;
  }

  #byte(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined || this.at >= this.#end) throw malformed("it ends too early");
    this.at += 1;
    return byte;
  }

  #skip(size: number): void {
    if (size > this.#end - this.at) throw malformed("it ends too early");
    this.at += size;
  }

  #text(size: number): void {
    const start = this.at;
    this.#skip(size);
    for (let i = start; i < this.at; i++) {
      if ((this.#bytes[i] as number) < 0x80) continue;
      if (fromUtf8(this.#bytes.subarray(i, this.at)) === undefined)
        throw malformed("a text is not UTF-8");
      return;
    }
  }

  #container(count: number, each: number, depth: number): void {
    if (depth > VALUE_DEPTH_MAX) throw malformed(`it is nested over ${VALUE_DEPTH_MAX} deep`);
    if (count * each > this.#end - this.at) throw malformed("it ends too early");
  }

  /** Keys are texts, each once, shorter ones first, equal lengths by bytes: so their heads' order is theirs. */
  #map(count: number, depth: number): void {
    let before = -1;
    let beforeEnd = -1;
    for (let i = 0; i < count; i++) {
      const size = this.#head();
      if (this.#major !== MAJOR.text) throw malformed("a key is no text");
      const start = this.at;
      this.#text(size);
      if (before >= 0 && !this.#isAfter(before, beforeEnd, start, this.at))
        throw malformed("its keys are not in order, each once");
      before = start;
      beforeEnd = this.at;
      this.item(depth + 1);
    }
  }

  #isAfter(a: number, aEnd: number, b: number, bEnd: number): boolean {
    const size = aEnd - a;
    if (bEnd - b !== size) return bEnd - b > size;
    for (let i = 0; i < size; i++) {
      const difference = (this.#bytes[b + i] as number) - (this.#bytes[a + i] as number);
      if (difference !== 0) return difference > 0;
    }
    return false;
  }

  #tagged(tag: number, depth: number): void {
    switch (tag) {
      case TAG.bigintPositive:
      case TAG.bigintNegative: {
        const size = this.#headOf(MAJOR.bytes);
        const first = this.#bytes[this.at];
        this.#skip(size);
        if (size > 0 && first === 0) throw malformed("a bigint has leading zeros");
        return;
      }
      case TAG.date:
        return this.#date();
      case TAG.mergeable:
        if (depth > 1) throw malformed("a mergeable value is a part of another");
        return this.item(depth + 1);
      case TAG.blobRef:
        return this.#blobRef();
      default:
        throw malformed("it has an unknown tag");
    }
  }

  #headOf(major: number): number {
    const argument = this.#head();
    if (this.#major !== major) throw malformed("a tag holds what it does not stand for");
    return argument;
  }

  #date(): void {
    for (const byte of DATE_START)
      if (this.#byte() !== byte) throw malformed("a date has another form");
    const argument = this.#head();
    if (this.#major > MAJOR.negint) throw malformed("a date has another form");
    const seconds = this.#major === MAJOR.uint ? argument : -1 - argument;
    if (this.#byte() !== DATE_MILLIS_KEY) throw malformed("a date has another form");
    const millis = this.#headOf(MAJOR.uint);
    if (millis > 999 || Math.abs(1000 * seconds + millis) > DATE_REACH_MILLIS)
      throw malformed("a date is out of range");
  }

  #blobRef(): void {
    const fields = this.#headOf(MAJOR.array);
    if (fields !== 4 && fields !== 5) throw malformed("a BlobRef has another form");
    if (this.#headOf(MAJOR.bytes) !== ADDRESS_SIZE)
      throw malformed("a BlobRef's root is no address");
    const start = this.at;
    this.#skip(ADDRESS_SIZE);
    const root = this.#bytes.subarray(start, this.at);
    const [size, depth, chunker] = [
      this.#headOf(MAJOR.uint),
      this.#headOf(MAJOR.uint),
      this.#headOf(MAJOR.uint),
    ];
    if (depth > BLOB_DEPTH_MAX || chunker < 1 || chunker > 255)
      throw malformed("a BlobRef is out of range");
    const mediaType = fields === 5 ? this.#mediaType() : undefined;
    this.blobRefs ??= [];
    this.blobRefs.push(new BlobRef({ root, size, depth, chunker, mediaType }));
  }

  #mediaType(): string {
    const size = this.#headOf(MAJOR.text);
    if (size > MEDIA_TYPE_BYTES_MAX) throw malformed("a media type is out of range");
    const start = this.at;
    this.#text(size);
    const mediaType = fromUtf8(this.#bytes.subarray(start, this.at)) as string;
    if (!isMediaType(mediaType)) throw malformed("a media type is out of range");
    return mediaType;
  }

  #simple(head: number): void {
    this.at += 1;
    if (head === HEAD.null || head === HEAD.true || head === HEAD.false) return;
    if (head !== HEAD.float64) throw malformed("it has a simple value of no known form");
    const start = this.at;
    this.#skip(8);
    this.#view ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    const value = this.#view.getFloat64(start);
    if (isWhole(value)) throw malformed("a whole number is written as a float");
    if (Number.isNaN(value) && this.#view.getBigUint64(start) !== NAN_BITS)
      throw malformed("a NaN has another form");
  }
}

function malformed(why: string): ValueError {
  return new ValueError("DB_VALUE_MALFORMED", `Cannot take value: ${why}`);
}
