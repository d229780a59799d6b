/** Emptying a collection that was destroyed: what it held is deleted, so that what becomes of deleted rows becomes of it. [HO12] */

import { fromUtf8 } from "../base/index.ts";
import { type History, ROW_SPACE, type RowWrite, type ScopeState } from "../history/index.ts";
import { EMPTY_BYTES_MAX, EMPTY_ROWS_MAX } from "./limits.ts";

/** How far a pass over a destroyed collection's rows is. */
export interface Emptying {
  /** Rows that this step has deleted. */
  readonly deleted: number;
  /** The key at which the next step begins; `undefined`: the pass is over. */
  readonly next: Uint8Array | undefined;
}

/** Whether its emptying is ours: this device has destroyed it. Then a revocation that undoes the one undoes the other. */
export function isOursToEmpty(history: History, { access }: ScopeState): boolean {
  return access.isDestroyedBy(history.identity.device);
}

/** One step of a pass: one commit at most. @throws {HistoryError}, {StoreError}. */
export async function emptyDestroyed(
  history: History,
  { id }: ScopeState,
  from?: Uint8Array,
): Promise<Emptying> {
  const rows: RowWrite[] = [];
  let bytes = 0;
  let next: Uint8Array | undefined;
  const range = from === undefined ? {} : { start: from };
  for await (const { key, row } of history.scan(id, ROW_SPACE.rows, range)) {
    const values = row.heads.flatMap(({ value }) => value ?? []);
    if (values.length === 0) continue;
    if (rows.length >= EMPTY_ROWS_MAX || bytes >= EMPTY_BYTES_MAX) {
      next = key;
      break;
    }
    bytes += values.reduce((sum, value) => sum + value.length, 0);
    const name = { space: ROW_SPACE.rows, key, text: fromUtf8(key) ?? "" };
    rows.push({ name, value: undefined });
  }
  if (rows.length > 0) await history.write({ parts: [{ scope: id, rows }] });
  return { deleted: rows.length, next };
}
