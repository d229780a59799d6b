import { concatBytes } from "../base/index.ts";
import type { RowRange } from "../history/index.ts";
import { boundBytes } from "./names.ts";

/** Which rows are meant, by the bytes of their keys. */
export interface KeyBounds {
  /** Only keys that begin with it. Not together with `start` or `end`. */
  readonly prefix?: string | undefined;
  /** First key; default: the first there is. */
  readonly start?: string | undefined;
  /** Key before which it ends; default: after the last. */
  readonly end?: string | undefined;
}

/** @throws {DbError} `DB_KEY_INVALID`; {TypeError}. */
export function rangeOf({ prefix, start, end }: KeyBounds): RowRange {
  if (prefix !== undefined && (start !== undefined || end !== undefined))
    throw new TypeError("Rows are bounded by a prefix, or by a start and an end");
  if (prefix !== undefined) return rangeUnder(boundBytes(prefix));
  return {
    start: start === undefined ? undefined : boundBytes(start),
    end: end === undefined ? undefined : boundBytes(end),
  };
}

/** @throws {RangeError} unless it is a whole number or absent. */
export function checkLimit(limit: number | undefined): void {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0))
    throw new RangeError("A scan's limit is a whole number");
}

function rangeUnder(prefix: Uint8Array): RowRange {
  const last = prefix.at(-1);
  if (last === undefined) return {};
  // The least bytes after all that begin with the prefix: UTF-8 never ends in 0xff.
  const end = prefix.slice();
  end[end.length - 1] = last + 1;
  return { start: prefix, end };
}

/** The least key after this one. */
export function afterKey(key: Uint8Array): Uint8Array {
  return concatBytes(key, Uint8Array.of(0));
}
