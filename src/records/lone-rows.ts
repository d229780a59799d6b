/**
 * Records of rows with one version that says all that the row has seen, of one log at most: most rows there are. They are read and
 * made as bytes, without the objects of a version.
 */

import { allocate, copyAt, varintSize, writeVarint } from "../base/index.ts";
import { DIGEST_SIZE } from "./digest.ts";
import { SALT_SIZE, SEEN_OF_HEAD } from "./records.ts";
import type { ContextEntry, LogNumber, Version } from "./version.ts";

const TIMESTAMP_SIZE = 8;

/** Where what such a record says lies in it. One is used for record after record. */
export class LoneRow {
  log: LogNumber = 0;
  generation = 0;
  /** In bytes of the record, as all that follows. */
  saltAt = 0;
  digestAt = 0;
  /** What its version had seen of the row; 0: nothing. */
  seen = 0;
  seenLog: LogNumber = 0;
  /** Where the value begins, and how long it is; 0: it was deleted. */
  valueAt = 0;
  valueSize = 0;
  #record: Uint8Array = NOTHING;
  #at = 0;

  /** Whether `record` is one, whole. If not, nothing here means anything, and it is to be decoded. */
  read(record: Uint8Array): boolean {
    if (record[0] !== SEEN_OF_HEAD) return false;
    this.#record = record;
    this.#at = 1;
    this.log = this.#varint();
    this.generation = this.#varint();
    this.saltAt = this.#at + TIMESTAMP_SIZE;
    this.digestAt = this.saltAt + SALT_SIZE;
    this.#at = this.digestAt + DIGEST_SIZE;
    const entries = this.#varint();
    this.seenLog = entries === 1 ? this.#varint() : 0;
    this.seen = entries === 1 ? this.#varint() : 0;
    this.valueSize = this.#varint();
    this.valueAt = this.#at;
    // It may be large, and this is kept.
    this.#record = NOTHING;
    if (entries !== 0 && entries !== 1) return false;
    const isNamed = this.log >= 0 && this.generation >= 0 && this.seenLog >= 0;
    const isSeen = entries === 0 || this.seen > 0;
    const isWhole = this.valueSize >= 0 && this.valueAt + this.valueSize === record.length;
    return isNamed && isSeen && isWhole;
  }

  /**
   * Whether a version that has seen `entry` and nothing else takes this one's place and leaves a lone row: it has seen this one, and
   * all that this had seen, and does not cover itself. [HI6]
   */
  isFollowedBy({ log, generation }: ContextEntry, entry: ContextEntry): boolean {
    const hasSeenIt = entry.log === this.log && entry.generation >= this.generation;
    const hasSeenAll =
      this.seen === 0 || (entry.log === this.seenLog && entry.generation >= this.seen);
    return hasSeenIt && hasSeenAll && (entry.log !== log || entry.generation < generation);
  }

  /** As `ByteReader.varint` of what is short; -1: it does not end within the record, or is long. */
  #varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 0x80) {
      const byte = this.#record[this.#at++];
      if (byte === undefined) return -1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return -1;
  }
}

const NOTHING = new Uint8Array();

/** Makes such records of the ops of one commit, whose name and time are the beginning of each. */
export class LoneRows {
  readonly #start: Uint8Array;
  readonly #digests: Uint8Array;

  /** `digests`: of the ops, one after another. */
  constructor(
    { log, generation, timestamp }: Pick<Version, "log" | "generation" | "timestamp">,
    digests: Uint8Array,
  ) {
    const start = new Uint8Array(1 + varintSize(log) + varintSize(generation) + TIMESTAMP_SIZE);
    start[0] = SEEN_OF_HEAD;
    const at = writeVarint(start, writeVarint(start, 1, log), generation);
    new DataView(start.buffer).setBigUint64(at, timestamp);
    this.#start = start;
    this.#digests = digests;
  }

  /**
   * What `encodeRow` makes of a row whose only version has `seen` that: of the digest at `digestAt`, the salt in `salts` at
   * `saltAt`, and the value in `values` from `valueAt` to `valueEnd`; none: it is deleted.
   */
  record(
    digestAt: number,
    salts: Uint8Array,
    saltAt: number,
    values: Uint8Array,
    valueAt: number,
    valueEnd: number,
    seen?: ContextEntry,
  ): Uint8Array {
    const start = this.#start;
    const valueSize = valueEnd - valueAt;
    const contextSize =
      1 + (seen === undefined ? 0 : varintSize(seen.log) + varintSize(seen.generation));
    const fixed = start.length + SALT_SIZE + DIGEST_SIZE + contextSize;
    const record = allocate(fixed + varintSize(valueSize) + valueSize);
    copyAt(record, 0, start, 0, start.length);
    let at = start.length;
    copyAt(record, at, salts, saltAt, SALT_SIZE);
    copyAt(record, (at += SALT_SIZE), this.#digests, digestAt, DIGEST_SIZE);
    at = writeContext(record, at + DIGEST_SIZE, seen);
    at = writeVarint(record, at, valueSize);
    copyAt(record, at, values, valueAt, valueSize);
    return record;
  }
}

function writeContext(into: Uint8Array, at: number, seen: ContextEntry | undefined): number {
  into[at] = seen === undefined ? 0 : 1;
  if (seen === undefined) return at + 1;
  return writeVarint(into, writeVarint(into, at + 1, seen.log), seen.generation);
}
