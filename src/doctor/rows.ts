/** The rows of a scope, and the versions beside them: each as its versions make it, each version of a part that counts. */

import { rowEdge } from "../chunks/index.ts";
import { blobRefsIn, CONTEXT_ENTRIES_MAX, equalBytes, fromUtf8 } from "../base/index.ts";
import {
  ABSENT_ROW,
  commitKey,
  type Context,
  decodeHeld,
  decodeRow,
  decodeVersion,
  encodeRow,
  encodeVersion,
  keysUnder,
  type LogNumber,
  mergeVersion,
  oldKey,
  oldNameOf,
  oldOfScope,
  oldRange,
  type OldName,
  type Row,
  rowKey,
  ROW_KEY_PREFIX,
  ROW_SPACE,
  seenIn,
  type Version,
} from "../records/index.ts";
import type { WriteOp } from "../store/index.ts";
import { decodeStoredCommit } from "../wire/index.ts";
import type { Finding } from "./finding.ts";
import { PART_NAMES_MAX } from "./limits.ts";
import { findingIn, readOr, rowText, type ScopeView } from "./scope-view.ts";

/** Looks at all rows, and adds their live heads to the view's sum. */
export async function* verifyRows(view: ScopeView): AsyncGenerator<Finding, void, undefined> {
  const prefix = rowKey(view.number, 0, new Uint8Array()).subarray(0, 5);
  const parts = new PartNames(view);
  for await (const { key: at, value } of view.store.scan(keysUnder(prefix))) {
    const name = { space: at[ROW_KEY_PREFIX - 1] as number, key: at.subarray(ROW_KEY_PREFIX) };
    if (name.space === ROW_SPACE.rows) view.counts.rows += 1;
    const row = readOr(decodeRow, value);
    if (row === undefined || fromUtf8(name.key) === undefined || name.key.length === 0) {
      const more = { row: rowText(name.key), fix: { type: "remove", key: at } as const };
      yield findingIn(view, "HI17", at, "A row cannot be read", more);
      continue;
    }
    for (const head of row.heads) if (head.value !== undefined) view.sum.add(head.digest);
    yield* verifyRow(view, parts, at, name, row);
  }
  yield* verifyOrphans(view);
}

async function* verifyRow(
  view: ScopeView,
  parts: PartNames,
  at: Uint8Array,
  name: OldName,
  row: Row,
): AsyncGenerator<Finding, void, undefined> {
  const text = rowText(name.key);
  const say = (rule: string, says: string, fix?: Finding["fix"]): Finding =>
    findingIn(view, rule, at, says, { row: text, fix });
  const beside: Version[] = [];
  for await (const { key, value } of view.store.scan(oldRange(view.number, name.space, name.key))) {
    const version = readOr(decodeVersion, value);
    const isItsPlace =
      version !== undefined &&
      equalBytes(key, oldKey(view.number, name.space, name.key, version.log, version.generation));
    if (isItsPlace) beside.push(version);
    else
      yield findingIn(view, "HI17", key, "A superseded version cannot be read", {
        row: text,
        fix: { type: "remove", key },
      });
  }
  if (!isOrdered(row.seen) || row.seen.length > CONTEXT_ENTRIES_MAX * 16)
    yield say("HI6", "What a row has seen is not in order");
  for (const version of [...row.heads, ...beside]) {
    if (version.context.length > CONTEXT_ENTRIES_MAX || !isPositive(version.context))
      yield say("HI12", "A version's context makes no sense");
    if (version.generation > (view.vector.get(version.log) ?? 0))
      yield say("HI40", "A version is shown of what does not count", {
        type: "cut",
        scope: view.number,
        log: version.log,
        keep: view.vector.get(version.log) ?? 0,
      });
    else if (!(await parts.holds(name, version)))
      yield say("HI19", "A version is of no part that is here");
    yield* verifyEdges(view, name, version, say);
  }
  const merged = mergedOf(view, row, beside);
  const fix = { type: "write", ops: opsOf(view, at, name, row, beside, merged) } as const;
  if (!isAsMerged(row, merged))
    yield say("HI6", "A row's heads are not what its versions merge to", fix);
  else if (row.heads.some((head, i) => !isSame(head, merged.heads[i])))
    yield say("HI9", "A row does not show the version that wins", fix);
}

/** What makes a row what its versions merge to, none of them lost. */
function opsOf(
  { number }: ScopeView,
  at: Uint8Array,
  { space, key }: OldName,
  row: Row,
  beside: readonly Version[],
  merged: Row,
): WriteOp[] {
  const isHead = (version: Version): boolean => merged.heads.some((one) => isSame(version, one));
  const placeOfOld = ({ log, generation }: Version): Uint8Array =>
    oldKey(number, space, key, log, generation);
  return [
    { type: "put", key: at, value: encodeRow(merged) },
    ...beside
      .filter(isHead)
      .map((version) => ({ type: "delete", key: placeOfOld(version) }) as const),
    ...row.heads
      .filter((head) => !isHead(head))
      .map((head) => ({ type: "put", key: placeOfOld(head), value: encodeVersion(head) }) as const),
  ];
}

function mergedOf({ interner }: ScopeView, row: Row, beside: readonly Version[]): Row {
  // What was dropped has been seen past all the same.
  let merged: Row = { ...ABSENT_ROW, seen: row.seen };
  for (const version of [...row.heads, ...beside])
    merged = mergeVersion(merged, version, (a, b) => interner.compareLogs(a, b)).row;
  return merged;
}

function isAsMerged(row: Row, merged: Row): boolean {
  const sameSeen =
    row.seen.length === merged.seen.length &&
    row.seen.every((entry, i) => {
      const other = merged.seen[i];
      return entry.log === other?.log && entry.generation === other.generation;
    });
  return (
    sameSeen &&
    row.heads.length === merged.heads.length &&
    row.heads.every((head) => merged.heads.some((other) => isSame(head, other))) &&
    row.heads.every(({ log, generation }) => generation > seenIn(row.seen, log))
  );
}

function isSame(a: Version, b: Version | undefined): boolean {
  return a.log === b?.log && a.generation === b.generation;
}

function isPositive(context: Context): boolean {
  return context.every(({ generation }) => generation > 0);
}

function isOrdered(context: Context): boolean {
  return (
    isPositive(context) &&
    context.every(({ log }, i) => i === 0 || (context[i - 1]?.log ?? 0) < log)
  );
}

/** The names of what parts hold, those that were asked for last: the rows of one commit stand together as a rule. */
class PartNames {
  readonly #view: ScopeView;
  readonly #parts = new Map<string, ReadonlySet<string>>();
  #count = 0;

  constructor(view: ScopeView) {
    this.#view = view;
  }

  async holds({ space, key }: OldName, { log, generation }: Version): Promise<boolean> {
    const id = `${log}.${generation}`;
    const known = this.#parts.get(id);
    const names = known ?? (await this.#read(log, generation));
    this.#parts.delete(id);
    this.#parts.set(id, names);
    if (known === undefined) this.#count += names.size;
    for (const [oldest, { size }] of this.#parts) {
      if (this.#count <= PART_NAMES_MAX || this.#parts.size === 1) break;
      this.#parts.delete(oldest);
      this.#count -= size;
    }
    return names.has(nameText(space, key));
  }

  async #read(log: LogNumber, generation: number): Promise<ReadonlySet<string>> {
    const { store, number } = this.#view;
    const bytes = await store.get(commitKey(number, log, generation));
    const names = new Set<string>();
    for (const one of (bytes && readOr(decodeStoredCommit, bytes))?.held ?? []) {
      const op = readOr(decodeHeld, one);
      if (op !== undefined && op !== "control") names.add(nameText(op.space, op.key));
    }
    return names;
  }
}

function nameText(space: number, key: Uint8Array): string {
  return `${space} ${rowText(key)}`;
}

/** Each blob that a version names is kept for it. */
async function* verifyEdges(
  view: ScopeView,
  { space, key }: OldName,
  { log, generation, value }: Version,
  say: (rule: string, says: string, fix?: Finding["fix"]) => Finding,
): AsyncGenerator<Finding, void, undefined> {
  if (value === undefined) return;
  const refs = readOr((bytes) => [...blobRefsIn(bytes)], value);
  for (const ref of refs ?? []) {
    const edge = rowEdge(ref, { scope: view.number, log, generation, space, key });
    if ((await view.store.get(edge.key)) === undefined)
      yield say("HI33", "A blob that a row names is not kept for it", {
        type: "write",
        ops: [edge],
      });
  }
}

/** Versions beside no row. */
async function* verifyOrphans(view: ScopeView): AsyncGenerator<Finding, void, undefined> {
  let last: Uint8Array | undefined;
  for await (const { key } of view.store.scan(oldOfScope(view.number))) {
    const name = oldNameOf(key);
    const at = rowKey(view.number, name.space, name.key);
    if (last !== undefined && equalBytes(at, last)) continue;
    last = at;
    if ((await view.store.get(at)) === undefined)
      yield findingIn(view, "HI7", key, "A superseded version is kept beside no row", {
        row: rowText(name.key),
        fix: { type: "remove", key },
      });
  }
}
