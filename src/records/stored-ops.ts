/** Where the ops of a part that counts lie: rows, versions beside them, the control log. */

import type { Store } from "../store/index.ts";
import type { PartSources } from "./assemble.ts";
import { controlKey, oldKey, rowKeyOfHeld, type ScopeNumber } from "./keys.ts";
import { nearOrder } from "./near-order.ts";
import { READ_ROWS_MAX } from "./limits.ts";
import { HELD_ROW } from "./part.ts";
import { decodeControlRecord, decodeRow, decodeVersion, readRecord } from "./records.ts";
import { opOfRecord } from "./row-op.ts";
import type { LogNumber, Version } from "./version.ts";

/** What a stored part says of its ops, and the scope in which they are. */
export interface HeldOps {
  readonly scope: ScopeNumber;
  readonly held: readonly Uint8Array[];
}

/** The records of the rows of a part, in the places of its ops; `undefined` for control ops, and for what is not there. */
export type RowRecords = readonly (Uint8Array | undefined)[];

/**
 * The records of the rows of some parts, at one moment. All are read in the order of their keys, about: rows that were written
 * together lie all over a scope, and those of several parts are nearer to each other than those of one.
 */
export async function rowsOf(store: Store, parts: readonly HeldOps[]): Promise<RowRecords[]> {
  const keys: Uint8Array[] = [];
  for (const { scope, held } of parts)
    for (const one of held) if (one[0] === HELD_ROW) keys.push(rowKeyOfHeld(scope, one));
  const order = nearOrder(keys);
  const records: (Uint8Array | undefined)[] = keys.map(() => undefined);
  for (let from = 0; from < order.length; from += READ_ROWS_MAX) {
    const page = order.slice(from, from + READ_ROWS_MAX);
    const found = await store.getMany(page.map((index) => keys[index] as Uint8Array));
    for (let i = 0; i < page.length; i++) records[page[i] as number] = found[i];
  }
  let next = 0;
  return parts.map(({ held }) =>
    held.map((one) => (one[0] === HELD_ROW ? records[next++] : undefined)),
  );
}

/** The sources of a stored part's ops. `rows`: what was read of its rows before; default: they are read when they are asked for. */
export function storedOps(
  store: Store,
  scope: ScopeNumber,
  log: LogNumber,
  generation: number,
  rows?: RowRecords,
): PartSources {
  let records: RowRecords = rows ?? [];
  return {
    async copies(held, dictionary) {
      if (rows === undefined) [records = []] = await rowsOf(store, [{ scope, held }]);
      return held.map((one, i) => {
        const record = records[i];
        return record && opOfRecord(record, one, log, generation, dictionary);
      });
    },
    async versions(held, places) {
      const versions: (Version | undefined)[] = [];
      for (const [i, op] of held.entries()) {
        if (op === "control") versions.push(undefined);
        else
          versions.push(
            headIn(records[places[i] as number], log, generation) ??
              (await supersededVersion(store, oldKey(scope, op.space, op.key, log, generation))),
          );
      }
      return versions;
    },
    async controlOp(id) {
      const bytes = await store.get(controlKey(scope, id));
      return bytes && readRecord("control op", bytes, decodeControlRecord).op;
    },
  };
}

/** The head that this commit has made, if it is one still. */
function headIn(
  record: Uint8Array | undefined,
  log: LogNumber,
  generation: number,
): Version | undefined {
  if (record === undefined) return undefined;
  const { heads } = readRecord("row", record, decodeRow);
  return heads.find((head) => head.log === log && head.generation === generation);
}

async function supersededVersion(store: Store, key: Uint8Array): Promise<Version | undefined> {
  const bytes = await store.get(key);
  return bytes && readRecord("version", bytes, decodeVersion);
}
