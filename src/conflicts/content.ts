/**
 * What stands in a mergeable value:
 *
 *     [kind, [log, …], [held, …], [own, …]]
 *
 *     kind   1 counter, 2 set, 3 map
 *     log    32 bytes of device key, 8 of incarnation
 *     held   what earlier versions brought: [index of log, generation, …]
 *     own    what this version brings: the same without its dot, which its writer does not know yet
 *
 *                held                                      own
 *     counter    [log, generation, total]                  total
 *     set        [log, generation, element]                element
 *     map        [log, generation, stamp, field, value?]   [field, value?]       without value: deleted
 *
 * The dots are those of row versions, so that the contexts of heads say what their writers had seen. [CO5]
 */

import {
  compareBytes,
  deviceIdOf,
  deviceKeyOf,
  encodeValue,
  KEY_SIZE,
  logIdOf,
  type LogKey,
  logKeyOf,
  Mergeable,
  toHex,
  type Value,
} from "../base/index.ts";
import type { Head } from "./head.ts";

/** What a mergeable value is. */
export type Kind = "counter" | "set" | "map";

/** One contribution, by the row version that brought it. */
export interface Entry {
  /** The version's log, or `OWN` while that is not written yet. */
  readonly log: LogKey;
  readonly generation: number;
  /** Of the version; counts in maps only. */
  readonly timestamp: bigint;
  /** What it is about: a set's element by its bytes, a map's field, nothing in a counter. */
  readonly name: string;
  /** Total, element, or the field's value; `undefined`: the field is deleted. */
  readonly value: Value | undefined;
}

/** A mergeable value as it is read. */
export interface Content {
  readonly kind: Kind;
  readonly entries: readonly Entry[];
}

/** The version that is being written: its dot is not known yet. */
export const OWN = "" as LogKey;

const KINDS: readonly Kind[] = ["counter", "set", "map"];
const INCARNATION_SIZE = 8;

/** The dot that a version's own contributions get. */
export type Dot = Pick<Head, "log" | "generation" | "timestamp">;

/** The dot of what is being written. */
export const OWN_DOT: Dot = { log: OWN, generation: 0, timestamp: 2n ** 64n };

/** What names an element of a set: equal elements are equal bytes. */
export function elementName(element: Value): string {
  return toHex(encodeValue(element));
}

/** The mergeable value of these contributions. The same ones always make the same bytes. */
export function makeMergeable({ kind, entries }: Content): Mergeable {
  const sorted = [...entries].sort(compareEntries);
  const held = sorted.filter(({ log }) => log !== OWN);
  const logs = [...new Set(held.map(({ log }) => log))];
  const names = logs.map((log) => ({ log, bytes: logBytes(log) }));
  names.sort((a, b) => compareBytes(a.bytes, b.bytes));
  const index = new Map(names.map(({ log }, i) => [log, i]));
  return new Mergeable([
    1 + KINDS.indexOf(kind),
    names.map(({ bytes }) => bytes),
    held.map((entry): Value => {
      const dot = [index.get(entry.log) as number, entry.generation];
      return kind === "map"
        ? [...dot, entry.timestamp, ...fieldOf(entry)]
        : [...dot, entry.value as Value];
    }),
    sorted
      .filter(({ log }) => log === OWN)
      .map((entry): Value => (kind === "map" ? fieldOf(entry) : (entry.value as Value))),
  ]);
}

/** Names a contribution: one version brings one of each name. */
export function idOf({ log, generation, name }: Entry): string {
  return `${log} ${generation} ${name}`;
}

function fieldOf({ name, value }: Entry): Value[] {
  return value === undefined ? [name] : [name, value];
}

/** By what they are about, then by log and generation. */
function compareEntries(a: Entry, b: Entry): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  if (a.log !== b.log) return a.log < b.log ? -1 : 1;
  return a.generation - b.generation;
}

/** The contributions in a value, its own under `dot`; `undefined` for what is no mergeable value that we know. [CO9] */
export function readMergeable(value: Value | undefined, dot: Dot): Content | undefined {
  if (!(value instanceof Mergeable) || !isArray(value.content)) return undefined;
  const [number, logs, held, own, ...more] = value.content;
  const kind = typeof number === "number" ? KINDS[number - 1] : undefined;
  if (kind === undefined || !isArray(logs) || !isArray(held) || !isArray(own) || more.length > 0)
    return undefined;
  const names = logs.map(readLog);
  const entries = new Map<string, Entry>();
  for (const one of held) {
    const entry = readHeld(kind, names, one);
    if (entry === undefined) return undefined;
    entries.set(idOf(entry), entry);
  }
  for (const one of own) {
    const entry = readEntry(kind, dot, kind === "map" ? one : [one]);
    if (entry === undefined) return undefined;
    entries.set(idOf(entry), entry);
  }
  return { kind, entries: [...entries.values()] };
}

function readHeld(
  kind: Kind,
  names: readonly (LogKey | undefined)[],
  held: Value,
): Entry | undefined {
  if (!isArray(held)) return undefined;
  const [at, generation, ...rest] = held;
  const log = typeof at === "number" ? names[at] : undefined;
  if (log === undefined || typeof generation !== "number" || generation < 1) return undefined;
  if (!Number.isSafeInteger(generation)) return undefined;
  if (kind !== "map") return readEntry(kind, { log, generation, timestamp: 0n }, rest);
  const [timestamp, ...field] = rest;
  if (typeof timestamp !== "bigint" || timestamp < 0n) return undefined;
  return readEntry(kind, { log, generation, timestamp }, field);
}

function readEntry(kind: Kind, dot: Dot, parts: Value): Entry | undefined {
  if (!isArray(parts) || parts.length === 0 || parts.length > (kind === "map" ? 2 : 1))
    return undefined;
  const [first, second] = parts;
  const { log, generation, timestamp } = dot;
  switch (kind) {
    case "counter":
      if (!Number.isSafeInteger(first)) return undefined;
      return { log, generation, timestamp, name: "", value: first };
    case "set":
      return { log, generation, timestamp, name: elementName(first as Value), value: first };
    case "map":
      if (typeof first !== "string") return undefined;
      return { log, generation, timestamp, name: first, value: second };
  }
}

function logBytes(log: LogKey): Uint8Array {
  const { device, incarnation } = logIdOf(log);
  const bytes = new Uint8Array(KEY_SIZE + INCARNATION_SIZE);
  bytes.set(deviceKeyOf(device));
  new DataView(bytes.buffer).setBigUint64(KEY_SIZE, incarnation);
  return bytes;
}

function readLog(bytes: Value): LogKey | undefined {
  if (!(bytes instanceof Uint8Array) || bytes.length !== KEY_SIZE + INCARNATION_SIZE)
    return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return logKeyOf({
    device: deviceIdOf(bytes.subarray(0, KEY_SIZE)),
    incarnation: view.getBigUint64(KEY_SIZE),
  });
}

export function isArray(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}
