import { BlobRef } from "./blob-ref.ts";
import { VALUE_DEPTH_MAX, VALUE_NODES_MAX } from "./limits.ts";
import { ValueError } from "./value-errors.ts";

/** What a row may hold. What was put is what `get` answers, type for type: -0, NaN, 1 and 1n too. [VA1] */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | BlobRef
  | readonly Value[]
  | { readonly [key: string]: Value };

/** Refuses what is no row value. @throws {ValueError} `DB_VALUE_UNSUPPORTED`, `DB_VALUE_TOO_LARGE`. [VA2] */
export function assertEncodable(value: unknown): asserts value is Value {
  walk(value, 1, { nodes: 0 });
}

function walk(value: unknown, depth: number, count: { nodes: number }): void {
  count.nodes += 1;
  if (count.nodes > VALUE_NODES_MAX) throw tooLarge(`it has over ${VALUE_NODES_MAX} parts`);
  switch (typeof value) {
    case "boolean":
    case "number":
    case "bigint":
      return;
    case "string":
      if (!value.isWellFormed()) throw unsupported("a text has a lone surrogate");
      return;
    case "object":
      if (value !== null) walkObject(value, depth, count);
      return;
    default:
      throw unsupported(`a ${typeof value} is no row value`);
  }
}

function walkObject(value: object, depth: number, count: { nodes: number }): void {
  if (value instanceof Uint8Array || value instanceof BlobRef) return;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw unsupported("a Date is invalid");
    return;
  }
  // A cycle ends here too.
  if (depth > VALUE_DEPTH_MAX) throw unsupported(`it is nested over ${VALUE_DEPTH_MAX} deep`);
  if (Array.isArray(value)) {
    if (value.length > VALUE_NODES_MAX) throw tooLarge(`it has over ${VALUE_NODES_MAX} parts`);
    for (let i = 0; i < value.length; i++) {
      if (!Object.hasOwn(value, i)) throw unsupported("an array has holes");
      walk(value[i], depth + 1, count);
    }
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw unsupported("an object is of a class of its own");
  if (Object.getOwnPropertySymbols(value).length > 0)
    throw unsupported("an object has symbols as keys");
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
    if (property.get !== undefined || property.set !== undefined)
      throw unsupported("an object has accessors");
    if (!key.isWellFormed()) throw unsupported("a key has a lone surrogate");
    walk(property.value, depth + 1, count);
  }
}

function unsupported(why: string): ValueError {
  return new ValueError("DB_VALUE_UNSUPPORTED", `Cannot encode value: ${why}`);
}

function tooLarge(why: string): ValueError {
  return new ValueError("DB_VALUE_TOO_LARGE", `Cannot encode value: ${why}`);
}
