/**
 * The decoder of row values. It reads only what the walk has let through, so it checks nothing itself. By hand, since
 * the CBOR library drops U+FEFF from the beginning of a text.
 */

import { assert } from "./assert.ts";
import { ADDRESS_SIZE, BlobRef } from "./blob-ref.ts";
import { toHex } from "./bytes.ts";
import { Mergeable } from "./mergeable.ts";
import type { Value } from "./value.ts";
import { DATE_START, HEAD, MAJOR, TAG } from "./value-format.ts";
import { checkValue } from "./value-walk.ts";

/**
 * The value that `bytes` encode, in memory of its own. They are walked first, so that any bytes may be given. [VA1]
 *
 * @throws {ValueError} `DB_VALUE_MALFORMED` for anything that `encodeValue` does not make. [VA6]
 */
export function decodeValue(bytes: Uint8Array): Value {
  checkValue(bytes);
  return new Decoder(bytes).item();
}

const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Up to this many bytes, keys above all, a loop is quicker than the decoder's call. Measured on V8. */
const SHORT_BYTES = 12;

class Decoder {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** Of the head read last. */
  #major = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  item(): Value {
    const first = this.#bytes[this.#at] as number;
    if (first >= HEAD.false) return this.#simple(first);
    const argument = this.#head();
    switch (this.#major) {
      case MAJOR.uint:
        return argument;
      case MAJOR.negint:
        return -1 - argument;
      case MAJOR.bytes:
        return this.#take(argument).slice();
      case MAJOR.text:
        return this.#text(argument);
      case MAJOR.array:
        return this.#array(argument);
      case MAJOR.map:
        return this.#record(argument);
      default:
        return this.#tagged(argument);
    }
  }

  #simple(head: number): Value {
    this.#at += 1;
    if (head !== HEAD.float64) return head === HEAD.null ? null : head === HEAD.true;
    const { buffer, byteOffset } = this.#bytes;
    const value = new DataView(buffer, byteOffset + this.#at, 8).getFloat64(0);
    this.#at += 8;
    return value;
  }

  #head(): number {
    const first = this.#bytes[this.#at++] as number;
    this.#major = first >> 5;
    const info = first & 0x1f;
    if (info < 24) return info;
    let argument = 0;
    for (let left = 1 << (info - 24); left > 0; left--)
      argument = argument * 256 + (this.#bytes[this.#at++] as number);
    return argument;
  }

  /** A view, not a copy. */
  #take(size: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return taken;
  }

  #text(size: number): string {
    if (size > SHORT_BYTES) return textDecoder.decode(this.#take(size));
    let text = "";
    for (let at = this.#at; at < this.#at + size; at++) {
      const byte = this.#bytes[at] as number;
      if (byte > 0x7f) return textDecoder.decode(this.#take(size));
      text += String.fromCharCode(byte);
    }
    this.#at += size;
    return text;
  }

  #array(count: number): Value[] {
    const items: Value[] = [];
    for (let i = 0; i < count; i++) items.push(this.item());
    return items;
  }

  #record(count: number): Value {
    const record: Record<string, Value> = {};
    for (let i = 0; i < count; i++) {
      const key = this.#text(this.#head());
      const value = this.item();
      if (key !== "__proto__") record[key] = value;
      // Assigned, it would become the object's prototype.
      else
        Object.defineProperty(record, key, {
          value,
          configurable: true,
          enumerable: true,
          writable: true,
        });
    }
    return record;
  }

  #tagged(tag: number): Value {
    switch (tag) {
      case TAG.bigintPositive:
        return this.#magnitude();
      case TAG.bigintNegative:
        return ~this.#magnitude();
      case TAG.date:
        return this.#date();
      case TAG.mergeable:
        return new Mergeable(this.item());
      default:
        assert(tag === TAG.blobRef, "the walk lets no other tag through");
        return this.#blobRef();
    }
  }

  #magnitude(): bigint {
    // An empty one is 0, which is what BigInt answers for "0x0".
    return BigInt(`0x0${toHex(this.#take(this.#head()))}`);
  }

  #date(): Date {
    this.#at += DATE_START.length;
    const seconds = this.item() as number;
    this.#at += 1;
    return new Date(1000 * seconds + this.#head());
  }

  #blobRef(): BlobRef {
    const fields = this.#head();
    this.#head();
    const root = this.#take(ADDRESS_SIZE);
    const size = this.#head();
    const depth = this.#head();
    const chunker = this.#head();
    const mediaType = fields === 5 ? this.#text(this.#head()) : undefined;
    return new BlobRef({ root, size, depth, chunker, mediaType });
  }
}
