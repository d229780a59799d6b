/** Holder records: rows of a collection's own scope, one a device that holds it. [HO1] */

import { decodeValue, encodeValue, type GenVector, joinVectors } from "../base/index.ts";
import { decodeVector, encodeVector } from "../wire/index.ts";
import type { Row } from "./version.ts";

/** What rows are for: the first byte of a row's name. */
export const ROW_SPACE = {
  /** The application's rows of a collection. */
  rows: 0,
  /** Members of a syncgroup, by device. */
  members: 1,
  /** Holders of a collection, by device. */
  holders: 2,
} as const;

const NOTHING: GenVector = new Map();

/** The value of a record: what its device has published that it has. */
export function encodeHolder(known: GenVector): Uint8Array {
  return encodeValue(encodeVector(known));
}

/** What a record's value says; nothing where it makes no sense. */
export function decodeHolder(value: Uint8Array): GenVector {
  try {
    const bytes = decodeValue(value);
    return bytes instanceof Uint8Array ? decodeVector(bytes) : NOTHING;
  } catch {
    return NOTHING;
  }
}

/** All that the heads of a record say together: what others may have relied on. */
export function publishedIn({ heads }: Row): GenVector {
  return heads.reduce<GenVector>(
    (all, { value }) => (value === undefined ? all : joinVectors(all, decodeHolder(value))),
    NOTHING,
  );
}
