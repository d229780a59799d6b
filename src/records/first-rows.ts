/** Records of rows that a commit is the first to write: made at once, without the objects of a version. */

import { allocate, SHORT_BYTES, varintSize, writeVarint } from "../base/index.ts";
import { DIGEST_SIZE } from "./digest.ts";
import { SALT_SIZE, SEEN_OF_HEAD } from "./records.ts";
import type { Version } from "./version.ts";

const TIMESTAMP_SIZE = 8;
/** Bytes of a context of nothing. */
const NO_CONTEXT_SIZE = 1;
/** Above this, a view and a call of `set` cost less than copying byte by byte. */
const LONG_BYTES = 8 * SHORT_BYTES;

/** Of one commit, whose name and time are the beginning of each record. */
export class FirstRows {
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
   * What `encodeRow` makes of a row whose only version has seen nothing: of the digest at `digestAt`, the salt in `salts` at
   * `saltAt`, and the value in `values` from `valueAt` to `valueEnd`; none: it is deleted.
   */
  record(
    digestAt: number,
    salts: Uint8Array,
    saltAt: number,
    values: Uint8Array,
    valueAt: number,
    valueEnd: number,
  ): Uint8Array {
    const start = this.#start;
    const valueSize = valueEnd - valueAt;
    const fixed = start.length + SALT_SIZE + DIGEST_SIZE + NO_CONTEXT_SIZE;
    const record = allocate(fixed + varintSize(valueSize) + valueSize);
    copy(record, 0, start, 0, start.length);
    let at = start.length;
    copy(record, at, salts, saltAt, SALT_SIZE);
    copy(record, (at += SALT_SIZE), this.#digests, digestAt, DIGEST_SIZE);
    // Memory is given out as zeros: the context has no entries.
    at = writeVarint(record, at + DIGEST_SIZE + NO_CONTEXT_SIZE, valueSize);
    copy(record, at, values, valueAt, valueSize);
    return record;
  }
}

function copy(into: Uint8Array, to: number, from: Uint8Array, at: number, size: number): void {
  if (size > LONG_BYTES) into.set(from.subarray(at, at + size), to);
  else for (let i = 0; i < size; i++) into[to + i] = from[at + i] as number;
}
