import { decodeValue, equalBytes } from "../base/index.ts";
import type { Row } from "../history/index.ts";

/** The visible value under last-write-wins: the first head's. */
export function valueOf<T>({ heads }: Row): T | undefined {
  const value = heads[0]?.value;
  return value === undefined ? undefined : (decodeValue(value) as T);
}

/** Equal values are no conflict, nor are equal deletions. */
export function isConflict(heads: Row["heads"]): boolean {
  const [first, ...others] = heads;
  return others.some(({ value }) =>
    value === undefined || first?.value === undefined
      ? value !== first?.value
      : !equalBytes(value, first.value),
  );
}

/** The least text bytes after all that begin with a prefix; `undefined` when the prefix ends in 0xff only, which UTF-8 never does. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const end = prefix.slice();
  end[end.length - 1] = (end[end.length - 1] as number) + 1;
  return end;
}
