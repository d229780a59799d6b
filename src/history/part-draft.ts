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
  opDigest,
  opsRoot,
  partDigest,
  HistoryError,
  encodeHeld,
  digestOfOp,
  indexedContext,
  NO_SIGNATURE,
  SALT_SIZE,
  type Context,
  contextOf,
  type LogNumber,
  type Row,
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
    const { digests } = encoder;
    this.digest = partDigest(crypto, this.header, opsRoot(crypto, digests.length, digests));
  }

  /** Adds it to the turn as part `index` of its commit, which is not signed yet. */
  addTo(turn: Turn, index: number, header: Uint8Array, digest: Uint8Array): void {
    const { scope, rows, staged } = this.content;
    const { controls, versions } = this.#encoder;
    const { log, logKey, generation } = this.#dot;
    this.#addControls(turn);
    staged.forEach((row, i) => turn.mergeInto(scope, row, versions[i] as Version));
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
  /** Of all ops. */
  readonly digests: Uint8Array[] = [];
  /** The bytes of the control ops. Those of the others are put together again from their rows. */
  readonly controls: readonly Uint8Array[];
  /** What the row ops make. */
  readonly versions: readonly Version[];
  readonly #deps: AuthorDeps;
  readonly #content: PartContent;
  readonly #dot: ControlDot;
  readonly #salts: Uint8Array;
  readonly #dictionary = new Map<LogNumber, number>();
  #saltsUsed = 0;

  constructor(deps: AuthorDeps, content: PartContent, dot: ControlDot, room: CommitRoom) {
    this.#deps = deps;
    this.#content = content;
    this.#dot = dot;
    const { rows, staged, controls } = content;
    this.#salts = deps.random.bytes(SALT_SIZE * (1 + rows.length + controls.length));
    this.controls = controls.map((op) => this.#controlOp(op));
    this.versions = rows.map((row, i) => this.#rowOp(row, (staged[i] as StagedRow).row, room));
  }

  header(heads: readonly ControlId[]): Uint8Array {
    const { interner } = this.#deps;
    const { scope, controls } = this.#content;
    return encodePartHeader({
      salt: this.#salt(),
      scope: encodeScopeId(scope.state.id),
      previousGeneration: scope.vector.get(this.#dot.log) ?? 0,
      controlHeads: heads.map(headBytes),
      logs: Array.from(this.#dictionary.keys(), (log) => interner.logNameOf(log)),
      opCount: this.digests.length,
      controlCount: controls.length,
    });
  }

  #salt(): Uint8Array {
    const at = SALT_SIZE * this.#saltsUsed;
    this.#saltsUsed += 1;
    return this.#salts.subarray(at, at + SALT_SIZE);
  }

  #controlOp(op: VerifiedOp): Uint8Array {
    const bytes = encodeOp({
      salt: this.#salt(),
      space: 0,
      key: NOTHING,
      value: undefined,
      context: [],
      control: encodeControlOp(op),
    });
    this.digests.push(opDigest(this.#deps.crypto, bytes));
    return bytes;
  }

  #rowOp({ name, value, context: given }: RowWrite, row: Row, room: CommitRoom): Version {
    const context = given ?? contextOf(row);
    if (context.length > CONTEXT_ENTRIES_MAX) {
      throw new HistoryError(
        "HISTORY_CONTEXT_FULL",
        `Cannot commit: over ${CONTEXT_ENTRIES_MAX} logs have written one row`,
      );
    }
    const salt = this.#salt();
    const { space, key } = name;
    const indexed = this.#indexed(context);
    const op = { salt, space, key, value, context: indexed, control: undefined };
    const size = opSize(op);
    room.take(size);
    const { log, generation, timestamp } = this.#dot;
    const digest = digestOfOp(this.#deps.crypto, op, size);
    this.digests.push(digest);
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
