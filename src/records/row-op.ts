/** The op of a row's only version, copied from the row's record: without the objects of a version, of which most are ops alone. */

import { allocate, assert, copyAt, varintSize, writeVarint } from "../base/index.ts";
import { LoneRow } from "./lone-rows.ts";
import { HELD_ROW } from "./part.ts";
import { SALT_SIZE } from "./records.ts";
import type { LogNumber } from "./version.ts";

/** Tags of an op's fields: src/wire/op.ts writes the same. */
const TAG = { salt: 0x0a, space: 0x10, key: 0x1a, value: 0x22, context: 0x2a } as const;

/** Bytes of a held row's name before the row's key: that it is a row, and its space. */
const HELD_PREFIX = 2;

const lone = new LoneRow();

/**
 * The canonical bytes of the op that made the only version of a row, which the part of `log` and `generation` holds under the name
 * `held`. `undefined`: the record holds another version, more of them, or a context of several logs, and is to be decoded.
 */
export function opOfRecord(
  record: Uint8Array,
  held: Uint8Array,
  log: LogNumber,
  generation: number,
  dictionary: ReadonlyMap<LogNumber, number>,
): Uint8Array | undefined {
  if (held[0] !== HELD_ROW || !lone.read(record)) return undefined;
  if (lone.log !== log || lone.generation !== generation) return undefined;
  const { saltAt, seen, seenLog, valueAt, valueSize } = lone;
  const index = seen > 0 ? dictionary.get(seenLog) : 0;
  assert(index !== undefined, "a part's dictionary holds the logs of its ops' contexts");

  const space = held[1] as number;
  const keySize = held.length - HELD_PREFIX;
  const contextSize = seen > 0 ? varintSize(index) + varintSize(seen) : 0;
  const size =
    sizedSize(SALT_SIZE) +
    (space === 0 ? 0 : 2) +
    sizedSize(keySize) +
    (valueSize === 0 ? 0 : sizedSize(valueSize)) +
    (seen === 0 ? 0 : sizedSize(contextSize));
  const op = allocate(size);
  let to = copyField(op, 0, TAG.salt, record, saltAt, SALT_SIZE);
  if (space !== 0) {
    op[to++] = TAG.space;
    op[to++] = space;
  }
  to = copyField(op, to, TAG.key, held, HELD_PREFIX, keySize);
  if (valueSize > 0) to = copyField(op, to, TAG.value, record, valueAt, valueSize);
  if (seen > 0) {
    op[to++] = TAG.context;
    to = writeVarint(op, to, contextSize);
    to = writeVarint(op, to, index);
    to = writeVarint(op, to, seen);
  }
  assert(to === size, "an op is as long as it was reckoned to be");
  return op;
}

function copyField(
  into: Uint8Array,
  start: number,
  tag: number,
  from: Uint8Array,
  fromAt: number,
  size: number,
): number {
  into[start] = tag;
  const to = writeVarint(into, start + 1, size);
  copyAt(into, to, from, fromAt, size);
  return to + size;
}

function sizedSize(size: number): number {
  return 1 + varintSize(size) + size;
}
