/** How the rows that a turn has changed go into its write. */

import { encodeRow, encodeVersion, HistoryError, oldKey, type Row } from "../records/index.ts";
import { STORE_VALUE_BYTES_MAX, type WriteOp } from "../store/index.ts";
import type { StagedScope } from "./staged-scope.ts";

/** Adds the rows of a scope, and what lies beside them. @throws {HistoryError} `HISTORY_TOO_LARGE`. */
export function stageRows(scope: StagedScope, batch: WriteOp[]): void {
  const { number } = scope.state;
  for (const { name, place: key, row, changed, beside } of scope.rows.all) {
    if (!changed) continue;
    // Nothing is left of a row whose versions were all taken back.
    if (row.heads.length + row.seen.length === 0) batch.push({ type: "delete", key });
    else {
      scope.state.written?.add(name);
      batch.push({ type: "put", key, value: storableRow(row) });
    }
    if (beside === undefined) continue;
    for (const { log, generation, version } of beside.changes) {
      const old = oldKey(number, name.space, name.key, log, generation);
      if (version === undefined) batch.push({ type: "delete", key: old });
      else batch.push({ type: "put", key: old, value: encodeVersion(version) });
    }
  }
}

/** The record of a row, which holds the values of all its heads. @throws {HistoryError} `HISTORY_TOO_LARGE`. [HI31] */
function storableRow(row: Row): Uint8Array {
  const bytes = encodeRow(row);
  if (bytes.length <= STORE_VALUE_BYTES_MAX) return bytes;
  throw new HistoryError(
    "HISTORY_TOO_LARGE",
    "Cannot write: the concurrent values of a row come to more than the store takes in one",
  );
}
