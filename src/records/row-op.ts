/** The op of a row's only version, copied from the row's record: without the objects of a version, of which most are ops alone. */

import { allocate, assert, SHORT_BYTES, varintSize, writeVarint } from "../base/index.ts";
import { DIGEST_SIZE } from "./digest.ts";
import { HELD_ROW } from "./part.ts";
import { SALT_SIZE, SEEN_OF_HEAD } from "./records.ts";
import type { LogNumber } from "./version.ts";

/** Tags of an op's fields: src/wire/op.ts writes the same. */
const TAG = { salt: 0x0a, space: 0x10, key: 0x1a, value: 0x22, context: 0x2a } as const;

/** Bytes of a held row's name before the row's key: that it is a row, and its space. */
const HELD_PREFIX = 2;

/** Where a record is being read. */
let at = 0;

/** As `ByteReader.varint` of what is short; -1: it does not end within `bytes`, or is long. */
function nextVarint(bytes: Uint8Array): number {
  let value = 0;
  for (let scale = 1; scale < 2 ** 49; scale *= 0x80) {
    const byte = bytes[at++];
    if (byte === undefined) return -1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
  return -1;
}

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
  if (record[0] !== SEEN_OF_HEAD || held[0] !== HELD_ROW) return undefined;
  at = 1;
  if (nextVarint(record) !== log || nextVarint(record) !== generation) return undefined;
  const saltAt = at + TIMESTAMP_SIZE;
  at = saltAt + SALT_SIZE + DIGEST_SIZE;
  const entries = nextVarint(record);
  if (entries !== 0 && entries !== 1) return undefined;
  const seenLog = entries === 1 ? nextVarint(record) : 0;
  const seen = entries === 1 ? nextVarint(record) : 0;
  const valueSize = nextVarint(record);
  const valueAt = at;
  if (seen < 0 || valueSize < 0 || valueAt + valueSize !== record.length) return undefined;
  const index = entries === 1 ? dictionary.get(seenLog) : 0;
  assert(index !== undefined, "a part's dictionary holds the logs of its ops' contexts");

  const space = held[1] as number;
  const keySize = held.length - HELD_PREFIX;
  const contextSize = entries === 1 ? varintSize(index) + varintSize(seen) : 0;
  const size =
    sizedSize(SALT_SIZE) +
    (space === 0 ? 0 : 2) +
    sizedSize(keySize) +
    (valueSize === 0 ? 0 : sizedSize(valueSize)) +
    (entries === 0 ? 0 : sizedSize(contextSize));
  const op = allocate(size);
  let to = copyField(op, 0, TAG.salt, record, saltAt, SALT_SIZE);
  if (space !== 0) {
    op[to++] = TAG.space;
    op[to++] = space;
  }
  to = copyField(op, to, TAG.key, held, HELD_PREFIX, keySize);
  if (valueSize > 0) to = copyField(op, to, TAG.value, record, valueAt, valueSize);
  if (entries === 1) {
    op[to++] = TAG.context;
    to = writeVarint(op, to, contextSize);
    to = writeVarint(op, to, index);
    to = writeVarint(op, to, seen);
  }
  assert(to === size, "an op is as long as it was reckoned to be");
  return op;
}

const TIMESTAMP_SIZE = 8;

/** Above this, a view and a call of `set` cost less than copying byte by byte. */
const LONG_BYTES = 8 * SHORT_BYTES;

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
  if (size >= LONG_BYTES) into.set(from.subarray(fromAt, fromAt + size), to);
  else for (let i = 0; i < size; i++) into[to + i] = from[fromAt + i] as number;
  return to + size;
}

function sizedSize(size: number): number {
  return 1 + varintSize(size) + size;
}
