/** Holder records: rows of a collection's own scope, one a device that holds it. */

import { Tags } from "../access/index.ts";
import {
  coversVector,
  type DeviceId,
  fromUtf8,
  generationIn,
  type GenVector,
  logIdOf,
  type LogKey,
  parseDeviceId,
  utf8,
} from "../base/index.ts";
import {
  type History,
  type LogNumber,
  ROW_SPACE,
  type RowWrite,
  type ScopeState,
} from "../history/index.ts";
import { encodeHolder, saidBy } from "../records/index.ts";

/** What each holder has published that it has of a collection. */
export type Holders = ReadonlyMap<DeviceId, GenVector>;

/** The record of a holder: a row value of bytes, a GenVector message. `undefined`: it holds the collection no more. [HO1] */
export function holderRow(device: DeviceId, known: GenVector | undefined): RowWrite {
  const name = { space: ROW_SPACE.holders, key: utf8(device), text: device };
  return { name, value: known === undefined ? undefined : encodeHolder(known) };
}

/**
 * The holders of a collection now: those with a record whose user may read it. Of several heads of a record, as when an admin has
 * admitted a device anew, what all of them say counts. What makes no sense, or is somebody else's word, says that it has nothing. [HO2] [HO11]
 */
export async function readHolders(history: History, scope: ScopeState): Promise<Holders> {
  const holders = new Map<DeviceId, GenVector>();
  for await (const { key, row } of history.scan(scope.id, ROW_SPACE.holders)) {
    const device = parseDeviceId(fromUtf8(key) ?? "");
    const heads = row.heads.filter(({ value }) => value !== undefined);
    if (device === undefined || heads.length === 0) continue;
    if (!scope.access.may(device, Tags.READ)) continue;
    const isOwnLog = (log: LogNumber): boolean => logIdOf(history.logOf(log)).device === device;
    holders.set(device, heads.map((head) => saidBy(head, isOwnLog)).reduce(meet));
  }
  return holders;
}

/**
 * What every holder has of a collection, as far as it has said so; `undefined`: there are none, or what one of them has is not
 * all here, and nothing may be dropped. [HO5]
 */
export function stableVector(known: GenVector, holders: Holders): GenVector | undefined {
  if (holders.size === 0) return undefined;
  let stable = known;
  for (const published of holders.values()) {
    if (!coversVector(known, published)) return undefined;
    stable = meet(stable, published);
  }
  return stable;
}

/** Log by log the lesser. */
function meet(a: GenVector, b: GenVector): GenVector {
  const least = new Map<LogKey, number>();
  for (const [log, generation] of a) {
    const both = Math.min(generation, generationIn(b, log));
    if (both > 0) least.set(log, both);
  }
  return least;
}
