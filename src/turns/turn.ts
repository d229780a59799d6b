import { type ControlEntry, type ControlId, controlIdOf, type Rejection } from "../access/index.ts";
import {
  type BlobRef,
  blobRefsIn,
  type Crypto,
  type HybridClock,
  type LogKey,
  parseDeviceId,
  type ScopeId,
  scopeKeyOf,
} from "../base/index.ts";
import { rowEdge } from "../chunks/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import {
  type CommitSigner,
  type Interner,
  type ScopeNumber,
  changeKey,
  controlKey,
  decodeControlRecord,
  decodeVersion,
  oldRange,
  ownKey,
  scopeStateKey,
  HistoryError,
  type ControlRecord,
  encodeChange,
  encodeControlRecord,
  encodeOwnLog,
  encodeScopeRecord,
  type OwnLog,
  type PartName,
  readRecord,
  ABSENT_ROW,
  type LogNumber,
  type LogOrder,
  mergeVersion,
  publishedIn,
  ROW_SPACE,
  type Row,
  type Version,
} from "../records/index.ts";
import { TURN_REFS_MAX } from "./limits.ts";
import { dotText } from "./beside.ts";
import { LateCommits } from "./late-commits.ts";
import { RowReader } from "./row-reader.ts";
import { stageRows } from "./row-writes.ts";
import { StagedParts } from "./staged-parts.ts";
import type { RowName, StagedRow } from "./staged-row.ts";
import { StagedScope, stagedRow } from "./staged-scope.ts";
import { type DatabaseState, ScopeState } from "./state.ts";
import { WrittenRows } from "./written-rows.ts";

/** What a turn works with. */
export interface TurnDeps {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly interner: Interner;
  readonly signer: CommitSigner;
}

/** A blob that a row version names, and where. */
export interface SeenRef {
  readonly scope: ScopeNumber;
  readonly ref: BlobRef;
}

/** Places that one write has in the order of arrival: more than parts come in one, and 2^33 writes fit into a number. */
const PLACES_A_WRITE = 2 ** 20;

/** The change in which a part got this place. */
export function changeOfPlace(place: number | bigint): number {
  return Math.floor(Number(place) / PLACES_A_WRITE);
}

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
  /** What it adds, takes back and lays aside. */
  readonly staged: StagedParts;
  /** What of ours it adds without a signature. */
  readonly late: LateCommits;
  /** Whether something that counts now found no room: it is taken from aside by a later turn. */
  hasLeftOver = false;
  readonly #controls = new Map<ControlId, ControlRecord>();
  readonly #refs: SeenRef[] = [];
  readonly #logOrder: LogOrder;
  readonly #reader: RowReader;
  #touched = false;

  /** `readBytesMax`: bytes of rows as they are before that it may hold. */
  constructor(deps: TurnDeps, database: DatabaseState, readBytesMax: number) {
    this.#reader = new RowReader(deps.store, readBytesMax);
    this.#deps = deps;
    this.staged = new StagedParts(deps.store);
    this.late = new LateCommits(deps.signer, database.late);
    this.database = database;
    this.own = database.own;
    this.clock = database.clock;
    this.#logOrder = (a, b) => deps.interner.compareLogs(a, b);
  }

  /** The parts added so far, and those that brought control ops alone. */
  get parts(): readonly PartName[] {
    return this.staged.brought;
  }

  /** Whether it changes anything that others are told of. */
  get hasNews(): boolean {
    return this.staged.hasNews;
  }

  /** Scopes that it has looked at. */
  get scopes(): Iterable<StagedScope> {
    return this.#scopes.values();
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
    // The store holds nothing of it: what it may hold later is known by what is written from here on.
    if (known === undefined) fresh.state.written = new WrittenRows();
    this.#scopes.set(key, fresh);
    return fresh;
  }

  /**
   * Reads rows that the turn does not hold yet: `row` and `merge` want them read. `bytesMax`: of all that it has read.
   *
   * @throws {HistoryError} `HISTORY_TOO_LARGE` when what is there comes to more than a turn may hold.
   */
  loadRows(scope: StagedScope, names: readonly RowName[], bytesMax?: number): Promise<void> {
    return this.#reader.load(scope, names, bytesMax);
  }

  /** As `loadRows` where the rows are few and the store answers at once; `false`: they are to be waited for. */
  loadRowsNow(scope: StagedScope, names: readonly RowName[]): boolean {
    return this.#reader.loadNow(scope, names);
  }

  row(scope: StagedScope, name: RowName): Row {
    return stagedRow(scope, name).row;
  }

  /** Merges a version into its row, and keeps what it superseded and which blobs it names. */
  merge(scope: StagedScope, name: RowName, version: Version): void {
    this.mergeInto(scope, stagedRow(scope, name), version);
  }

  /** As `merge`, into a row of the scope that the turn holds. */
  mergeInto(scope: StagedScope, entry: StagedRow, version: Version): void {
    const { name, row: before } = entry;
    const { row, superseded } = mergeVersion(before, version, this.#logOrder);
    if (row === before) return;
    entry.change(row);
    if (version.value !== undefined) this.#refer(scope, name, version, version.value);
    for (const head of before.heads) if (!row.heads.includes(head)) this.#count(scope, head, -1);
    if (row.heads.includes(version)) this.#count(scope, version, 1);
    for (const old of superseded) entry.setBeside(old, old);
    this.#notePublished(scope, name, row);
  }

  /** All versions of a row that lie beside it. Reads them. */
  async versionsBeside(scope: StagedScope, name: RowName): Promise<Version[]> {
    const versions = new Map<string, Version>();
    const range = oldRange(scope.state.number, name.space, name.key);
    for await (const { value } of this.#deps.store.scan(range)) {
      const version = readRecord("version", value, decodeVersion);
      versions.set(dotText(version), version);
    }
    for (const change of stagedRow(scope, name).beside?.changes ?? []) {
      const { version } = change;
      if (version === undefined) versions.delete(dotText(change));
      else versions.set(dotText(version), version);
    }
    return [...versions.values()];
  }

  /** Merges a row again from some of its versions; `beside` are those beside it as they are now. */
  remerge(
    scope: StagedScope,
    name: RowName,
    beside: readonly Version[],
    isKept: (version: Version) => boolean,
  ): void {
    const entry = stagedRow(scope, name);
    const before = entry.row;
    let row = ABSENT_ROW;
    for (const version of [...before.heads, ...beside].filter(isKept))
      row = mergeVersion(row, version, this.#logOrder).row;
    for (const version of beside)
      if (!isKept(version) || row.heads.includes(version)) entry.setBeside(version, undefined);
    for (const head of before.heads) if (!row.heads.includes(head)) this.#count(scope, head, -1);
    for (const head of row.heads) if (!before.heads.includes(head)) this.#count(scope, head, 1);
    entry.change(row);
    scope.changed = true;
    this.#notePublished(scope, name, row);
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
    this.staged.add(scope, log, generation, record);
  }

  /** The bytes of a control op of the scope, as signed. */
  async controlOp(scope: StagedScope, id: Uint8Array): Promise<Uint8Array | undefined> {
    const added = this.#controls.get(controlIdOf(id));
    if (added !== undefined) return added.op;
    const bytes = await this.#deps.store.get(controlKey(scope.state.number, id));
    return bytes === undefined
      ? undefined
      : readRecord("control op", bytes, decodeControlRecord).op;
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
    this.#controls.set(entry.id, record);
    return scope.addControl(entry, record.log);
  }

  /** Claims everything of the scope up to `generation` of `log`. */
  raise(scope: StagedScope, log: LogKey, generation: number): void {
    const number = this.#deps.interner.log(log);
    if (generation <= (scope.vector.get(number) ?? 0)) return;
    scope.vector.set(number, generation);
    scope.changed = true;
  }

  /** Claims nothing of the scope beyond `generation` of `log`. */
  lower(scope: StagedScope, log: LogNumber, generation: number): void {
    if (generation === 0) scope.vector.delete(log);
    else scope.vector.set(log, generation);
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
    return this.sequence * PLACES_A_WRITE + Math.min(this.staged.count, PLACES_A_WRITE - 1);
  }

  /** Adds what lies below rows and commits as they are seen: nobody is told of it. */
  add(op: WriteOp): void {
    this.#writes.push(op);
  }

  /** Writes our log and clock even when nothing else has changed. */
  touch(): void {
    this.#touched = true;
  }

  /**
   * Writes all of it at once. Once that is durable, memory follows and `true` is answered; `false`: nothing to write. `begins`: called
   * when all that is left is up to the store.
   */
  async write(fromSync: boolean, begins?: () => void): Promise<boolean> {
    const { store, interner } = this.#deps;
    const batch = this.#writes;
    batch.push(...this.staged.writes());
    for (const scope of this.#scopes.values()) {
      stageRows(scope, batch);
      if (!scope.changed) continue;
      const key = scopeStateKey(scope.state.number);
      batch.push({ type: "put", key, value: encodeScopeRecord(scope) });
    }
    if (batch.length === 0 && !this.#touched) return false;
    if (this.hasNews) {
      const { brought: parts, takenBack } = this.staged;
      const change = encodeChange({ fromSync, parts, takenBack });
      batch.push({
        type: "put",
        key: changeKey(this.database.number, this.sequence),
        value: change,
      });
    }
    const signing = this.#stageSignatures(batch);
    if (signing !== undefined) await signing;
    this.own = { ...this.own, timestamp: this.clock.last, unsigned: this.late.names };
    batch.push({ type: "put", key: ownKey(this.database.number), value: encodeOwnLog(this.own) });
    const saved = interner.save(batch);
    // Whatever keeps it from being made is met again by whoever needs the signature.
    if (!this.late.isEmpty) this.late.signWhileWriting().catch(() => {});
    begins?.();
    await store.write(batch);
    saved();
    this.#settle();
    return true;
  }

  /** Brings the signatures that the write before left out, mostly made since it synced, and leaves out what may come later. [HI83] */
  #stageSignatures(batch: WriteOp[]): Promise<void> | undefined {
    this.late.keep((name) => this.staged.adds(name));
    const { late: before } = this.database;
    const isAtOnce = this.hasBegunAgain || this.late.isMany;
    if (isAtOnce || before?.isSigned === false) return this.#signAndStage(batch, isAtOnce);
    before?.stage(batch, (name) => this.staged.changes(name));
    return undefined;
  }

  /** `isAtOnce`: also those of this write; a log that was given up has nothing left to do. */
  async #signAndStage(batch: WriteOp[], isAtOnce: boolean): Promise<void> {
    if (isAtOnce) await this.late.signNow();
    await this.database.late?.sign();
    this.database.late?.stage(batch, (name) => this.staged.changes(name));
  }

  #settle(): void {
    const { database } = this;
    if (this.hasBegunAgain) database.doubt = undefined;
    database.own = this.own;
    database.late = this.late.names.length > 0 ? this.late : undefined;
    database.clock = this.clock;
    if (this.hasNews) database.sequence += 1;
    for (const scope of this.#scopes.values()) {
      if (database.recent.isRead) database.recent.note(scope.changedRows());
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

  /** What a holder record says counts for access too. */
  #notePublished(scope: StagedScope, { space, text }: RowName, row: Row): void {
    const device = space === ROW_SPACE.holders ? parseDeviceId(text) : undefined;
    if (device === undefined) return;
    const { interner } = this.#deps;
    scope.notePublished(
      device,
      publishedIn(row, (log) => interner.isLogOf(log, device)),
    );
  }
}
