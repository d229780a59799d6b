import type { AccessState, ControlEntry, ControlLog, Rejection } from "../access/index.ts";
import {
  assert,
  type BlobRef,
  blobRefsIn,
  type Crypto,
  type HybridClock,
  type LogKey,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  type Sum256,
} from "../base/index.ts";
import { rowEdge } from "../chunks/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import {
  type Interner,
  type ScopeNumber,
  changeKey,
  commitKey,
  controlKey,
  oldKey,
  ownKey,
  rowKey,
  scopeStateKey,
  HistoryError,
  type ControlRecord,
  decodeRow,
  encodeChange,
  encodeControlRecord,
  encodeOwnLog,
  encodeRow,
  encodeScopeRecord,
  encodeVersion,
  type OwnLog,
  type PartName,
  readRecord,
  ABSENT_ROW,
  type LogNumber,
  mergeVersion,
  type Row,
  type Version,
} from "../records/index.ts";
import { READ_ROWS_MAX, TURN_REFS_MAX } from "./limits.ts";
import { type DatabaseState, ScopeState } from "./state.ts";

/** A row within its scope: its space, its key as bytes and as text. */
export interface RowName {
  readonly space: number;
  readonly key: Uint8Array;
  readonly text: string;
}

/** What a turn works with. */
export interface TurnDeps {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly interner: Interner;
}

/** A blob that a row version names, and where. */
export interface SeenRef {
  readonly scope: ScopeNumber;
  readonly ref: BlobRef;
}

interface StagedRow {
  readonly name: RowName;
  row: Row;
  changed: boolean;
}

/**
 * One scope as it will be when the turn's write is durable. Nothing of it is seen outside before.
 */
export class StagedScope {
  readonly state: ScopeState;
  readonly vector: Map<LogNumber, number>;
  readonly sum: Sum256;
  readonly rows = new Map<string, StagedRow>();
  #control: ControlLog | undefined;
  changed = false;

  constructor(state: ScopeState) {
    this.state = state;
    this.vector = new Map(state.numbers);
    this.sum = state.sum.clone();
  }

  get control(): ControlLog {
    return this.#control ?? this.state.control;
  }

  get access(): AccessState {
    return this.control.state;
  }

  /** Answers why the op has no effect, or `undefined` when it counts. */
  addControl(entry: ControlEntry): Rejection | undefined {
    // A fork: what the state holds is what is durable.
    this.#control ??= this.state.control.fork();
    this.changed = true;
    return this.#control.add(entry);
  }

  /** The rows that the turn has changed so far. */
  changedRows(): { readonly scope: ScopeKey; readonly space: number; readonly key: Uint8Array }[] {
    const rows = [];
    for (const { name, changed } of this.rows.values())
      if (changed) rows.push({ scope: this.state.key, space: name.space, key: name.key });
    return rows;
  }

  settle(): void {
    this.state.numbers = this.vector;
    this.state.sum = this.sum;
    this.state.control = this.control;
  }
}

/** Places that one write has in the order of arrival: more than parts come in one, and 2^33 writes fit into a number. */
const PLACES_A_WRITE = 2 ** 20;

/**
 * All that one store write will change, prepared aside: rows, commits, knowledge, our log and clock. Memory follows only
 * when the write is durable (`settle`), so a failed write leaves no trace in it. [HI1] [HI2]
 */
export class Turn {
  readonly database: DatabaseState;
  own: OwnLog;
  /** Our clock: another one from here on where our log is given up for it. */
  clock: HybridClock;
  readonly #deps: TurnDeps;
  readonly #scopes = new Map<string, StagedScope>();
  readonly #writes: WriteOp[] = [];
  readonly #parts: PartName[] = [];
  readonly #refs: SeenRef[] = [];
  readonly #readBytesMax: number;
  #bytesRead = 0;
  #touched = false;

  /** `readBytesMax`: bytes of rows as they are before that it may hold. */
  constructor(deps: TurnDeps, database: DatabaseState, readBytesMax: number) {
    this.#readBytesMax = readBytesMax;
    this.#deps = deps;
    this.database = database;
    this.own = database.own;
    this.clock = database.clock;
  }

  /** The parts added so far. */
  get parts(): readonly PartName[] {
    return this.#parts;
  }

  /** The blobs that the versions merged so far name. */
  get refs(): readonly SeenRef[] {
    return this.#refs;
  }

  /** Whether our log was given up in this turn. */
  get hasBegunAgain(): boolean {
    return this.own.incarnation !== this.database.own.incarnation;
  }

  scope(id: ScopeId): StagedScope {
    const key = scopeKeyOf(id);
    const staged = this.#scopes.get(key);
    if (staged !== undefined) return staged;
    const known = this.database.scopes.get(key);
    const { interner } = this.#deps;
    const fresh = new StagedScope(known ?? new ScopeState(id, interner.scope(id), interner));
    this.#scopes.set(key, fresh);
    return fresh;
  }

  /**
   * Reads rows that the turn does not hold yet: `row` and `merge` want them read.
   *
   * @throws {HistoryError} `HISTORY_TOO_LARGE` when what is there comes to more than a turn may hold.
   */
  async loadRows(scope: StagedScope, names: readonly RowName[]): Promise<void> {
    const missing = names.filter((name) => !scope.rows.has(rowText(name)));
    for (let from = 0; from < missing.length; from += READ_ROWS_MAX) {
      const page = missing.slice(from, from + READ_ROWS_MAX);
      const found = await this.#deps.store.getMany(
        page.map((name) => rowKey(scope.state.number, name.space, name.key)),
      );
      page.forEach((name, i) => {
        const bytes = found[i];
        this.#bytesRead += bytes?.length ?? 0;
        const row = bytes === undefined ? ABSENT_ROW : readRecord("row", bytes, decodeRow);
        scope.rows.set(rowText(name), { name, row, changed: false });
      });
      if (this.#bytesRead > this.#readBytesMax) {
        throw new HistoryError(
          "HISTORY_TOO_LARGE",
          `Cannot commit: the rows as they are have over ${this.#readBytesMax} bytes together`,
        );
      }
    }
  }

  row(scope: StagedScope, name: RowName): Row {
    return staged(scope, name).row;
  }

  /** Merges a version into its row, and keeps what it superseded and which blobs it names. */
  merge(scope: StagedScope, name: RowName, version: Version): void {
    const entry = staged(scope, name);
    const before = entry.row;
    const { row, superseded } = mergeVersion(before, version, (a, b) =>
      this.#deps.interner.compareLogs(a, b),
    );
    if (row === before) return;
    entry.row = row;
    entry.changed = true;
    if (version.value !== undefined) this.#refer(scope, name, version, version.value);
    for (const head of before.heads) if (!row.heads.includes(head)) this.#count(scope, head, -1);
    if (row.heads.includes(version)) this.#count(scope, version, 1);
    for (const old of superseded) {
      const key = oldKey(scope.state.number, name.space, name.key, old.log, old.generation);
      this.#writes.push({ type: "put", key, value: encodeVersion(old) });
    }
  }

  /** Blobs are kept while a version that is held names them, superseded ones too. [HI33] */
  #refer(scope: StagedScope, { space, key }: RowName, version: Version, value: Uint8Array): void {
    const { log, generation } = version;
    for (const ref of blobRefsIn(value)) {
      const cause = { scope: scope.state.number, log, generation, space, key };
      this.#writes.push(rowEdge(ref, cause));
      this.#refs.push({ scope: scope.state.number, ref });
    }
  }

  /** @throws {HistoryError} `HISTORY_TOO_LARGE` unless there is room for `count` more BlobRefs. [HI34] */
  refuseRefs(count: number): void {
    if (this.#refs.length + count <= TURN_REFS_MAX) return;
    throw new HistoryError(
      "HISTORY_TOO_LARGE",
      `Cannot commit: its rows name over ${TURN_REFS_MAX} blobs together`,
    );
  }

  /** Adds one scope's part of a commit. */
  addPart(scope: StagedScope, log: LogNumber, generation: number, record: Uint8Array): void {
    const number = scope.state.number;
    this.#writes.push({ type: "put", key: commitKey(number, log, generation), value: record });
    this.#parts.push({ scope: number, log, generation });
    scope.changed = true;
  }

  /** Adds a control op; answers why it has no effect, or `undefined` when it counts. */
  addControl(
    scope: StagedScope,
    id: Uint8Array,
    entry: ControlEntry,
    record: ControlRecord,
  ): Rejection | undefined {
    this.#writes.push({
      type: "put",
      key: controlKey(scope.state.number, id),
      value: encodeControlRecord(record),
    });
    return scope.addControl(entry);
  }

  /** Claims everything of the scope up to `generation` of `log`. */
  raise(scope: StagedScope, log: LogKey, generation: number): void {
    const number = this.#deps.interner.log(log);
    if (generation <= (scope.vector.get(number) ?? 0)) return;
    scope.vector.set(number, generation);
    scope.changed = true;
  }

  /** The position of this turn's change among the database's changes. */
  get sequence(): number {
    return this.database.sequence + 1;
  }

  /**
   * The place that a part added now gets in this store's order of arrival: after those of earlier writes and those added
   * before it. So what one delivery brought is served on in an order in which each part follows what it waits for. [HI21]
   */
  get place(): number {
    return this.sequence * PLACES_A_WRITE + Math.min(this.#parts.length, PLACES_A_WRITE - 1);
  }

  /** Adds what lies below rows and commits as they are seen: nobody is told of it. */
  add(op: WriteOp): void {
    this.#writes.push(op);
  }

  /** Writes our log and clock even when nothing else has changed. */
  touch(): void {
    this.#touched = true;
  }

  /** Writes all of it at once. Once that is durable, memory follows and `true` is answered; `false`: nothing to write. */
  async write(fromSync: boolean): Promise<boolean> {
    const { store, interner } = this.#deps;
    const batch = this.#writes;
    for (const scope of this.#scopes.values()) this.#stage(scope, batch);
    if (batch.length === 0 && !this.#touched) return false;
    if (this.#parts.length > 0) {
      const change = encodeChange({ fromSync, parts: this.#parts });
      batch.push({
        type: "put",
        key: changeKey(this.database.number, this.sequence),
        value: change,
      });
    }
    this.own = { ...this.own, timestamp: this.clock.last };
    batch.push({ type: "put", key: ownKey(this.database.number), value: encodeOwnLog(this.own) });
    const saved = interner.save(batch);
    await store.write(batch);
    saved();
    this.#settle();
    return true;
  }

  #stage(scope: StagedScope, batch: WriteOp[]): void {
    const { number } = scope.state;
    for (const { name, row, changed } of scope.rows.values()) {
      if (changed)
        batch.push({
          type: "put",
          key: rowKey(number, name.space, name.key),
          value: encodeRow(row),
        });
    }
    if (!scope.changed) return;
    batch.push({ type: "put", key: scopeStateKey(number), value: encodeScopeRecord(scope) });
  }

  #settle(): void {
    const { database } = this;
    if (this.hasBegunAgain) database.doubt = undefined;
    database.own = this.own;
    database.clock = this.clock;
    if (this.#parts.length > 0) database.sequence += 1;
    for (const scope of this.#scopes.values()) {
      database.recent.note(scope.changedRows());
      if (!scope.changed) continue;
      scope.settle();
      database.scopes.set(scope.state.key, scope.state);
    }
  }

  /** Takes a live head into the scope's head sum, or out of it. */
  #count(scope: StagedScope, head: Version, times: 1 | -1): void {
    if (head.value === undefined) return;
    if (times === 1) scope.sum.add(head.digest);
    else scope.sum.subtract(head.digest);
  }
}

function rowText(name: RowName): string {
  return `${name.space}${name.text}`;
}

function staged(scope: StagedScope, name: RowName): StagedRow {
  const row = scope.rows.get(rowText(name));
  assert(row !== undefined, "a turn reads a row before it merges into it");
  return row;
}
