/** A part whose right is settled goes into the turn: its control ops, its rows, its record, what may be claimed. */

import type { ControlId, Rejection, VerifiedOp } from "../access/index.ts";
import { assert, type Logger, type LogKey } from "../base/index.ts";
import {
  type Context,
  type ControlDot,
  controlEntry,
  controlRecord,
  type ContextEntry,
  encodeHeld,
  type LogNumber,
  LoneRow,
  LoneRows,
  ROW_SPACE,
} from "../records/index.ts";
import { encodeStoredCommit, PlacedOp } from "../wire/index.ts";
import {
  type StagedRow,
  stagedRow,
  type StagedScope,
  type Turn,
  type TurnDeps,
} from "../turns/index.ts";
import type { PreparedPart, PreparedRow } from "./prepare.ts";

/** The control ops of parts, by id, their certificates and proofs checked. */
export type VerifiedOps = ReadonlyMap<ControlId, VerifiedOp>;

/**
 * Adds a part's control ops to the control log: they name each other in the part's order, and the first one what the part
 * names. Answers why one of them has no effect, if one has none.
 */
export function addControls(
  { interner }: TurnDeps,
  turn: Turn,
  scope: StagedScope,
  part: PreparedPart,
  verified: VerifiedOps,
): Rejection | undefined {
  const log = interner.log(part.log);
  const { generation, timestamp } = part;
  const dot: ControlDot = { log, logKey: part.log, generation, timestamp };
  let parents = part.controlHeads;
  let rejection: Rejection | undefined;
  for (const { id, idBytes, index, bytes } of part.controls) {
    const op = verified.get(id);
    assert(op !== undefined, "control ops are verified before they are taken");
    const entry = controlEntry(id, op, part.author, dot, parents);
    const record = controlRecord(entry, log, index, bytes);
    // Each of them, whatever became of those before it: all are held, also those without effect.
    const verdict = turn.addControl(scope, idBytes, entry, record);
    rejection ??= verdict;
    parents = [id];
  }
  return rejection;
}

/** Merges a part that counts into its rows, which the turn has read, and claims it. */
export function takePart(
  deps: TurnDeps & { readonly logger: Logger },
  turn: Turn,
  scope: StagedScope,
  part: PreparedPart,
): void {
  observeTime(deps, turn, part);
  const log = deps.interner.log(part.log);
  mergeRows(deps, turn, scope, part, log);
  turn.addPart(scope, log, part.generation, recordOf(turn, part));
  if (part.raw.elided.length > 0) turn.staged.isPartial = true;
  turn.raise(scope, part.log, part.generation);
}

function observeTime(
  { logger }: { readonly logger: Logger },
  turn: Turn,
  part: PreparedPart,
): void {
  const verdict = turn.clock.observe(part.timestamp);
  if (verdict !== "tooFarAhead") return;
  logger("warn", "history.clock.ahead", { device: part.author, database: part.scope.database });
}

function mergeRows(
  deps: TurnDeps,
  turn: Turn,
  scope: StagedScope,
  part: PreparedPart,
  log: LogNumber,
): void {
  const { generation, timestamp, refs, digests } = part;
  const records = new LoneRows({ log, generation, timestamp }, digests);
  for (const row of part.rows) {
    const { name, op } = row;
    const entry = stagedRow(scope, name);
    const isPlain = refs === 0 && name.space === ROW_SPACE.rows;
    if (isPlain && mergeLone(deps, scope, part, log, row, entry, records)) continue;
    const context = contextIn(deps.interner, part.logs, op.context);
    const { salt, value } = op;
    const { digest } = row;
    turn.mergeInto(scope, entry, { log, generation, timestamp, salt, digest, context, value });
  }
}

/** Of the row that is looked at. */
const before = new LoneRow();

/**
 * Merges what most ops are, into the records of rows: the first version of its row, or one whose writer had seen the only version
 * that there is, and all that this had seen. `false`: it is none of these. [HI6]
 */
function mergeLone(
  { interner }: TurnDeps,
  scope: StagedScope,
  { logs, digests, generation }: PreparedPart,
  log: LogNumber,
  { op, digestAt }: PreparedRow,
  entry: StagedRow,
  records: LoneRows,
): boolean {
  const { context, bytes, valueAt, valueEnd } = op;
  const isLive = valueAt > 0;
  const made = (seen?: ContextEntry): Uint8Array =>
    records.record(digestAt, bytes, PlacedOp.saltAt, bytes, valueAt, valueEnd, seen);
  if (context.length === 0) {
    if (!entry.isAbsent) return false;
    scope.putFirst(entry, made(), digests, digestAt, isLive);
    return true;
  }
  const recordBefore = context.length === 2 ? entry.readLone(before) : undefined;
  if (recordBefore === undefined) return false;
  const seen = {
    log: interner.log(logs[context[0] as number] as LogKey),
    generation: context[1] as number,
  };
  if (!before.isFollowedBy({ log, generation }, seen)) return false;
  scope.putNext(entry, made(seen), digests, digestAt, isLive, before, recordBefore);
  return true;
}

const NO_CONTEXT: Context = [];

/** A prepared context: numbers of its dictionary's logs and generations in turn. */
function contextIn(
  interner: TurnDeps["interner"],
  logs: readonly LogKey[],
  numbers: readonly number[],
): Context {
  const entry = (i: number): Context[number] => {
    const named = logs[numbers[i] as number];
    assert(named !== undefined, "a prepared context names logs of its dictionary");
    return { log: interner.log(named), generation: numbers[i + 1] as number };
  };
  if (numbers.length === 0) return NO_CONTEXT;
  // An array that grows from nothing has room for many.
  const context = [entry(0)];
  for (let i = 2; i < numbers.length; i += 2) context.push(entry(i));
  return context;
}

function recordOf(turn: Turn, part: PreparedPart): Uint8Array {
  const { header, signature, part: partHeader, partIndex, elided } = part.raw;
  const record = {
    header,
    signature,
    part: partHeader,
    partIndex,
    sequence: turn.place,
    held: part.controls.map(() => encodeHeld("control")),
    elided,
  };
  return encodeStoredCommit(
    record,
    part.rows.map(({ name }) => name),
  );
}
