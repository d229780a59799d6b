/**
 * Where things lie in the ordered store. Integers are big-endian, so that keys sort as numbers do; databases, scopes and
 * logs are interned to 32-bit numbers, which never leave the store.
 *
 *   intern/   kind, number                          -> the name, scope id or log id
 *   own/      database                              -> our log: incarnation, generation, digest, clock
 *   scope/    scope                                 -> knowledge and head sum
 *   row/      scope, space, row key                 -> heads, each with its value
 *   old/      scope, log, generation, space, key    -> a superseded version still kept
 *   commit/   scope, log, generation                -> a commit's part: header, signature, keys
 *   control/  scope, control id                     -> a control op
 *   change/   database, sequence                    -> what one write altered, in order of arrival
 *   peer/     ...                                   -> what `sync` keeps (its own keys)
 */

import { compareBytes } from "../base/index.ts";
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
  row: 0x20,
  old: 0x21,
  commit: 0x22,
  control: 0x23,
  change: 0x24,
} as const;

export type InternKind = "database" | "scope" | "log";
const INTERN_KIND = { database: 1, scope: 2, log: 3 } as const;

class KeyBytes {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(size: number, space: keyof typeof SPACE_OF) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
    this.u8(SPACE_OF[space]);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
    return this;
  }

  /** A whole number below 2^53. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
  }

  rest(bytes: Uint8Array): Uint8Array {
    this.bytes.set(bytes, this.#at);
    return this.bytes;
  }
}

export function internKey(kind: InternKind, number: number): Uint8Array {
  return new KeyBytes(6, "intern").u8(INTERN_KIND[kind]).u32(number).bytes;
}

export function ownKey(database: DatabaseNumber): Uint8Array {
  return new KeyBytes(5, "own").u32(database).bytes;
}

export function scopeStateKey(scope: ScopeNumber): Uint8Array {
  return new KeyBytes(5, "scope").u32(scope).bytes;
}

/** Bytes of a row's key before the application's own. */
export const ROW_KEY_PREFIX = 6;

export function rowKey(scope: ScopeNumber, space: number, key: Uint8Array): Uint8Array {
  return new KeyBytes(ROW_KEY_PREFIX + key.length, "row").u32(scope).u8(space).rest(key);
}

export function oldKey(
  scope: ScopeNumber,
  log: LogNumber,
  generation: number,
  space: number,
  key: Uint8Array,
): Uint8Array {
  return new KeyBytes(18 + key.length, "old")
    .u32(scope)
    .u32(log)
    .u64(generation)
    .u8(space)
    .rest(key);
}

export function commitKey(scope: ScopeNumber, log: LogNumber, generation: number): Uint8Array {
  return new KeyBytes(17, "commit").u32(scope).u32(log).u64(generation).bytes;
}

export function controlKey(scope: ScopeNumber, id: Uint8Array): Uint8Array {
  return new KeyBytes(5 + id.length, "control").u32(scope).rest(id);
}

export function changeKey(database: DatabaseNumber, sequence: number): Uint8Array {
  return new KeyBytes(13, "change").u32(database).u64(sequence).bytes;
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
  return keysUnder(new KeyBytes(2, "intern").u8(INTERN_KIND[kind]).bytes);
}

/** All control ops of a scope. */
export function controlRange(scope: ScopeNumber): KeyRange {
  return keysUnder(new KeyBytes(5, "control").u32(scope).bytes);
}

/** The parts of one log in a scope with generations above `after`. */
export function commitRange(scope: ScopeNumber, log: LogNumber, after: number): KeyRange {
  return {
    gt: commitKey(scope, log, after),
    lt: successorOf(new KeyBytes(9, "commit").u32(scope).u32(log).bytes),
  };
}

/** Changes of a database after `after`. */
export function changeRange(database: DatabaseNumber, after: number): KeyRange {
  return {
    gt: changeKey(database, after),
    lt: successorOf(new KeyBytes(5, "change").u32(database).bytes),
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
