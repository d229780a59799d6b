/**
 * A local batch becomes a commit: walk 1 of ARCHITECTURE.md, from ops to the store write.
 */

import {
  type Certified,
  type ControlId,
  controlIdOf,
  Tags,
  type VerifiedOp,
} from "../access/index.ts";
import {
  BATCH_OPS_MAX,
  blobRefsIn,
  type DeviceId,
  type Logger,
  type Random,
  type ScopeId,
  utf8,
} from "../base/index.ts";
import { encodeCommitHeader } from "../wire/index.ts";
import {
  type IncarnationReason,
  ownLogKey,
  type RowName,
  type StagedRow,
  stagedRow,
  type StagedScope,
  type Turn,
  type TurnDeps,
} from "../turns/index.ts";
import { mayWriteRow } from "./authority.ts";
import { isAllowed } from "./counting.ts";
import { beginIncarnation } from "./own-log.ts";
import { commitDigest, type Context, HistoryError, type Row } from "../records/index.ts";
import { COMMIT_PARTS_MAX, CONTROLS_RESERVE, HINT_BYTES_MAX, PART_REFS_MAX } from "./limits.ts";
import { CommitRoom, type PartContent, PartDraft } from "./part-draft.ts";
import { hasControlRoom } from "./recount.ts";

/** Who signs on this device. */
export interface Identity {
  readonly device: DeviceId;
  /** 32 bytes. */
  readonly deviceSeed: Uint8Array;
  /** Our user's word for this device. */
  readonly certified: Certified;
}

export interface AuthorDeps extends TurnDeps {
  readonly random: Random;
  readonly identity: Identity;
  readonly logger: Logger;
}

/** A new value for a row, or its deletion. */
export interface RowWrite {
  readonly name: RowName;
  /** CBOR, or `undefined` to delete. */
  readonly value: Uint8Array | undefined;
  /** What the writer had seen of the row, in order of log number. Default: all that is known of it here. */
  readonly context?: Context | undefined;
}

/** What a batch changes in one scope. */
export interface PartWrite {
  readonly scope: ScopeId;
  /** Each row at most once. */
  readonly rows: readonly RowWrite[];
  readonly controls?: readonly VerifiedOp[] | undefined;
}

/** One atomic batch. */
export interface Draft {
  /** Each scope at most once, all of one database: 1 to 256. */
  readonly parts: readonly PartWrite[];
  /** The application's word for the batch, offered to resolvers: 256 bytes at most. */
  readonly hint?: string | undefined;
}

/**
 * Adds the draft's commit to the turn: one generation, one timestamp, one signature, a part for each scope. Deletions of
 * what is not there are left out, and scopes that nothing is left of; a draft of nothing else makes no commit. Scopes in
 * which the device is new are told in a commit before it who it is. [HI4] [HI10]
 *
 * @throws {HistoryError} `HISTORY_UNAUTHORISED`, `HISTORY_TOO_LARGE`, `HISTORY_CONTEXT_FULL`, `HISTORY_CONTROLS_FULL`: and adds
 *   no part of the draft.
 */
export async function authorDraft(deps: AuthorDeps, turn: Turn, draft: Draft): Promise<void> {
  for (const { scope, rows } of draft.parts) {
    const names = rows.map(({ name }) => name);
    if (!turn.loadRowsNow(turn.scope(scope), names)) await turn.loadRows(turn.scope(scope), names);
  }
  const contents = contentsOf(turn, draft.parts);
  if (contents.length === 0) return;
  refuseOps(contents);
  refuseHint(draft.hint);
  refuseRefs(turn, contents);
  for (const { scope, rows } of contents) refuseUnauthorised(deps.identity, scope, rows);
  const ended = contents
    .map(({ scope }) => endOf(deps, turn, scope))
    .find((one) => one !== undefined);
  if (ended !== undefined) beginIncarnation(deps, turn, ended);
  for (const content of contents) refuseUncounted(deps, turn, content);
  const introductions = contents.flatMap((content) => {
    const { scope, controls } = content;
    const introduction = introductionOf(deps.identity, scope, controls);
    const all = introduction === undefined ? controls : [introduction, ...controls];
    if (all.length > 0) refuseFull(deps, turn, scope, all);
    if (controls.length > 0) refuseControls(deps, turn, scope, all);
    return introduction === undefined
      ? []
      : [{ scope, rows: [], staged: [], controls: [introduction], refs: 0 }];
  });
  // A commit of its own: a batch may be as large as it is allowed to be.
  if (introductions.length > 0) commitParts(deps, turn, introductions, undefined);
  commitParts(deps, turn, contents, draft.hint);
}

const NO_CONTROLS: readonly VerifiedOp[] = [];

/** What is to be written in each scope, in the order of the parts: by scope. */
function contentsOf(turn: Turn, parts: readonly PartWrite[]): PartContent[] {
  const contents: PartContent[] = [];
  for (const { scope: id, rows: written, controls = NO_CONTROLS } of parts) {
    const scope = turn.scope(id);
    const rows: RowWrite[] = [];
    const staged: StagedRow[] = [];
    let refs = 0;
    written.forEach((write) => {
      const row = stagedRow(scope, write.name);
      // Read in any case: a record that is no row's is refused before anything is added.
      const { row: before } = row;
      if (write.value === undefined && !isLive(before)) return;
      rows.push(write);
      staged.push(row);
      if (write.value !== undefined) refs += blobRefsIn(write.value).length;
    });
    if (rows.length > 0 || controls.length > 0)
      contents.push({ scope, rows, staged, controls, refs });
  }
  return contents.sort((a, b) => (a.scope.state.key < b.scope.state.key ? -1 : 1));
}

/** Adds a commit of these parts, to be signed when the turn is written or, a small one, while it is. Nothing of it is added when it is refused. [HI83] */
function commitParts(
  deps: AuthorDeps,
  turn: Turn,
  contents: readonly PartContent[],
  hint: string | undefined,
): void {
  const { crypto, identity, interner } = deps;
  const { doubt } = turn.database;
  if (doubt !== undefined) beginIncarnation(deps, turn, doubt);
  const logKey = ownLogKey(identity.device, turn.own);
  const generation = turn.own.generation + 1;
  const timestamp = turn.clock.next();
  const dot = { log: interner.log(logKey), logKey, generation, timestamp };
  const room = new CommitRoom();
  const parts = contents.map((content) => new PartDraft(deps, content, dot, room));
  const header = encodeCommitHeader({
    log: interner.logNameOf(dot.log),
    generation,
    previous: turn.own.digest,
    timestamp,
    parts: parts.map((part) => part.digest),
    hint: hint ?? "",
  });
  // Each part travels with the header: one commit is never more than a page holds.
  for (const part of parts.slice(1)) room.take(part.header.length + header.length);
  const digest = commitDigest(crypto, header);
  parts.forEach((part, index) => part.addTo(turn, index, header, digest));
  turn.own = { ...turn.own, generation, digest };
}

function isLive(row: Row): boolean {
  return row.heads.some((head) => head.value !== undefined);
}

function refuseHint(hint: string | undefined): void {
  if (hint === undefined || (hint.isWellFormed() && utf8(hint).length <= HINT_BYTES_MAX)) return;
  throw new HistoryError(
    "HISTORY_TOO_LARGE",
    `Cannot commit: a hint has at most ${HINT_BYTES_MAX} bytes of UTF-8`,
  );
}

/** @throws {HistoryError} `HISTORY_TOO_LARGE`. */
function refuseOps(contents: readonly PartContent[]): void {
  let ops = 0;
  for (const { rows, controls } of contents) ops += rows.length + controls.length;
  if (ops > BATCH_OPS_MAX) {
    throw new HistoryError(
      "HISTORY_TOO_LARGE",
      `Cannot commit: more than ${BATCH_OPS_MAX} ops in one batch`,
    );
  }
  if (contents.length <= COMMIT_PARTS_MAX) return;
  throw new HistoryError(
    "HISTORY_TOO_LARGE",
    `Cannot commit: more than ${COMMIT_PARTS_MAX} collections in one batch`,
  );
}

/** @throws {HistoryError} `HISTORY_TOO_LARGE`: the commit or its turn would name too many blobs. [HI34] */
function refuseRefs(turn: Turn, contents: readonly PartContent[]): void {
  let refs = 0;
  for (const content of contents) refs += content.refs;
  if (refs > PART_REFS_MAX) {
    throw new HistoryError(
      "HISTORY_TOO_LARGE",
      `Cannot commit: more than ${PART_REFS_MAX} BlobRefs in one batch`,
    );
  }
  turn.refuseRefs(refs);
}

function refuseUnauthorised(
  { device, certified }: Identity,
  scope: StagedScope,
  rows: readonly RowWrite[],
): void {
  const { access } = scope;
  const tags = access.tagsOfDevice(device, certified.user);
  const mayWriteAll = rows.every(({ name }) => mayWriteRow(tags, device, name.space, name.text));
  if (mayWriteAll && !access.isRevoked(device, certified.user)) return;
  throw new HistoryError(
    "HISTORY_UNAUTHORISED",
    "Cannot commit: this device's user may not write here",
  );
}

/** Why nothing that our log goes on with would count in the scope; `undefined`: it would. [HI45] */
function endOf(
  { identity, interner }: AuthorDeps,
  turn: Turn,
  { access, aside, vector }: StagedScope,
): IncarnationReason | undefined {
  const log = ownLogKey(identity.device, turn.own);
  const { generation } = turn.own;
  if (generation === 0) return undefined;
  if (access.frozenAt(log) <= generation) return "forked";
  const number = interner.log(log);
  // What follows on a part that does not count does not count either; all else does, by a grant that it names.
  const isCutOff = (aside.log(number)?.end ?? 0) > (vector.get(number) ?? 0);
  return isCutOff && access.tagsOf(identity.certified.user) !== 0 ? "grantedAgain" : undefined;
}

/** @throws {HistoryError} `HISTORY_UNAUTHORISED`: what would be written does not count, here or anywhere. */
function refuseUncounted(
  { identity }: AuthorDeps,
  turn: Turn,
  { scope: { access, control }, rows }: PartContent,
): void {
  const { device } = identity;
  // Who is new here introduces itself first; by what its user holds was asked before.
  if (access.userOf(device) === undefined && !access.isRevoked(device)) return;
  const log = ownLogKey(device, turn.own);
  const generation = turn.own.generation + 1;
  const place = { author: device, log, generation, heads: control.headsFor(device) };
  const names = rows.map(({ name }) => name);
  if (isAllowed(access, place, names)) return;
  throw new HistoryError(
    "HISTORY_UNAUTHORISED",
    "Cannot commit: this device's right to write here has ended",
  );
}

/**
 * What does not stand is never written: it would mean nothing here and be a fault at those who are sent it. `ops`: all that is
 * to be added, in order. [HI70]
 *
 * @throws {HistoryError} `HISTORY_UNAUTHORISED`.
 */
function refuseControls(
  { identity: { device } }: AuthorDeps,
  turn: Turn,
  { control }: StagedScope,
  ops: readonly VerifiedOp[],
): void {
  const log = ownLogKey(device, turn.own);
  const generation = turn.own.generation + 1;
  const trial = ops.length === 1 ? control : control.fork();
  let parents = control.headsFor(device);
  ops.forEach((op, index) => {
    const entry = { id: trialId(index), op, device, log, generation, timestamp: 0n, parents };
    const rejection = ops.length === 1 ? trial.judge(entry) : trial.add(entry);
    parents = [entry.id];
    if (rejection === undefined) return;
    throw new HistoryError(
      "HISTORY_UNAUTHORISED",
      `Cannot commit: "${op.type}" is not this device's to say (${rejection})`,
    );
  });
}

/**
 * What a control log has no room for counts nowhere, and others would wait for it. Room for revocations is kept: who had it filled by many
 * that it admitted can still end that. [HI44]
 *
 * @throws {HistoryError} `HISTORY_CONTROLS_FULL`.
 */
function refuseFull(
  { identity: { device, certified }, interner }: AuthorDeps,
  turn: Turn,
  { access, control, controlPlaces, state }: StagedScope,
  ops: readonly VerifiedOp[],
): void {
  const log = interner.knownLog(ownLogKey(device, turn.own));
  const isRevoking = ops.every(({ type }) => ENDING.has(type));
  const room = {
    size: control.size,
    ofLog: log === undefined ? 0 : controlPlaces.opsOf(log),
    count: ops.length + (isRevoking ? 0 : CONTROLS_RESERVE),
    isAdmin: certified.user === state.id.owner || access.may(device, Tags.ADMIN),
  };
  if (hasControlRoom(room)) return;
  throw new HistoryError(
    "HISTORY_CONTROLS_FULL",
    "Cannot commit: the control log has no room for what it would add",
  );
}

/** What takes rights away. */
const ENDING: ReadonlySet<VerifiedOp["type"]> = new Set([
  "revoke",
  "revokeDevice",
  "revokeOwnDevice",
  "destroy",
]);

/** A name for an op that is only tried: no digest is a number this small. */
function trialId(index: number): ControlId {
  return controlIdOf(new Uint8Array([...new Uint8Array(28), 0, 0, index >> 8, index & 0xff]));
}

/** The first op of a device in a scope says which user it acts for; `undefined` when that is known. [HI10] */
function introductionOf(
  { device, certified }: Identity,
  scope: StagedScope,
  controls: readonly VerifiedOp[],
): VerifiedOp | undefined {
  if (scope.access.userOf(device) === certified.user) return undefined;
  const [first] = controls;
  if (first?.type === "device" && first.certified.device === device) return undefined;
  return { type: "device", certificate: certified.bytes, certified };
}
