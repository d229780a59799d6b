/** What a batch has read, and whether that still holds when it commits. */

import { type ScopeId, scopeKeyOf } from "../base/index.ts";
import type { ControlId } from "../access/index.ts";
import type { Row } from "../records/index.ts";
import { isWithin, type KeySpan, type RowName, type Turn, type View } from "../turns/index.ts";

/** A row as a batch has read it: its heads then. */
export interface RowRead {
  readonly scope: ScopeId;
  readonly name: RowName;
  readonly row: Row;
}

/** Rows that a batch has read as a range, and since when they may not have changed. */
export interface RangeRead extends KeySpan {
  readonly scope: ScopeId;
  readonly view: View;
}

/** What a scope's control heads were; none: nothing was there. */
export interface AccessRead {
  readonly scope: ScopeId;
  readonly heads: readonly ControlId[];
}

/** All that a batch has read. */
export interface Reads {
  /** Commit only while these rows have the heads that were read. */
  readonly reads?: readonly RowRead[] | undefined;
  /** Commit only while no row within these ranges has changed, appeared or gone. */
  readonly ranges?: readonly RangeRead[] | undefined;
  /** Commit only while these scopes have the control heads that were read. */
  readonly access?: readonly AccessRead[] | undefined;
}

/** Whether a write depends on anything that was read. */
export function hasReads({ reads, ranges, access }: Reads): boolean {
  return [reads, ranges, access].some((one) => one !== undefined && one.length > 0);
}

/** Whether nothing that a batch has read has changed, with what this turn is about to change. [HI5] */
export async function isStillAsRead(
  turn: Turn,
  { reads = [], ranges = [], access = [] }: Reads,
): Promise<boolean> {
  if (!access.every(({ scope, heads }) => sameIds(turn.scope(scope).access.heads, heads)))
    return false;
  if (!areRangesAsRead(turn, ranges)) return false;
  const byScope = Map.groupBy(reads, ({ scope }) => scopeKeyOf(scope));
  for (const ofScope of byScope.values()) {
    const scope = turn.scope((ofScope[0] as RowRead).scope);
    await turn.loadRows(
      scope,
      ofScope.map(({ name }) => name),
    );
    if (!ofScope.every(({ name, row }) => sameHeads(turn.row(scope, name), row))) return false;
  }
  return true;
}

/** By what has changed since the batch began to read, and by what this turn is about to change. [HI5] */
function areRangesAsRead(turn: Turn, ranges: readonly RangeRead[]): boolean {
  const { recent } = turn.database;
  for (const [key, ofScope] of Map.groupBy(ranges, ({ scope }) => scopeKeyOf(scope))) {
    const [{ scope }] = ofScope as [RangeRead];
    const changing = turn.scope(scope).changedRows();
    if (changing.some((row) => ofScope.some((range) => isWithin(row, range)))) return false;
    for (const [view, ofView] of Map.groupBy(ofScope, (range) => range.view))
      if (recent.hasChanged(view, key, ofView)) return false;
  }
  return true;
}

function sameIds(a: readonly ControlId[], b: readonly ControlId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}

function sameHeads(a: Row, b: Row): boolean {
  return (
    a.heads.length === b.heads.length &&
    a.heads.every(
      (head, i) => head.log === b.heads[i]?.log && head.generation === b.heads[i].generation,
    )
  );
}
