/**
 * A local batch becomes a commit: walk 1 of ARCHITECTURE.md, from ops to the store write.
 */

import {
  type Certified,
  type ControlId,
  controlIdBytes as bytesOfControlId,
  controlIdOf,
  encodeControlOp,
  type VerifiedOp,
} from "../access/index.ts";
import {
  BATCH_BYTES_MAX,
  BATCH_OPS_MAX,
  blobRefsIn,
  CONTEXT_ENTRIES_MAX,
  type DeviceId,
  type Random,
  type ScopeId,
  utf8,
} from "../base/index.ts";
import {
  CommitHeaderSchema,
  create,
  encode,
  encodeOp,
  encodeStoredCommit,
  logToWire,
  PartHeaderSchema,
  scopeToWire,
} from "../wire/index.ts";
import { mayWriteRow } from "./authority.ts";
import {
  type ControlDot,
  controlEntry,
  controlRecord,
  commitDigest,
  controlIdBytes,
  opDigest,
  opsRoot,
  partDigest,
  HistoryError,
  encodeHeld,
  type HeldOp,
  indexedContext,
  SALT_SIZE,
  type Context,
  contextOf,
  type LogNumber,
  type Row,
  type Version,
} from "../records/index.ts";
import { HINT_BYTES_MAX, PART_LOGS_MAX, PART_REFS_MAX } from "./limits.ts";
import { ownLogKey } from "./state.ts";
import type { RowName, StagedScope, Turn, TurnDeps } from "./turn.ts";

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
}

/** A new value for a row, or its deletion. */
export interface RowWrite {
  readonly name: RowName;
  /** CBOR, or `undefined` to delete. */
  readonly value: Uint8Array | undefined;
}

/** One atomic batch in one scope. */
export interface Draft {
  readonly scope: ScopeId;
  /** Each row at most once. */
  readonly rows: readonly RowWrite[];
  readonly controls?: readonly VerifiedOp[] | undefined;
  /** The application's word for the batch, offered to resolvers: 256 bytes at most. */
  readonly hint?: string | undefined;
}

interface DraftOp {
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
  readonly held: HeldOp;
}

/**
 * Adds the draft's commit to the turn: one generation, one timestamp, one signature. Deletions of what is not there are
 * left out; a draft of nothing else makes no commit. A device that is new in the scope introduces itself first.
 *
 * @throws {HistoryError} `HISTORY_UNAUTHORISED`, `HISTORY_TOO_LARGE`, `HISTORY_CONTEXT_FULL`: and adds
 *   no part of the draft.
 */
export async function authorDraft(deps: AuthorDeps, turn: Turn, draft: Draft): Promise<void> {
  const scope = turn.scope(draft.scope);
  await turn.loadRows(
    scope,
    draft.rows.map((row) => row.name),
  );
  const rows = draft.rows.filter(
    ({ name, value }) => value !== undefined || isLive(turn.row(scope, name)),
  );
  const { controls = [] } = draft;
  if (rows.length === 0 && controls.length === 0) return;
  if (rows.length + controls.length > BATCH_OPS_MAX) {
    throw new HistoryError(
      "HISTORY_TOO_LARGE",
      `Cannot commit: more than ${BATCH_OPS_MAX} ops in one batch`,
    );
  }
  refuseHint(draft.hint);
  refuseRefs(turn, rows);
  refuseUnauthorised(deps.identity, scope, rows);
  const introduction = introductionOf(deps.identity, scope);
  // A commit of its own: a batch may be as large as it is allowed to be.
  if (introduction !== undefined) {
    await new PartDraft(deps, turn, scope, [], [introduction]).commit(undefined);
  }
  await new PartDraft(deps, turn, scope, rows, controls).commit(draft.hint);
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

/** @throws {HistoryError} `HISTORY_TOO_LARGE`: the part or its turn would name too many blobs. [HI34] */
function refuseRefs(turn: Turn, rows: readonly RowWrite[]): void {
  let refs = 0;
  for (const { value } of rows) if (value !== undefined) refs += blobRefsIn(value).length;
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
  const tags = scope.access.tagsOf(certified.user);
  if (rows.every(({ name }) => mayWriteRow(tags, device, name.space, name.text))) return;
  throw new HistoryError(
    "HISTORY_UNAUTHORISED",
    "Cannot commit: this device's user may not write here",
  );
}

/** The first op of a device in a scope says which user it acts for; `undefined` when that is known. [HI10] */
function introductionOf(
  { device, certified }: Identity,
  scope: StagedScope,
): VerifiedOp | undefined {
  if (scope.access.userOf(device) === certified.user) return undefined;
  return { type: "device", certificate: certified.bytes, certified };
}

/** A part in the making. */
class PartDraft {
  readonly #deps: AuthorDeps;
  readonly #turn: Turn;
  readonly #scope: StagedScope;
  readonly #rows: readonly RowWrite[];
  readonly #controls: readonly VerifiedOp[];
  readonly #salts: Uint8Array;
  readonly #dictionary = new Map<LogNumber, number>();
  #saltsUsed = 0;

  constructor(
    deps: AuthorDeps,
    turn: Turn,
    scope: StagedScope,
    rows: readonly RowWrite[],
    controls: readonly VerifiedOp[],
  ) {
    this.#deps = deps;
    this.#turn = turn;
    this.#scope = scope;
    this.#rows = rows;
    this.#controls = controls;
    this.#salts = deps.random.bytes(SALT_SIZE * (1 + rows.length + controls.length));
  }

  async commit(hint: string | undefined): Promise<void> {
    const { crypto, identity, interner } = this.#deps;
    const { database } = this.#turn;
    const log = ownLogKey(identity.device, this.#turn.own);
    const logNumber = interner.log(log);
    const generation = this.#turn.own.generation + 1;
    const timestamp = database.clock.next();
    const heads = this.#scope.control.headsFor(identity.device);

    const versions: Version[] = [];
    const ops = [
      ...this.#controlOps(),
      ...this.#rowOps(logNumber, generation, timestamp, versions),
    ];
    const partHeader = this.#partHeader(this.#scope.vector.get(logNumber) ?? 0, heads, ops.length);
    const digests = ops.map((op) => op.digest);
    const part = partDigest(crypto, partHeader, opsRoot(crypto, ops.length, digests));
    const header = encode(
      CommitHeaderSchema,
      create(CommitHeaderSchema, {
        log: logToWire(log),
        generation: BigInt(generation),
        previous: this.#turn.own.digest ?? new Uint8Array(),
        timestamp,
        parts: [part],
        hint: hint ?? "",
      }),
    );
    const digest = commitDigest(crypto, header);
    const signature = await crypto.sign(identity.deviceSeed, digest);

    const dot = { log: logNumber, logKey: log, generation, timestamp };
    this.#addControls(part, heads, dot, ops);
    this.#rows.forEach(({ name }, i) => {
      this.#turn.merge(this.#scope, name, versions[i] as Version);
    });
    const held = ops.map((op) => encodeHeld(op.held));
    const record = {
      header,
      signature,
      part: partHeader,
      partIndex: 0,
      sequence: this.#turn.place,
      held,
      elided: [],
    };
    this.#turn.addPart(this.#scope, logNumber, generation, encodeStoredCommit(record));
    this.#turn.raise(this.#scope, log, generation);
    this.#turn.own = { ...this.#turn.own, generation, digest };
  }

  #salt(): Uint8Array {
    const at = SALT_SIZE * this.#saltsUsed;
    this.#saltsUsed += 1;
    return this.#salts.subarray(at, at + SALT_SIZE);
  }

  #controlOps(): DraftOp[] {
    return this.#controls.map((op) => {
      const bytes = encodeOp({
        salt: this.#salt(),
        space: 0,
        key: NOTHING,
        value: undefined,
        context: [],
        control: encodeControlOp(op),
      });
      return { bytes, digest: opDigest(this.#deps.crypto, bytes), held: "control" };
    });
  }

  #rowOps(log: LogNumber, generation: number, timestamp: bigint, versions: Version[]): DraftOp[] {
    let size = 0;
    return this.#rows.map(({ name, value }) => {
      const context = contextOf(this.#turn.row(this.#scope, name));
      if (context.length > CONTEXT_ENTRIES_MAX) {
        throw new HistoryError(
          "HISTORY_CONTEXT_FULL",
          `Cannot commit: over ${CONTEXT_ENTRIES_MAX} logs have written one row`,
        );
      }
      const salt = this.#salt();
      const { space, key } = name;
      const bytes = encodeOp({
        salt,
        space,
        key,
        value,
        context: this.#indexed(context),
        control: undefined,
      });
      size += bytes.length;
      if (size > BATCH_BYTES_MAX) {
        throw new HistoryError(
          "HISTORY_TOO_LARGE",
          `Cannot commit: more than ${BATCH_BYTES_MAX} bytes in one batch`,
        );
      }
      const digest = opDigest(this.#deps.crypto, bytes);
      versions.push({ log, generation, timestamp, salt, digest, context, value });
      return { bytes, digest, held: { space, key } };
    });
  }

  /** A context as the op names it: pairs by ascending index into the part's dictionary, flat. */
  #indexed(context: Context): number[] {
    for (const { log } of context) {
      if (this.#dictionary.has(log)) continue;
      if (this.#dictionary.size === PART_LOGS_MAX) {
        throw new HistoryError(
          "HISTORY_TOO_LARGE",
          `Cannot commit: its rows were written by over ${PART_LOGS_MAX} logs`,
        );
      }
      this.#dictionary.set(log, this.#dictionary.size);
    }
    return indexedContext(context, this.#dictionary);
  }

  #partHeader(
    previousGeneration: number,
    heads: readonly ControlId[],
    opCount: number,
  ): Uint8Array {
    const { interner } = this.#deps;
    return encode(
      PartHeaderSchema,
      create(PartHeaderSchema, {
        salt: this.#salt(),
        scope: scopeToWire(this.#scope.state.id),
        previousGeneration: BigInt(previousGeneration),
        controlHeads: heads.map(bytesOfControlId),
        logs: Array.from(this.#dictionary.keys(), (log) => logToWire(interner.logOf(log))),
        opCount,
      }),
    );
  }

  #addControls(
    part: Uint8Array,
    heads: readonly ControlId[],
    dot: ControlDot,
    ops: readonly DraftOp[],
  ): void {
    let parents = heads;
    this.#controls.forEach((op, index) => {
      const idBytes = controlIdBytes(this.#deps.crypto, part, index);
      const bytes = (ops[index] as DraftOp).bytes;
      const entry = controlEntry(
        controlIdOf(idBytes),
        op,
        this.#deps.identity.device,
        dot,
        parents,
      );
      this.#turn.addControl(
        this.#scope,
        idBytes,
        entry,
        controlRecord(entry, dot.log, index, bytes),
      );
      parents = [entry.id];
    });
  }
}

const NOTHING = new Uint8Array();
