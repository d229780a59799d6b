/** How the rows that a turn has changed go into its write. */

import { encodeVersion, HistoryError, oldKey } from "../records/index.ts";
import { STORE_VALUE_BYTES_MAX, type WriteOp } from "../store/index.ts";
import type { StagedScope } from "./staged-scope.ts";

/** Adds the rows of a scope, and what lies beside them. @throws {HistoryError} `HISTORY_TOO_LARGE`. */
export function stageRows(scope: StagedScope, batch: WriteOp[]): void {
  const { number } = scope.state;
  for (const row of scope.rows.all) {
    if (!row.isChanged) continue;
    const { name, place: key, replaced } = row;
    const value = row.record();
    // Nothing is left of a row whose versions were all taken back.
    if (value === undefined) batch.push({ type: "delete", key });
    else {
      refuseLarge(value);
      scope.state.written?.add(name);
      batch.push({ type: "put", key, value });
    }
    if (replaced !== undefined) {
      const { log, generation, bytes } = replaced;
      const old = oldKey(number, name.space, name.key, log, generation);
      batch.push({ type: "put", key: old, value: bytes });
      continue;
    }
    for (const { log, generation, version } of row.beside?.changes ?? []) {
      const old = oldKey(number, name.space, name.key, log, generation);
      if (version === undefined) batch.push({ type: "delete", key: old });
      else batch.push({ type: "put", key: old, value: encodeVersion(version) });
    }
  }
}

/** The record of a row holds the values of all its heads. @throws {HistoryError} `HISTORY_TOO_LARGE`. [HI31] */
function refuseLarge({ length }: Uint8Array): void {
  if (length <= STORE_VALUE_BYTES_MAX) return;
  throw new HistoryError(
    "HISTORY_TOO_LARGE",
    "Cannot write: the concurrent values of a row come to more than the store takes in one",
  );
}
