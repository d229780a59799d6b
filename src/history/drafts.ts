/** What waits for a turn of the writer, and which of it share one, or a commit. */

import { assert, type LogKey, scopeKeyOf } from "../base/index.ts";
import type { WriteOp } from "../store/index.ts";
import type { DatabaseState, Turn } from "../turns/index.ts";
import type { Draft, PartWrite, RowWrite } from "./author.ts";
import { countTogether, type Delivery } from "./fresh-parts.ts";
import { TURN_OPS_MAX } from "./limits.ts";
import type { Reads } from "./reads.ts";
import type { Receipt } from "./receive.ts";

/** A draft and how it may be committed. */
export interface WriteRequest extends Draft, Reads {
  /** May share a commit with others that say so: single writes of rows, without controls, reads or hint. Default false. */
  readonly together?: boolean | undefined;
  /** Commit only while this is our log: what is written was worked out with its name. */
  readonly log?: LogKey | undefined;
}

/** `conflict`: a row or range that was read has changed, or our log, and nothing was written. */
export type WriteOutcome = "written" | "conflict";

/** A request, and whoever waits for what becomes of it. */
interface Requested {
  readonly request: WriteRequest;
}

/** Drafts that become one commit: single writes of one scope, as long as no batch of that scope comes between. */
export function groups<D extends Requested>(drafts: readonly D[]): D[][] {
  if (drafts.length === 1) return [[drafts[0] as D]];
  const all: D[][] = [];
  const open = new Map<string, { group: D[]; ops: number }>();
  for (const draft of drafts) {
    const { request } = draft;
    const ops = opsOf(request);
    if (isSingleWrite(request)) {
      const scope = scopeKeyOf((request.parts[0] as PartWrite).scope);
      const current = open.get(scope);
      if (current !== undefined && current.ops + ops <= TURN_OPS_MAX) {
        current.group.push(draft);
        current.ops += ops;
        continue;
      }
      const group = [draft];
      all.push(group);
      open.set(scope, { group, ops });
      continue;
    }
    all.push([draft]);
    for (const { scope } of request.parts) open.delete(scopeKeyOf(scope));
  }
  return all;
}

/** Rows that it writes. */
export function opsOf({ parts }: WriteRequest): number {
  let ops = 0;
  for (const { rows } of parts) ops += rows.length;
  return ops;
}

/** The database that all of its parts are of. */
export function databaseOf({ parts }: WriteRequest): string {
  assert(parts.length > 0, "a write has a part");
  const { database } = (parts[0] as PartWrite).scope;
  for (const { scope } of parts)
    assert(scope.database === database, "all parts of a commit are of one database");
  return database;
}

/** Whether a request may share a commit: what has more than rows keeps its own, or the rest of it would be lost. */
function isSingleWrite({
  together,
  parts,
  reads,
  ranges,
  access,
  log,
  hint,
}: WriteRequest): boolean {
  if (together !== true || parts.length !== 1 || parts[0]?.controls !== undefined) return false;
  const isFree = reads === undefined && ranges === undefined && access === undefined;
  return isFree && log === undefined && hint === undefined;
}

/** One draft of several: of two writes to a row the later counts. */
export function joined(group: readonly Requested[]): WriteRequest {
  const first = group[0]?.request;
  assert(first !== undefined, "a group has a member");
  if (group.length === 1) return first;
  // A map a space: a text of space and key would be made and hashed anew for each.
  const spaces = new Map<number, Map<string, RowWrite>>();
  for (const { request } of group) {
    for (const row of request.parts[0]?.rows ?? []) {
      const { space, text } = row.name;
      let rows = spaces.get(space);
      if (rows === undefined) spaces.set(space, (rows = new Map<string, RowWrite>()));
      rows.set(text, row);
    }
  }
  const [part] = first.parts;
  assert(part !== undefined, "a single write has a part");
  const rows = Array.from(spaces.values(), (of) => [...of.values()]);
  return { parts: [{ scope: part.scope, rows: rows.flat() }] };
}

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export interface WaitingDraft extends Waiting<WriteOutcome> {
  readonly kind: "draft";
  readonly request: WriteRequest;
}

export interface WaitingDelivery extends Waiting<Receipt> {
  readonly kind: "delivery";
  readonly delivery: Delivery;
}

export interface WaitingTask extends Waiting<void> {
  readonly kind: "task";
  readonly task: (turn: Turn) => Promise<void>;
}

/** What may wait for a turn. */
export type WaitingEntry = WaitingDraft | WaitingDelivery | WaitingTask;

/** Takes the drafts that stand first, as many as a turn may have. */
export function takeDrafts(queue: WaitingEntry[]): WaitingDraft[] {
  let ops = 0;
  let count = 0;
  for (const entry of queue) {
    if (entry.kind !== "draft") break;
    ops += opsOf(entry.request);
    if (count > 0 && ops > TURN_OPS_MAX) break;
    count += 1;
  }
  return queue.splice(0, count) as WaitingDraft[];
}

/** Takes the deliveries that stand first and may share a turn: one at least. [HI86] */
export function takeDeliveries(queue: WaitingEntry[]): WaitingDelivery[] {
  const end = queue.findIndex(({ kind }) => kind !== "delivery");
  const waiting = queue.slice(0, end < 0 ? queue.length : end) as WaitingDelivery[];
  return queue.splice(
    0,
    countTogether(waiting.map(({ delivery }) => delivery)),
  ) as WaitingDelivery[];
}

/** What changes how a database lies in the store and nothing that is seen of it: gives its ops to `write`. */
export type Maintenance = (
  write: (op: WriteOp) => void,
  database: DatabaseState["number"],
) => Promise<void>;
