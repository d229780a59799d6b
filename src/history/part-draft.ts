/** One scope's part of a commit in the making: its ops, its digest, and what it changes. */

import {
  type ControlId,
  controlIdBytes as bytesOfControlId,
  controlIdOf,
  encodeControlOp,
  type VerifiedOp,
} from "../access/index.ts";
import { BATCH_BYTES_MAX, CONTEXT_ENTRIES_MAX } from "../base/index.ts";
import { encodeOp, encodePartHeader, encodeScopeId, encodeStoredCommit } from "../wire/index.ts";
import {
  type ControlDot,
  controlEntry,
  controlRecord,
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
  type Version,
} from "../records/index.ts";
import type { StagedScope, Turn } from "../turns/index.ts";
import type { AuthorDeps, RowWrite } from "./author.ts";
import { PART_LOGS_MAX } from "./limits.ts";

interface DraftOp {
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
  readonly held: HeldOp;
}

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
  readonly controls: readonly VerifiedOp[];
}

/** A part whose ops are encoded and hashed. Nothing of it is in the turn yet. */
export class PartDraft {
  readonly content: PartContent;
  readonly digest: Uint8Array;
  readonly header: Uint8Array;
  readonly #deps: AuthorDeps;
  readonly #dot: ControlDot;
  readonly #heads: readonly ControlId[];
  readonly #ops: readonly DraftOp[];
  readonly #versions: readonly Version[];

  /** @throws {HistoryError} `HISTORY_TOO_LARGE`, `HISTORY_CONTEXT_FULL`. */
  constructor(
    deps: AuthorDeps,
    turn: Turn,
    content: PartContent,
    dot: ControlDot,
    room: CommitRoom,
  ) {
    const { crypto, identity } = deps;
    this.content = content;
    this.#deps = deps;
    this.#dot = dot;
    this.#heads = content.scope.control.headsFor(identity.device);
    const encoder = new OpEncoder(deps, turn, content, dot);
    this.#ops = encoder.ops(room);
    this.#versions = encoder.versions;
    this.header = encoder.header(this.#heads, this.#ops.length);
    const digests = this.#ops.map((op) => op.digest);
    this.digest = partDigest(crypto, this.header, opsRoot(crypto, this.#ops.length, digests));
  }

  /** Adds it to the turn as part `index` of its signed commit. */
  addTo(turn: Turn, index: number, header: Uint8Array, signature: Uint8Array): void {
    const { scope, rows } = this.content;
    const { log, logKey, generation } = this.#dot;
    this.#addControls(turn);
    rows.forEach(({ name }, i) => turn.merge(scope, name, this.#versions[i] as Version));
    const record = {
      header,
      signature,
      part: this.header,
      partIndex: index,
      sequence: turn.place,
      held: this.#ops.map((op) => encodeHeld(op.held)),
      elided: [],
    };
    turn.addPart(scope, log, generation, encodeStoredCommit(record));
    turn.raise(scope, logKey, generation);
  }

  #addControls(turn: Turn): void {
    const { scope, controls } = this.content;
    let parents = this.#heads;
    controls.forEach((op, index) => {
      const { crypto, identity } = this.#deps;
      const idBytes = controlIdBytes(crypto, this.digest, index);
      const entry = controlEntry(controlIdOf(idBytes), op, identity.device, this.#dot, parents);
      const { bytes } = this.#ops[index] as DraftOp;
      turn.addControl(scope, idBytes, entry, controlRecord(entry, this.#dot.log, index, bytes));
      parents = [entry.id];
    });
  }
}

/** Ops of one part, which share a dictionary of logs. */
class OpEncoder {
  readonly versions: Version[] = [];
  readonly #deps: AuthorDeps;
  readonly #turn: Turn;
  readonly #content: PartContent;
  readonly #dot: ControlDot;
  readonly #salts: Uint8Array;
  readonly #dictionary = new Map<LogNumber, number>();
  #saltsUsed = 0;

  constructor(deps: AuthorDeps, turn: Turn, content: PartContent, dot: ControlDot) {
    this.#deps = deps;
    this.#turn = turn;
    this.#content = content;
    this.#dot = dot;
    const { rows, controls } = content;
    this.#salts = deps.random.bytes(SALT_SIZE * (1 + rows.length + controls.length));
  }

  ops(room: CommitRoom): DraftOp[] {
    const { controls, rows } = this.#content;
    const ops = controls.map((op) => this.#controlOp(op));
    for (const row of rows) {
      const op = this.#rowOp(row);
      room.take(op.bytes.length);
      ops.push(op);
    }
    return ops;
  }

  header(heads: readonly ControlId[], opCount: number): Uint8Array {
    const { interner } = this.#deps;
    const { scope, controls } = this.#content;
    return encodePartHeader({
      salt: this.#salt(),
      scope: encodeScopeId(scope.state.id),
      previousGeneration: scope.vector.get(this.#dot.log) ?? 0,
      controlHeads: heads.map(bytesOfControlId),
      logs: Array.from(this.#dictionary.keys(), (log) => interner.logNameOf(log)),
      opCount,
      controlCount: controls.length,
    });
  }

  #salt(): Uint8Array {
    const at = SALT_SIZE * this.#saltsUsed;
    this.#saltsUsed += 1;
    return this.#salts.subarray(at, at + SALT_SIZE);
  }

  #controlOp(op: VerifiedOp): DraftOp {
    const bytes = encodeOp({
      salt: this.#salt(),
      space: 0,
      key: NOTHING,
      value: undefined,
      context: [],
      control: encodeControlOp(op),
    });
    return { bytes, digest: opDigest(this.#deps.crypto, bytes), held: "control" };
  }

  #rowOp(row: RowWrite): DraftOp {
    const { name, value } = row;
    const context = row.context ?? contextOf(this.#turn.row(this.#content.scope, name));
    if (context.length > CONTEXT_ENTRIES_MAX) {
      throw new HistoryError(
        "HISTORY_CONTEXT_FULL",
        `Cannot commit: over ${CONTEXT_ENTRIES_MAX} logs have written one row`,
      );
    }
    const salt = this.#salt();
    const { space, key } = name;
    const indexed = this.#indexed(context);
    const bytes = encodeOp({ salt, space, key, value, context: indexed, control: undefined });
    const { log, generation, timestamp } = this.#dot;
    const digest = opDigest(this.#deps.crypto, bytes);
    this.versions.push({ log, generation, timestamp, salt, digest, context, value });
    return { bytes, digest, held: { space, key } };
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
}

const NOTHING = new Uint8Array();
