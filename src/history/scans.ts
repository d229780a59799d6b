/** Rows and changes as they are read in order. */

import {
  changeRange,
  type ChangeRecord,
  decodeChange,
  decodeRow,
  isEmptyRange,
  readRecord,
  type Row,
  ROW_KEY_PREFIX,
  rowRange,
  type ScopeNumber,
  sequenceOf,
} from "../records/index.ts";
import type { ScanOptions, Store } from "../store/index.ts";
import type { DatabaseState } from "../turns/index.ts";

/** Where a scan of rows begins and ends, by row key bytes. */
export interface RowRange {
  /** First key; default: the first there is. */
  readonly start?: Uint8Array | undefined;
  /** The key before which it ends; default: after the last. */
  readonly end?: Uint8Array | undefined;
}

/** A change as it lies in the order of changes. */
export interface Change extends ChangeRecord {
  readonly sequence: number;
}

/** Rows of a scope in key order, deleted ones too. */
export async function* scanRows(
  store: Store,
  scope: ScopeNumber | undefined,
  space: number,
  range: RowRange,
  options: ScanOptions | undefined,
): AsyncGenerator<{ readonly key: Uint8Array; readonly row: Row }, void, undefined> {
  if (scope === undefined) return;
  const keys = rowRange(scope, space, range.start, range.end);
  if (isEmptyRange(keys)) return;
  for await (const { key, value } of store.scan(keys, options))
    yield { key: key.subarray(ROW_KEY_PREFIX), row: readRecord("row", value, decodeRow) };
}

/** Changes of a database after a position, oldest first, up to now. */
export async function* changesIn(
  store: Store,
  database: DatabaseState | undefined,
  sequence: number,
): AsyncGenerator<Change, void, undefined> {
  if (database === undefined) return;
  const last = database.sequence;
  for await (const { key, value } of store.scan(changeRange(database.number, sequence))) {
    const at = sequenceOf(key);
    if (at > last) return;
    yield { sequence: at, ...readRecord("change", value, decodeChange) };
  }
}
