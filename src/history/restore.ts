/**
 * Putting back what is known here and is not: rows that a relay left out, or that a store lost. Only what head sums have
 * shown to be missing is looked for, so this need not be quick. [HI51]
 */

import { deviceKeyOf, equalBytes, type Logger, Sum256 } from "../base/index.ts";
import {
  commitDigest,
  commitKey,
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
import { decode, decodeStoredCommit, encodeStoredCommit, PartHeaderSchema } from "../wire/index.ts";
import type { ScopeState, StagedScope, Turn, TurnDeps } from "../turns/index.ts";
import { ROW_SPACE } from "./authority.ts";
import type { PreparedPart, PreparedRow } from "./prepare.ts";

type StoredRecord = ReturnType<typeof decodeStoredCommit>;

/** Adds to the turn what known parts hold and this store does not. Answers how many rows' versions that were. */
export async function restoreParts(
  deps: TurnDeps,
  turn: Turn,
  parts: readonly PreparedPart[],
): Promise<number> {
  let restored = 0;
  for (const part of parts) {
    const scope = turn.scope(part.scope);
    if (part.generation > scope.state.generationIn(scope.vector, part.log)) continue;
    const log = deps.interner.log(part.log);
    const record = await heldRecord(deps, scope, log, part);
    if (record === "other") continue;
    await turn.loadRows(
      scope,
      part.rows.map(({ name }) => name),
    );
    const missing = new Set<number>();
    for (const [at, row] of part.rows.entries())
      if (await isMissing(deps, turn, scope, log, part.generation, row)) missing.add(at);
    if (missing.size === 0) continue;
    turn.refuseRefs(part.refs);
    for (const at of missing)
      turn.merge(scope, (part.rows[at] as PreparedRow).name, versionOf(deps, part, log, at));
    turn.addPart(scope, log, part.generation, recordWith(deps, turn, record, part, missing));
    restored += missing.size;
  }
  return restored;
}

/** What is held of the commit; `undefined`: nothing; `other`: it is another commit, or nobody's. */
async function heldRecord(
  { store, crypto }: TurnDeps,
  scope: StagedScope,
  log: LogNumber,
  part: PreparedPart,
): Promise<StoredRecord | undefined | "other"> {
  const bytes = await store.get(commitKey(scope.state.number, log, part.generation));
  if (bytes === undefined) {
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

/** Whether a version is neither a head nor kept beside its row, and nothing that is held has seen past it. */
async function isMissing(
  { store }: TurnDeps,
  turn: Turn,
  scope: StagedScope,
  log: LogNumber,
  generation: number,
  { name }: PreparedRow,
): Promise<boolean> {
  const { heads, seen } = turn.row(scope, name);
  if (heads.some((head) => head.log === log && head.generation === generation)) return false;
  if (seenIn(seen, log) >= generation) return false;
  const place = oldKey(scope.state.number, name.space, name.key, log, generation);
  return (await store.get(place)) === undefined;
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

function recordWith(
  { crypto }: TurnDeps,
  turn: Turn,
  record: StoredRecord | undefined,
  part: PreparedPart,
  missing: ReadonlySet<number>,
): Uint8Array {
  const { raw, controls, rows } = part;
  const { header, signature, partIndex } = raw;
  const theirs = [
    ...controls.map(() => encodeHeld("control")),
    ...rows.map(({ name }) => encodeHeld({ space: name.space, key: name.key })),
  ];
  const base = { header, signature, part: raw.part, partIndex };
  if (record === undefined)
    return encodeStoredCommit({
      ...base,
      sequence: turn.place,
      held: theirs,
      elided: raw.elided,
    });
  const { ops, elided } = restoredPart(
    crypto,
    decode(PartHeaderSchema, raw.part).opCount,
    { ops: record.held, elided: record.elided },
    {
      ops: theirs,
      elided: raw.elided,
      digests: [
        ...controls.map(({ bytes }) => opDigest(crypto, bytes)),
        ...rows.map(({ digest }) => digest),
      ],
    },
    (at) => missing.has(at - controls.length),
  );
  return encodeStoredCommit({ ...base, sequence: record.sequence, held: ops, elided });
}

/** Sets a scope's head sum to that of its rows, where it is another, in a turn that `alone` runs. */
export async function mendSum(
  deps: TurnDeps & { readonly logger: Logger },
  known: ScopeState,
  alone: (task: (turn: Turn) => Promise<void>) => Promise<void>,
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
