/**
 * Row values as JSON and back without loss, for the command line and the local API. What JSON lacks is an object with one
 * key that begins with "$"; keys of values that begin with "$" get one more. [VA10]
 */

import { fromBase64Url, toBase64Url } from "./bytes.ts";
import { BlobRef, formatBlobRef, parseBlobRef } from "./blob-ref.ts";
import { VALUE_DEPTH_MAX } from "./limits.ts";
import { Mergeable } from "./mergeable.ts";
import { ValueError } from "./errors.ts";
import type { Value } from "./value.ts";

/** What `JSON.parse` may answer. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/**
 * What `JSON.parse` answers, but where that would be another number than is written, or would not survive being written again: whole
 * ones beyond 2^53 lose digits, those beyond JSON's would be infinite, and -0 is `{"$number":"-0"}` from here on. [VA13]
 *
 * @throws {SyntaxError} for what is no JSON; {ValueError} `DB_VALUE_MALFORMED`.
 */
export function parseJson(text: string): Json {
  return JSON.parse(text, exactly as (key: string, value: unknown) => unknown) as Json;
}

function exactly(
  _key: string,
  value: unknown,
  { source = "" }: { readonly source?: string },
): unknown {
  if (typeof value !== "number") return value;
  if (!Number.isFinite(value))
    throw new ValueError(
      "DB_VALUE_MALFORMED",
      `Cannot take ${source} as a number: it is too great. Write {"$number":"${value}"} if that is meant`,
    );
  if (Object.is(value, -0)) return toJson(value);
  const digits = /^(-?\d+)(\.0+)?$/.exec(source)?.[1];
  const isLossy = digits !== undefined && !Number.isSafeInteger(value);
  // What is written of a number, and what it is to the last digit, both come back as it.
  if (isLossy && digits !== String(value) && BigInt(digits) !== BigInt(value))
    throw new ValueError(
      "DB_VALUE_MALFORMED",
      `Cannot take ${source} as a number: it would lose digits. Write {"$bigint":"${digits}"}, or a text`,
    );
  return value;
}

/** The JSON form of a row value, for `JSON.stringify`. [VA10] */
export function toJson(value: Value): Json {
  switch (typeof value) {
    case "bigint":
      return { $bigint: value.toString() };
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? "-0" : String(value) };
    case "object":
      return value === null ? null : objectToJson(value);
    default:
      return value;
  }
}

function objectToJson(value: Exclude<Value, null | boolean | number | bigint | string>): Json {
  if (value instanceof Uint8Array) return { $bytes: toBase64Url(value) };
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof BlobRef) return { $blob: formatBlobRef(value) };
  if (value instanceof Mergeable) return { $merge: toJson(value.content) };
  if (isArray(value)) return value.map(toJson);
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key.startsWith("$") ? `$${key}` : key, toJson(one)]),
  );
}

/**
 * The value of its JSON form, as `JSON.parse` answers it. What JSON may say and a row may not hold (a lone surrogate, too
 * many parts), `encodeValue` refuses. [VA10]
 *
 * @throws {ValueError} `DB_VALUE_MALFORMED` for an object with "$" that stands for nothing, a number too great for JSON,
 *   nesting that no value has, and what is no JSON at all.
 */
export function fromJson(json: unknown): Value {
  return fromJsonAt(json, 1);
}

function fromJsonAt(json: unknown, depth: number): Value {
  switch (typeof json) {
    case "string":
    case "boolean":
      return json;
    case "number":
      if (!Number.isFinite(json)) throw malformed("a number is too great");
      return json;
    case "object":
      return json === null ? null : objectFromJson(json, depth);
    default:
      throw malformed(`${typeof json} is no JSON`);
  }
}

function objectFromJson(json: object, depth: number): Value {
  if (depth > VALUE_DEPTH_MAX) throw malformed(`it is nested over ${VALUE_DEPTH_MAX} deep`);
  if (Array.isArray(json)) return json.map((one: unknown) => fromJsonAt(one, depth + 1));
  const entries: [string, unknown][] = Object.entries(json);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined && /^\$[^$]/.test(first[0]))
    return first[0] === "$merge"
      ? new Mergeable(fromJsonAt(first[1], depth + 1))
      : special(first[0], first[1]);
  return Object.fromEntries(
    entries.map(([key, one]) => {
      if (/^\$([^$]|$)/.test(key)) throw malformed('a key that begins with "$" stands for nothing');
      return [key.startsWith("$") ? key.slice(1) : key, fromJsonAt(one, depth + 1)];
    }),
  );
}

/** The numbers that JSON has no words for. */
const NUMBERS: ReadonlyMap<string, number> = new Map([
  ["NaN", Number.NaN],
  ["-0", -0],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

function special(key: string, content: unknown): Value {
  if (typeof content === "string") {
    const value = specialText(key, content);
    if (value !== undefined) return value;
  }
  throw malformed('an object with "$" does not hold what it stands for');
}

function specialText(key: string, text: string): Value | undefined {
  switch (key) {
    case "$bytes":
      return fromBase64Url(text);
    case "$bigint":
      return /^-?(0|[1-9]\d*)$/.test(text) && text !== "-0" ? BigInt(text) : undefined;
    case "$date": {
      const date = new Date(text);
      return Number.isNaN(date.getTime()) || date.toISOString() !== text ? undefined : date;
    }
    case "$blob":
      return parseBlobRef(text);
    case "$number":
      return NUMBERS.get(text);
    default:
      return undefined;
  }
}

function isArray<T>(value: readonly T[] | object): value is readonly T[] {
  return Array.isArray(value);
}

function malformed(why: string): ValueError {
  return new ValueError("DB_VALUE_MALFORMED", `Cannot read JSON as a value: ${why}`);
}
