/**
 * Putting back what is known here and is not: rows that a relay left out, or that a store lost. Only what head sums have
 * shown to be missing is looked for, so this need not be quick. [HI51]
 */

import { codeOf, deviceKeyOf, equalBytes, type Logger, Sum256 } from "../base/index.ts";
import {
  commitDigest,
  commitKey,
  commitRange,
  decodeRow,
  decodeScopeRecord,
  encodeHeld,
  type LogNumber,
  oldKey,
  opDigest,
  readRecord,
  restoredPart,
  rowRange,
  scopeStateKey,
  seenIn,
  type Version,
} from "../records/index.ts";
import {
  CommitHeaderSchema,
  decode,
  decodeStoredCommit,
  encodeStoredCommit,
  PartHeaderSchema,
} from "../wire/index.ts";
import type { ScopeState, StagedScope, Turn, TurnDeps } from "../turns/index.ts";
import { ROW_SPACE } from "./authority.ts";
import { isCounted, isSeen } from "./counting.ts";
import type { PreparedPart, PreparedRow } from "./prepare.ts";

type StoredRecord = ReturnType<typeof decodeStoredCommit>;

type Alone = (task: (turn: Turn) => Promise<void>) => Promise<void>;

/**
 * Puts back what known parts hold and this store does not, each part in a write of its own that `alone` runs, or in several where its rows
 * as they are come to more than a turn may read. Answers how many rows' versions that were.
 */
export async function restoreParts(
  deps: TurnDeps,
  parts: readonly PreparedPart[],
  alone: Alone,
): Promise<number> {
  let restored = 0;
  // From the last on: what is lacking has to be what those after it follow on.
  for (const part of parts.toReversed())
    restored += await restoreRows(deps, part, 0, part.rows.length, alone);
  return restored;
}

/** Of a part, the rows from one place up to another. */
async function restoreRows(
  deps: TurnDeps,
  part: PreparedPart,
  from: number,
  to: number,
  alone: Alone,
): Promise<number> {
  let restored = 0;
  try {
    await alone(async (turn) => {
      restored = await restorePart(deps, turn, part, from, to);
    });
    return restored;
  } catch (error) {
    if (codeOf(error) !== "HISTORY_TOO_LARGE") throw error;
  }
  // A row that is too large by itself is let be, so that all others come back.
  if (to - from <= 1) return 0;
  const middle = (from + to) >> 1;
  const first = await restoreRows(deps, part, from, middle, alone);
  return first + (await restoreRows(deps, part, middle, to, alone));
}

async function restorePart(
  deps: TurnDeps,
  turn: Turn,
  part: PreparedPart,
  from: number,
  to: number,
): Promise<number> {
  const scope = turn.scope(part.scope);
  if (part.generation > scope.state.generationIn(scope.vector, part.log)) return 0;
  // Of a copy that lacked ops nobody has seen whether they were allowed.
  if (!isCounted(scope, part) || !isSeen(deps, part, scope)) return 0;
  const log = deps.interner.log(part.log);
  const record = await heldRecord(deps, scope, log, part);
  if (record === "other") return 0;
  const rows = part.rows.slice(from, to);
  await turn.loadRows(
    scope,
    rows.map(({ name }) => name),
  );
  const [missing, here] = [new Set<number>(), new Set<number>()];
  for (const [i, row] of rows.entries()) {
    const state = await stateOf(deps, turn, scope, log, part.generation, row);
    if (state !== "seen") (state === "missing" ? missing : here).add(from + i);
  }
  if (missing.size === 0 && record !== undefined) return 0;
  turn.refuseRefs(part.refs);
  for (const at of missing)
    turn.merge(scope, (part.rows[at] as PreparedRow).name, versionOf(deps, part, log, at));
  const held = new Set([...missing, ...here]);
  turn.addPart(scope, log, part.generation, recordWith(deps, turn, record, part, held));
  return missing.size;
}

/** What is held of the commit; `undefined`: nothing, and it belongs there; `other`: it is another commit, or nobody's. */
async function heldRecord(
  deps: TurnDeps,
  scope: StagedScope,
  log: LogNumber,
  part: PreparedPart,
): Promise<StoredRecord | undefined | "other"> {
  const { store, crypto } = deps;
  const bytes = await store.get(commitKey(scope.state.number, log, part.generation));
  if (bytes === undefined) {
    if (!(await isFollowed(deps, scope, log, part))) return "other";
    const { author, digest: message, raw } = part;
    const check = { publicKey: deviceKeyOf(author), message, signature: raw.signature };
    const [isSigned] = await crypto.verify([check]);
    return isSigned === true ? undefined : "other";
  }
  const record = readRecord("commit", bytes, decodeStoredCommit);
  const isSame =
    record.partIndex === part.raw.partIndex &&
    equalBytes(commitDigest(crypto, record.header), part.digest);
  return isSame ? record : "other";
}

/**
 * Whether the next part that is held of the log names this one as the one before it, or this is the last that is known. Else there was
 * nothing in its place, and its author shows us another branch, whether or not that can be proven.
 */
async function isFollowed(
  { store }: TurnDeps,
  scope: StagedScope,
  log: LogNumber,
  { log: name, generation, digest }: PreparedPart,
): Promise<boolean> {
  const after = commitRange(scope.state.number, log, generation);
  for await (const { value } of store.scan(after, { limit: 1 })) {
    const record = readRecord("commit", value, decodeStoredCommit);
    const next = decode(CommitHeaderSchema, record.header);
    const { previousGeneration } = decode(PartHeaderSchema, record.part);
    if (Number(previousGeneration) !== generation) return false;
    return Number(next.generation) > generation + 1 || equalBytes(next.previous, digest);
  }
  return generation === scope.state.generationIn(scope.vector, name);
}

/** `here`: a version is a head, or kept beside its row; `seen`: what is held has seen past it. */
async function stateOf(
  { store }: TurnDeps,
  turn: Turn,
  scope: StagedScope,
  log: LogNumber,
  generation: number,
  { name }: PreparedRow,
): Promise<"here" | "seen" | "missing"> {
  const { heads, seen } = turn.row(scope, name);
  if (heads.some((head) => head.log === log && head.generation === generation)) return "here";
  const place = oldKey(scope.state.number, name.space, name.key, log, generation);
  if ((await store.get(place)) !== undefined) return "here";
  return seenIn(seen, log) >= generation ? "seen" : "missing";
}

function versionOf(
  { interner }: TurnDeps,
  part: PreparedPart,
  log: LogNumber,
  at: number,
): Version {
  const { salt, digest, value, context: pairs } = part.rows[at] as PreparedRow;
  const context = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const named = part.logs[pairs[i] as number];
    if (named !== undefined)
      context.push({ log: interner.log(named), generation: pairs[i + 1] as number });
  }
  const { generation, timestamp } = part;
  return { log, generation, timestamp, salt, digest, context, value };
}

/** The part's record with these of its rows, beside what was held of it before. */
function recordWith(
  { crypto }: TurnDeps,
  turn: Turn,
  record: StoredRecord | undefined,
  { raw, controls, rows }: PreparedPart,
  held: ReadonlySet<number>,
): Uint8Array {
  const { header, signature, part, partIndex } = raw;
  const theirs = [
    ...controls.map(() => encodeHeld("control")),
    ...rows.map(({ name }) => encodeHeld({ space: name.space, key: name.key })),
  ];
  const digests = [
    ...controls.map(({ bytes }) => opDigest(crypto, bytes)),
    ...rows.map(({ digest }) => digest),
  ];
  const { ops, elided } = restoredPart(
    crypto,
    decode(PartHeaderSchema, part).opCount,
    { ops: record?.held ?? [], elided: record?.elided ?? [] },
    { ops: theirs, elided: raw.elided, digests },
    (at) => at < controls.length || held.has(at - controls.length),
  );
  const sequence = record?.sequence ?? turn.place;
  return encodeStoredCommit({ header, signature, part, partIndex, sequence, held: ops, elided });
}

/** Sets a scope's head sum to that of its rows, where it is another, in a turn that `alone` runs. */
export async function mendSum(
  deps: TurnDeps & { readonly logger: Logger },
  known: ScopeState,
  alone: Alone,
): Promise<void> {
  const { id } = known;
  const fault = await sumFault(deps, known);
  if (fault === undefined) return;
  deps.logger("error", "history.sum.mended", { database: id.database, kind: id.kind });
  await alone(async (turn) => {
    const scope = turn.scope(id);
    scope.sum.add(fault.toBytes());
    scope.changed = true;
  });
}

/** By how much a scope's head sum is not that of its rows; `undefined`: it is. Reads all of them, as they were at one moment. */
async function sumFault({ store }: TurnDeps, scope: ScopeState): Promise<Sum256 | undefined> {
  const snapshot = store.snapshot();
  try {
    const bytes = await store.get(scopeStateKey(scope.number), { snapshot });
    if (bytes === undefined) return undefined;
    const fault = Sum256.zero();
    for (const space of [ROW_SPACE.rows, ROW_SPACE.members, ROW_SPACE.holders]) {
      for await (const { value } of store.scan(rowRange(scope.number, space), { snapshot })) {
        for (const head of readRecord("row", value, decodeRow).heads)
          if (head.value !== undefined) fault.add(head.digest);
      }
    }
    fault.subtract(readRecord("scope", bytes, decodeScopeRecord).sum.toBytes());
    return fault.toBytes().every((byte) => byte === 0) ? undefined : fault;
  } finally {
    await snapshot.close();
  }
}
