/**
 * Where things lie in the ordered store. Integers are big-endian, so that keys sort as numbers do; databases, scopes and
 * logs are interned to 32-bit numbers, which never leave the store.
 *
 *   intern/   kind, number                          -> the name, scope id or log id
 *   own/      database                              -> our log: incarnation, generation, digest, clock
 *   epochs/   database                              -> what names positions in its order of changes
 *   scope/    scope                                 -> knowledge and head sum
 *   row/      scope, space, row key                 -> heads, each with its value
 *   old/      scope, space, key size, key, log,
 *             generation                            -> a superseded version still kept, beside the others of its row
 *   commit/   scope, log, generation                -> a commit's part: header, signature, keys
 *   control/  scope, control id                     -> a control op
 *   change/   database, sequence                    -> what one write altered, in order of arrival
 *   aside/    scope, log, generation                -> a part that does not count, or control ops of one
 *   rival/    scope, log, generation, digest        -> control ops of another commit of that place
 *   peer/     ...                                   -> what `sync` keeps (its own keys)
 */

import { allocateShared, ByteWriter, compareBytes, fromHex, toHex } from "../base/index.ts";
import type { KeyRange } from "../store/index.ts";
import type { LogNumber } from "./version.ts";

/** A scope's or database's number in this store. */
export type ScopeNumber = number;
export type DatabaseNumber = number;

/** First byte of every key of this layer. The store keeps 0x00 for itself, 0x80 and above are for layers above. */
const SPACE_OF = {
  intern: 0x10,
  own: 0x11,
  scope: 0x12,
  epochs: 0x13,
  row: 0x20,
  old: 0x21,
  commit: 0x22,
  control: 0x23,
  change: 0x24,
  aside: 0x25,
  rival: 0x26,
} as const;

export type InternKind = "database" | "scope" | "log";
const INTERN_KIND = { database: 1, scope: 2, log: 3 } as const;

/** A key of `size` bytes that begins with its kind. Keys go to the store and are forgotten. */
function startKey(size: number, kind: keyof typeof SPACE_OF): ByteWriter {
  const out = new ByteWriter(allocateShared(size));
  out.u8(SPACE_OF[kind]);
  return out;
}

/** A whole number below 2^53 as 8 bytes. */
function writeU64(out: ByteWriter, value: number): void {
  out.u32(Math.floor(value / 2 ** 32));
  out.u32(value % 2 ** 32);
}

/** What keys of a kind begin with, as far as these numbers go. */
function prefixOf(kind: keyof typeof SPACE_OF, ...numbers: readonly number[]): Uint8Array {
  const out = startKey(1 + 4 * numbers.length, kind);
  for (const number of numbers) out.u32(number);
  return out.finish();
}

export function internKey(kind: InternKind, number: number): Uint8Array {
  const out = startKey(6, "intern");
  out.u8(INTERN_KIND[kind]);
  out.u32(number);
  return out.finish();
}

export function ownKey(database: DatabaseNumber): Uint8Array {
  const out = startKey(5, "own");
  out.u32(database);
  return out.finish();
}

export function epochsKey(database: DatabaseNumber): Uint8Array {
  return prefixOf("epochs", database);
}

export function scopeStateKey(scope: ScopeNumber): Uint8Array {
  const out = startKey(5, "scope");
  out.u32(scope);
  return out.finish();
}

/** Bytes of a row's key before the application's own. */
export const ROW_KEY_PREFIX = 6;

export function rowKey(scope: ScopeNumber, space: number, key: Uint8Array): Uint8Array {
  const place = startRowKey(scope, ROW_KEY_PREFIX + key.length);
  place[ROW_KEY_PREFIX - 1] = space;
  for (let i = 0; i < key.length; i++) place[ROW_KEY_PREFIX + i] = key[i] as number;
  return place;
}

/** The same of what a stored commit says of a row: a byte, its space, its key. */
export function rowKeyOfHeld(scope: ScopeNumber, held: Uint8Array): Uint8Array {
  const place = startRowKey(scope, ROW_KEY_PREFIX - 2 + held.length);
  for (let i = 1; i < held.length; i++) place[ROW_KEY_PREFIX - 2 + i] = held[i] as number;
  return place;
}

/** Byte by byte: keys of rows are most of what is written, and a writer of its own for each costs as much as its bytes. */
function startRowKey(scope: ScopeNumber, size: number): Uint8Array {
  const place = allocateShared(size);
  place[0] = SPACE_OF.row;
  for (let i = 0; i < 4; i++) place[1 + i] = scope >>> (24 - 8 * i);
  return place;
}

/** Where the superseded versions of one row lie. The row key's size goes first, or a longer key's would lie among them. */
function writeOldOf(out: ByteWriter, scope: ScopeNumber, space: number, key: Uint8Array): void {
  out.u32(scope);
  out.u8(space);
  out.u8(key.length >>> 8);
  out.u8(key.length & 0xff);
  out.bytes(key);
}

export function oldKey(
  scope: ScopeNumber,
  space: number,
  key: Uint8Array,
  log: LogNumber,
  generation: number,
): Uint8Array {
  const out = startKey(20 + key.length, "old");
  writeOldOf(out, scope, space, key);
  out.u32(log);
  writeU64(out, generation);
  return out.finish();
}

/** All superseded versions of one row. */
export function oldRange(scope: ScopeNumber, space: number, key: Uint8Array): KeyRange {
  const out = startKey(8 + key.length, "old");
  writeOldOf(out, scope, space, key);
  return keysUnder(out.finish());
}

/** All superseded versions of a scope, from the key `from` on. */
export function oldOfScope(scope: ScopeNumber, from?: Uint8Array): KeyRange {
  const all = keysUnder(prefixOf("old", scope));
  return from === undefined ? all : { gte: from, lt: all.lt };
}

/** A superseded version by its key. */
export interface OldName {
  readonly space: number;
  /** The row's. */
  readonly key: Uint8Array;
}

/** The row in the key of a superseded version. */
export function oldNameOf(key: Uint8Array): OldName {
  const size = (key[6] as number) * 256 + (key[7] as number);
  return { space: key[5] as number, key: key.subarray(8, 8 + size) };
}

export function commitKey(scope: ScopeNumber, log: LogNumber, generation: number): Uint8Array {
  return partKey("commit", scope, log, generation);
}

export function asideKey(scope: ScopeNumber, log: LogNumber, generation: number): Uint8Array {
  return partKey("aside", scope, log, generation);
}

function partKey(
  kind: "commit" | "aside",
  scope: ScopeNumber,
  log: LogNumber,
  generation: number,
): Uint8Array {
  const out = startKey(17, kind);
  out.u32(scope);
  out.u32(log);
  writeU64(out, generation);
  return out.finish();
}

/** `digest`: of the commit, in hex. */
export function rivalKey(
  scope: ScopeNumber,
  log: LogNumber,
  generation: number,
  digest: string,
): Uint8Array {
  const bytes = fromHex(digest) ?? new Uint8Array();
  const out = startKey(17 + bytes.length, "rival");
  out.u32(scope);
  out.u32(log);
  writeU64(out, generation);
  out.bytes(bytes);
  return out.finish();
}

/** The digest in the key of a rival, in hex. */
export function rivalDigestOf(key: Uint8Array): string {
  return toHex(key.subarray(17));
}

/** The log and generation in the key of a commit's part, of one aside, or of a rival. */
export function placeOf(key: Uint8Array): {
  readonly log: LogNumber;
  readonly generation: number;
} {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return {
    log: view.getUint32(5),
    generation: view.getUint32(9) * 2 ** 32 + view.getUint32(13),
  };
}

export function controlKey(scope: ScopeNumber, id: Uint8Array): Uint8Array {
  const out = startKey(5 + id.length, "control");
  out.u32(scope);
  out.bytes(id);
  return out.finish();
}

export function changeKey(database: DatabaseNumber, sequence: number): Uint8Array {
  const out = startKey(13, "change");
  out.u32(database);
  writeU64(out, sequence);
  return out.finish();
}

/** The sequence in a change key. */
export function sequenceOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return view.getUint32(5) * 2 ** 32 + view.getUint32(9);
}

/** All keys that begin with `prefix`. */
export function keysUnder(prefix: Uint8Array): KeyRange {
  return { gte: prefix, lt: successorOf(prefix) };
}

/** Everything interned, of one kind. */
export function internRange(kind: InternKind): KeyRange {
  const prefix = startKey(2, "intern");
  prefix.u8(INTERN_KIND[kind]);
  return keysUnder(prefix.finish());
}

/** All control ops of a scope. */
export function controlRange(scope: ScopeNumber): KeyRange {
  return keysUnder(prefixOf("control", scope));
}

/** All parts of a scope that are aside. */
export function asideRange(scope: ScopeNumber): KeyRange {
  return keysUnder(prefixOf("aside", scope));
}

/** All rivals of a scope. */
export function rivalRange(scope: ScopeNumber): KeyRange {
  return keysUnder(prefixOf("rival", scope));
}

/** The rivals of one commit's part. */
export function rivalsAt(scope: ScopeNumber, log: LogNumber, generation: number): KeyRange {
  return keysUnder(rivalKey(scope, log, generation, ""));
}

/** The parts of one log in a scope with generations above `after`. */
export function commitRange(scope: ScopeNumber, log: LogNumber, after: number): KeyRange {
  return {
    gt: commitKey(scope, log, after),
    lt: successorOf(prefixOf("commit", scope, log)),
  };
}

/** Changes of a database after `after`. */
export function changeRange(database: DatabaseNumber, after: number): KeyRange {
  return {
    gt: changeKey(database, after),
    lt: successorOf(prefixOf("change", database)),
  };
}

/** Rows of a scope and space from `start` up to, not including, `end`; an end left out is open. */
export function rowRange(
  scope: ScopeNumber,
  space: number,
  start?: Uint8Array,
  end?: Uint8Array,
): KeyRange {
  const all = keysUnder(rowKey(scope, space, new Uint8Array()));
  return {
    gte: start === undefined ? all.gte : rowKey(scope, space, start),
    lt: end === undefined ? all.lt : rowKey(scope, space, end),
  };
}

/** The least bytes greater than all that begin with `prefix`, or `undefined` when there are none. */
export function successorOf(prefix: Uint8Array): Uint8Array | undefined {
  let size = prefix.length;
  while (size > 0 && prefix[size - 1] === 0xff) size -= 1;
  if (size === 0) return undefined;
  const successor = prefix.slice(0, size);
  successor[size - 1] = (successor[size - 1] as number) + 1;
  return successor;
}

/** Whether a range holds no key at all. */
export function isEmptyRange(range: KeyRange): boolean {
  return (
    range.gte !== undefined && range.lt !== undefined && compareBytes(range.gte, range.lt) >= 0
  );
}
