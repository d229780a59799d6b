/** One scope's part of a commit in the making: its ops, its digest, and what it changes. */

import {
  type ControlId,
  controlIdBytes as bytesOfControlId,
  controlIdOf,
  encodeControlOp,
  type VerifiedOp,
} from "../access/index.ts";
import { BATCH_BYTES_MAX, CONTEXT_ENTRIES_MAX, remembered } from "../base/index.ts";
import {
  encodeOp,
  encodePartHeader,
  encodeScopeId,
  encodeStoredCommit,
  opSize,
} from "../wire/index.ts";
import {
  type ControlDot,
  controlEntry,
  controlRecord,
  controlIdBytes,
  DIGEST_SIZE,
  digestOfOpInto,
  LoneRows,
  opDigestInto,
  opsRoot,
  partDigest,
  ROW_SPACE,
  HistoryError,
  encodeHeld,
  indexedContext,
  NO_SIGNATURE,
  SALT_SIZE,
  type Context,
  contextOf,
  type LogNumber,
  type Version,
} from "../records/index.ts";
import type { StagedRow, StagedScope, Turn } from "../turns/index.ts";
import type { AuthorDeps, RowWrite } from "./author.ts";
import { HEADS_REMEMBERED_MAX, PART_LOGS_MAX } from "./limits.ts";

/** The bytes of control heads: a scope's commits name the same again and again. */
const headBytes = remembered(HEADS_REMEMBERED_MAX, bytesOfControlId);

/** The bytes that a commit may still come to. */
export class CommitRoom {
  #left = BATCH_BYTES_MAX;

  /** @throws {HistoryError} `HISTORY_TOO_LARGE`. */
  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left >= 0) return;
    throw new HistoryError(
      "HISTORY_TOO_LARGE",
      `Cannot commit: more than ${BATCH_BYTES_MAX} bytes in one batch`,
    );
  }
}

/** What one part is made of. */
export interface PartContent {
  readonly scope: StagedScope;
  readonly rows: readonly RowWrite[];
  /** The rows as the turn has them, one each. */
  readonly staged: readonly StagedRow[];
  readonly controls: readonly VerifiedOp[];
  /** BlobRefs in the rows' values. */
  readonly refs: number;
}

/** A part whose ops are encoded and hashed. Nothing of it is in the turn yet. */
export class PartDraft {
  readonly content: PartContent;
  readonly digest: Uint8Array;
  readonly header: Uint8Array;
  readonly #deps: AuthorDeps;
  readonly #dot: ControlDot;
  readonly #heads: readonly ControlId[];
  readonly #encoder: OpEncoder;

  /** @throws {HistoryError} `HISTORY_TOO_LARGE`, `HISTORY_CONTEXT_FULL`. */
  constructor(deps: AuthorDeps, content: PartContent, dot: ControlDot, room: CommitRoom) {
    const { crypto, identity } = deps;
    this.content = content;
    this.#deps = deps;
    this.#dot = dot;
    this.#heads = content.scope.control.headsFor(identity.device);
    const encoder = new OpEncoder(deps, content, dot, room);
    this.#encoder = encoder;
    this.header = encoder.header(this.#heads);
    const { count, digests } = encoder;
    this.digest = partDigest(crypto, this.header, opsRoot(crypto, count, digests));
  }

  /** Adds it to the turn as part `index` of its commit, which is not signed yet. */
  addTo(turn: Turn, index: number, header: Uint8Array, digest: Uint8Array): void {
    const { scope, rows } = this.content;
    const { controls } = this.#encoder;
    const { log, logKey, generation } = this.#dot;
    this.#addControls(turn);
    this.#addRows(turn);
    const record = {
      header,
      signature: NO_SIGNATURE,
      part: this.header,
      partIndex: index,
      sequence: turn.place,
      held: controls.map(() => encodeHeld("control")),
      elided: [],
    };
    const names = rows.map(({ name }) => name);
    const bytes = encodeStoredCommit(record, names);
    turn.addPart(scope, log, generation, bytes);
    turn.late.add({ scope: scope.state.number, log, generation }, digest, header, bytes);
    turn.raise(scope, logKey, generation);
  }

  #addRows(turn: Turn): void {
    const { scope, rows, staged, controls } = this.content;
    const { digests, salts, versions } = this.#encoder;
    const records = new LoneRows(this.#dot, digests);
    staged.forEach((row, i) => {
      const version = versions[i];
      if (version !== undefined) return turn.mergeInto(scope, row, version);
      const place = controls.length + i;
      const digestAt = DIGEST_SIZE * place;
      const { value = NOTHING } = rows[i] as RowWrite;
      const record = records.record(digestAt, salts, SALT_SIZE * place, value, 0, value.length);
      scope.putFirst(row, record, digests, digestAt, value.length > 0);
    });
  }

  #addControls(turn: Turn): void {
    const { scope, controls } = this.content;
    let parents = this.#heads;
    controls.forEach((op, index) => {
      const { crypto, identity } = this.#deps;
      const idBytes = controlIdBytes(crypto, this.digest, index);
      const entry = controlEntry(controlIdOf(idBytes), op, identity.device, this.#dot, parents);
      const bytes = this.#encoder.controls[index] as Uint8Array;
      turn.addControl(scope, idBytes, entry, controlRecord(entry, this.#dot.log, index, bytes));
      parents = [entry.id];
    });
  }
}

/** Ops of one part, which share a dictionary of logs: control ops, then rows. */
class OpEncoder {
  readonly count: number;
  /** Digests and salts of all ops, one after another; the part's own salt is the last. */
  readonly digests: Uint8Array;
  readonly salts: Uint8Array;
  /** The bytes of the control ops. Those of the others are put together again from their rows. */
  readonly controls: readonly Uint8Array[];
  /** What the row ops make; `undefined`: the first version of its row, of which no object is needed. */
  readonly versions: readonly (Version | undefined)[];
  readonly #deps: AuthorDeps;
  readonly #content: PartContent;
  readonly #dot: ControlDot;
  readonly #dictionary = new Map<LogNumber, number>();

  constructor(deps: AuthorDeps, content: PartContent, dot: ControlDot, room: CommitRoom) {
    this.#deps = deps;
    this.#content = content;
    this.#dot = dot;
    const { rows, staged, controls } = content;
    this.count = controls.length + rows.length;
    this.salts = deps.random.bytes(SALT_SIZE * (1 + this.count));
    this.digests = new Uint8Array(DIGEST_SIZE * this.count);
    this.controls = controls.map((op, place) => this.#controlOp(op, place));
    this.versions = rows.map((row, i) =>
      this.#rowOp(row, staged[i] as StagedRow, controls.length + i, room),
    );
  }

  header(heads: readonly ControlId[]): Uint8Array {
    const { interner } = this.#deps;
    const { scope, controls } = this.#content;
    return encodePartHeader({
      salt: this.#salt(this.count),
      scope: encodeScopeId(scope.state.id),
      previousGeneration: scope.vector.get(this.#dot.log) ?? 0,
      controlHeads: heads.map(headBytes),
      logs: Array.from(this.#dictionary.keys(), (log) => interner.logNameOf(log)),
      opCount: this.count,
      controlCount: controls.length,
    });
  }

  #salt(place: number): Uint8Array {
    return this.salts.subarray(SALT_SIZE * place, SALT_SIZE * (place + 1));
  }

  #controlOp(op: VerifiedOp, place: number): Uint8Array {
    const bytes = encodeOp({
      salt: this.#salt(place),
      space: 0,
      key: NOTHING,
      value: undefined,
      context: [],
      control: encodeControlOp(op),
    });
    opDigestInto(this.#deps.crypto, bytes, this.digests, DIGEST_SIZE * place);
    return bytes;
  }

  /** `undefined`: as in `versions`. */
  #rowOp(
    { name, value, context: given }: RowWrite,
    staged: StagedRow,
    place: number,
    room: CommitRoom,
  ): Version | undefined {
    const context = given ?? contextOf(staged.row);
    if (context.length > CONTEXT_ENTRIES_MAX) {
      throw new HistoryError(
        "HISTORY_CONTEXT_FULL",
        `Cannot commit: over ${CONTEXT_ENTRIES_MAX} logs have written one row`,
      );
    }
    const salt = this.#salt(place);
    const { space, key } = name;
    const indexed = this.#indexed(context);
    const op = { salt, space, key, value, context: indexed, control: undefined };
    const size = opSize(op);
    room.take(size);
    const at = DIGEST_SIZE * place;
    digestOfOpInto(this.#deps.crypto, op, size, this.digests, at);
    const isFirst = staged.isAbsent && context.length === 0 && this.#content.refs === 0;
    if (isFirst && space === ROW_SPACE.rows) return undefined;
    const { log, generation, timestamp } = this.#dot;
    const digest = this.digests.subarray(at, at + DIGEST_SIZE);
    return { log, generation, timestamp, salt, digest, context, value };
  }

  /** A context as the op names it: pairs by ascending index into the part's dictionary, flat. */
  #indexed(context: Context): readonly number[] {
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
}

const NOTHING = new Uint8Array();
