/** What a write to a mergeable value makes of what is there. Every write brings all heads together. [CO10] */

import { type LogKey, type Mergeable, type Value } from "../base/index.ts";
import {
  type Content,
  type Dot,
  elementName,
  type Entry,
  isArray,
  type Kind,
  makeMergeable,
  OWN,
  OWN_DOT,
  readMergeable,
} from "./content.ts";
import { ConflictError } from "./errors.ts";
import { compareHeads, type Head } from "./head.ts";
import { mergeContents, valueIn } from "./merge.ts";
import { readMap } from "./reading.ts";

/**
 * What a write begins with: all heads merged. Where one of them is something else, the one that last-write-wins shows: a
 * number, an array or an object is taken for the counter, set or map that it looks like.
 *
 * @throws {ConflictError} `CONFLICT_KIND_MISMATCH` when the row holds something else.
 */
export function contentOf(kind: Kind, heads: readonly Head[]): Content {
  const merged = mergeContents(kind, heads);
  if (merged !== undefined) return merged;
  const [winner] = [...heads].sort(compareHeads);
  if (winner === undefined || winner.value === undefined) return { kind, entries: [] };
  return contentOfValue(kind, valueIn(winner), winner);
}

/** As `contentOf`, of a value that is not written yet. */
export function pendingContent(kind: Kind, value: Value | undefined): Content {
  return contentOfValue(kind, value, OWN_DOT);
}

function contentOfValue(kind: Kind, value: Value | undefined, dot: Dot): Content {
  const content = readMergeable(value, dot);
  if (content?.kind === kind) return content;
  if (value === undefined) return { kind, entries: [] };
  const entry = (name: string, one: Value): Entry => {
    const { log, generation, timestamp } = dot;
    return { log, generation, timestamp, name, value: one };
  };
  if (kind === "counter" && Number.isSafeInteger(value))
    return { kind, entries: [entry("", value)] };
  if (kind === "set" && isArray(value)) {
    const elements = new Map(value.map((element) => [elementName(element), element]));
    return { kind, entries: Array.from(elements, ([name, element]) => entry(name, element)) };
  }
  if (kind === "map" && isPlainObject(value))
    return { kind, entries: Object.entries(value).map(([name, one]) => entry(name, one)) };
  throw new ConflictError(
    "CONFLICT_KIND_MISMATCH",
    `Cannot change ${kind}: the row holds something else`,
  );
}

/** Adds `n` to the total of `log`, which is ours. @throws {ConflictError} `CONFLICT_TOTAL_TOO_LARGE`. [CO7] */
export function addToCounter(content: Content, log: LogKey, n: number): Content {
  const isOurs = (entry: Entry): boolean => entry.log === log || entry.log === OWN;
  let total = n;
  for (const entry of content.entries) if (isOurs(entry)) total += entry.value as number;
  if (!Number.isSafeInteger(total)) {
    throw new ConflictError(
      "CONFLICT_TOTAL_TOO_LARGE",
      "Cannot add to counter: what this device has added is over 2^53 together",
    );
  }
  const others = content.entries.filter((entry) => !isOurs(entry));
  return { kind: "counter", entries: [...others, { ...OWN_DOT, name: "", value: total }] };
}

/** The set with an element, added anew. */
export function addToSet(content: Content, element: Value): Content {
  const name = elementName(element);
  return {
    kind: "set",
    entries: [...without(content, name), { ...OWN_DOT, name, value: element }],
  };
}

/** The set without an element; `undefined`: it is not there. */
export function deleteFromSet(content: Content, element: Value): Content | undefined {
  const entries = without(content, elementName(element));
  return entries.length === content.entries.length ? undefined : { kind: "set", entries };
}

/** The map with a field. */
export function setField(content: Content, name: string, value: Value): Content {
  return { kind: "map", entries: [...without(content, name), { ...OWN_DOT, name, value }] };
}

/** The map without a field, which leaves its absence; `undefined`: it is not there. */
export function deleteField(content: Content, name: string): Content | undefined {
  if (!readMap(content).has(name)) return undefined;
  return {
    kind: "map",
    entries: [...without(content, name), { ...OWN_DOT, name, value: undefined }],
  };
}

/** The row value of a content. */
export function mergeableOf(content: Content): Mergeable {
  return makeMergeable(content);
}

function without({ entries }: Content, name: string): Entry[] {
  return entries.filter((entry) => entry.name !== name);
}

function isPlainObject(value: Value): value is { readonly [key: string]: Value } {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
