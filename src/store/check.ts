/** What the layers above may ask of a store. A breach is their mistake: a `TypeError` or a `RangeError`, without a code. */

import { compareBytes } from "../base/index.ts";
import { FIRST_KEY, RESERVED } from "./born-mark.ts";
import {
  STORE_KEY_BYTES_MAX,
  STORE_VALUE_BYTES_MAX,
  STORE_WRITE_BYTES_MAX,
  STORE_WRITE_OPS_MAX,
} from "./limits.ts";
import type { KeyRange, ScanOptions, WriteOp } from "./store.ts";

export function checkKey(key: Uint8Array): void {
  if (!(key instanceof Uint8Array)) throw new TypeError("A store key is a Uint8Array");
  if (key.length === 0 || key.length > STORE_KEY_BYTES_MAX) {
    throw new RangeError(`A store key has 1 to ${STORE_KEY_BYTES_MAX} bytes, not ${key.length}`);
  }
  if (key[0] === RESERVED)
    throw new RangeError("Store keys that begin with 0x00 are the store's own");
}

/** Answers the size of `batch` in bytes. */
export function checkBatch(batch: readonly WriteOp[]): number {
  if (batch.length > STORE_WRITE_OPS_MAX) {
    throw new RangeError(
      `A store write has at most ${STORE_WRITE_OPS_MAX} ops, not ${batch.length}`,
    );
  }
  let bytes = 0;
  // A closure is compiled after a few ops, a loop that runs once a call after many calls.
  batch.forEach((op) => {
    bytes += checkOp(op);
  });
  if (bytes > STORE_WRITE_BYTES_MAX) {
    throw new RangeError(`A store write has at most ${STORE_WRITE_BYTES_MAX} bytes, not ${bytes}`);
  }
  return bytes;
}

function checkOp(op: WriteOp): number {
  checkKey(op.key);
  if (op.type === "delete") return op.key.length;
  if (op.type !== "put") throw new TypeError('A store op is a "put" or a "delete"');
  if (!(op.value instanceof Uint8Array)) throw new TypeError("A store value is a Uint8Array");
  if (op.value.length > STORE_VALUE_BYTES_MAX) {
    throw new RangeError(
      `A store value has at most ${STORE_VALUE_BYTES_MAX} bytes, not ${op.value.length}`,
    );
  }
  return op.key.length + op.value.length;
}

/** What an engine's iterator goes through. */
export interface EngineBounds {
  readonly gte?: Uint8Array;
  readonly gt?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly reverse: boolean;
  readonly limit: number;
}

/** The range as engines take it, without the store's own keys. */
export function checkRange(range: KeyRange, options: ScanOptions): EngineBounds {
  const { gte, gt, lt } = range;
  for (const bound of [gte, gt, lt]) {
    if (bound !== undefined && !(bound instanceof Uint8Array))
      throw new TypeError("A bound of a scan is a Uint8Array");
  }
  if (gte !== undefined && gt !== undefined)
    throw new TypeError("A scan begins at `gte` or after `gt`, not both");
  const { reverse = false, limit = -1 } = options;
  if (options.limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new RangeError(`The limit of a scan is a whole number of entries, not ${limit}`);
  }
  const isOpenBelow = compareBytes(gte ?? gt ?? new Uint8Array(0), FIRST_KEY) < 0;
  const lower = isOpenBelow ? { gte: FIRST_KEY } : gte ? { gte } : gt ? { gt } : {};
  return { ...lower, ...(lt && { lt }), reverse, limit };
}
