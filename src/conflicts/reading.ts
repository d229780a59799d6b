import { Mergeable, type Value } from "../base/index.ts";
import { type Content, type Entry, type Kind, OWN, OWN_DOT, readMergeable } from "./content.ts";
import { type Head } from "./head.ts";
import { contentIn, valueIn } from "./merge.ts";

/** A counter's total. [CO7] */
export function readCounter({ entries }: Content): number {
  let total = 0n;
  for (const { value } of entries) total += BigInt(value as number);
  return Number(total);
}

/** A set's elements, each once, by their bytes. */
export function readSet({ entries }: Content): Value[] {
  const elements = new Map<string, Value>();
  for (const { name, value } of entries) elements.set(name, value as Value);
  return [...elements].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, element]) => element);
}

/** A map's fields: of several values for one, the one with the greatest (stamp, log) holds, or its absence. [CO8] */
export function readMap({ entries }: Content): Map<string, Value> {
  const latest = new Map<string, Entry>();
  for (const entry of entries) {
    const other = latest.get(entry.name);
    if (other === undefined || isLater(entry, other)) latest.set(entry.name, entry);
  }
  const fields = new Map<string, Value>();
  const names = [...latest.keys()].sort();
  for (const name of names) {
    const value = latest.get(name)?.value;
    if (value !== undefined) fields.set(name, value);
  }
  return fields;
}

function isLater(a: Entry, b: Entry): boolean {
  // What is being written has seen all that is there.
  if ((a.log === OWN) !== (b.log === OWN)) return a.log === OWN;
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp;
  if (a.log !== b.log) return a.log > b.log;
  return a.generation > b.generation;
}

/** What an application is shown for a content: a number, an array, an object. [CO4] */
export function shownAs(content: Content): Value {
  switch (content.kind) {
    case "counter":
      return readCounter(content);
    case "set":
      return readSet(content);
    case "map":
      return Object.fromEntries(readMap(content));
  }
}

/** What an application is shown for one version by itself, under any policy; a deletion is `undefined`. [CO4] */
export function shownOf(head: Head): Value | undefined {
  const value = valueIn(head);
  if (!(value instanceof Mergeable)) return value;
  const content = contentIn(head);
  return content === undefined ? value : shownAs(content);
}

/** What kind of mergeable value a head holds, or `undefined`. */
export function readKind(head: Head): Kind | undefined {
  return contentIn(head)?.kind;
}

/** As `shownOf`, for a value that is not written yet. */
export function shownValue(value: Value | undefined): Value | undefined {
  const content = readMergeable(value, OWN_DOT);
  return content === undefined ? value : shownAs(content);
}
