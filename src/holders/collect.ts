/**
 * Collecting changes that tell watchers nothing: whoever reads on from before such a change finds each of its rows in a later
 * one. A little at a time, round and round. [HO10]
 */

import {
  changeRange,
  commitKey,
  decodeChange,
  decodeHeld,
  decodeRow,
  type HeldOp,
  type PartName,
  readRecord,
  rowKey,
  sequenceOf,
} from "../records/index.ts";
import { decodeStoredCommit } from "../wire/index.ts";
import type { DropDeps } from "./drop.ts";
import { COLLECT_CHANGES_MAX, COLLECT_ROWS_MAX } from "./limits.ts";

/** How far the way round a database's changes is. */
export interface Collecting {
  /** Changes that were collected by this step. */
  readonly collected: number;
  /** After which change the next step begins; 0: from the first again. */
  readonly next: number;
}

/**
 * One step, one store write: looks at the changes after `after`, as many as a step may. The last change of a database
 * always stays, since it says how far they are numbered.
 */
export async function collectChanges(
  deps: Omit<DropDeps, "crypto">,
  database: string,
  after: number,
): Promise<Collecting> {
  let step: Collecting = { collected: 0, next: 0 };
  await deps.history.maintain(database, async (write, number) => {
    const last = deps.history.sequence(database);
    let [looked, rows, collected] = [0, 0, 0];
    for await (const { key, value } of deps.store.scan(changeRange(number, after))) {
      const sequence = sequenceOf(key);
      if (sequence >= last) break;
      if (looked >= COLLECT_CHANGES_MAX || rows >= COLLECT_ROWS_MAX) {
        step = { collected, next: sequence - 1 };
        return;
      }
      looked += 1;
      const { parts, takenBack = [] } = readRecord("change", value, decodeChange);
      const look = takenBack.length > 0 ? undefined : await lookAt(deps, parts);
      rows += look?.rows ?? 0;
      if (look?.isPast !== true) continue;
      write({ type: "delete", key });
      collected += 1;
    }
    step = { collected, next: 0 };
  });
  return step;
}

/** How many rows were looked at, and whether all that the parts wrote has been written over since. */
async function lookAt(
  { store }: Pick<DropDeps, "store">,
  parts: readonly PartName[],
): Promise<{ readonly rows: number; readonly isPast: boolean }> {
  let rows = 0;
  for (const { scope, log, generation } of parts) {
    const bytes = await store.get(commitKey(scope, log, generation));
    if (bytes === undefined) continue;
    const { held } = readRecord("commit", bytes, decodeStoredCommit);
    for (const op of held.map(decodeHeld).filter(isRow)) {
      rows += 1;
      const row = await store.get(rowKey(scope, op.space, op.key));
      const heads = row === undefined ? [] : readRecord("row", row, decodeRow).heads;
      if (heads.some((head) => head.log === log && head.generation === generation))
        return { rows, isPast: false };
    }
  }
  return { rows, isPast: true };
}

function isRow(op: HeldOp): op is Exclude<HeldOp, "control"> {
  return op !== "control";
}
