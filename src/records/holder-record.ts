/** Holder records: rows of a collection's own scope, one a device that holds it. [HO1] */

import { decodeValue, encodeValue, type GenVector, joinVectors } from "../base/index.ts";
import { decodeVector, encodeVector } from "../wire/index.ts";
import type { LogNumber, Row, Version } from "./version.ts";

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

/** What a version of a record says in the device's own words: what somebody else wrote there says that it has nothing. [HO11] */
export function saidBy({ log, value }: Version, isOwnLog: (log: LogNumber) => boolean): GenVector {
  return value === undefined || !isOwnLog(log) ? NOTHING : decodeHolder(value);
}

/** All that the heads of a record say together in the device's own words: what others may have relied on. */
export function publishedIn({ heads }: Row, isOwnLog: (log: LogNumber) => boolean): GenVector {
  return heads.reduce<GenVector>((all, head) => joinVectors(all, saidBy(head, isOwnLog)), NOTHING);
}
