import { decodeValue, equalBytes } from "../base/index.ts";
import type { Row } from "../history/index.ts";

/** The visible value under last-write-wins: the first head's. [DB7] */
export function valueOf<T>({ heads }: Row): T | undefined {
  const value = heads[0]?.value;
  return value === undefined ? undefined : (decodeValue(value) as T);
}

/** Whether the row's heads say different things. Equal values are no conflict, nor are equal deletions. [DB7] */
export function isConflict({ heads }: Row): boolean {
  const [first, ...others] = heads;
  return others.some(({ value }) =>
    value === undefined || first?.value === undefined
      ? value !== first?.value
      : !equalBytes(value, first.value),
  );
}
