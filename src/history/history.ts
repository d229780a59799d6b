import {
  type Clock,
  type Crypto,
  type GenVector,
  generationIn,
  type Logger,
  type LogKey,
  type Random,
  type ScopeId,
  scopeKeyOf,
} from "../base/index.ts";
import type { ReadOptions, ScanOptions, Snapshot, Store } from "../store/index.ts";
import { type DatabaseState, ownLogKey, type ScopeState, type View } from "../turns/index.ts";
import type { Identity } from "./author.ts";
import {
  CommitSigner,
  Interner,
  encodeEpochs,
  epochsKey,
  epochsWith,
  rowKey,
  type CommitPart,
  ABSENT_ROW,
  type PartName,
  type LogNumber,
  type Row,
  type Version,
  HistoryError,
} from "../records/index.ts";
import { createDatabase, loadDatabases } from "./open.ts";
import {
  type FreezeOf,
  freezeIn,
  type Quarantined,
  quarantinedBy,
  type QuarantinedPart,
  quarantinedParts,
} from "./quarantine.ts";
import { type PreparedPart, preparePart } from "./prepare.ts";
import type { Delivery } from "./fresh-parts.ts";
import type { Receipt } from "./receive.ts";
import { mendSum, restoreParts } from "./restore.ts";
import {
  type HeldPart,
  partsAbove,
  type ServeDeps,
  Serving,
  partsBefore,
  type ServedPart,
  type WantedScope,
  type LoosePlace,
  loosePartsOf,
  rootsOf,
} from "./serve.ts";
import { hintOfPart, keptVersions } from "./versions.ts";
import { closedError, Writer, type Written } from "./writer.ts";
import { ChangeOrder, rowIn, type RowRange, scanRows } from "./scans.ts";
import { databaseOf, type Maintenance, type WriteOutcome, type WriteRequest } from "./drafts.ts";
import { randomIncarnation } from "./own-log.ts";
import { doubtOf, noteOrigin, OwnLogWord, settleOrigin, type TrueTime } from "./own-log.ts";

export interface HistoryDeps {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly identity: Identity;
  /** The estimate of true time, by which timestamps are given, those of others judged, and a clock told that ran ahead. Default: the wall clock. */
  readonly trueTime?: TrueTime | undefined;
}

/**
 * Everything that replicates, of all databases of one store: commits, knowledge, versions and their merge, without a
 * network. What it shows is durable. Rules: docs/spec/history.md.
 */
export class History implements AsyncDisposable {
  readonly #deps: HistoryDeps & ServeDeps;
  readonly #databases: Map<string, DatabaseState>;
  readonly #writers = new Map<string, Writer>();
  /** Of databases that were here when the history was opened. */
  readonly #words: ReadonlyMap<string, OwnLogWord>;
  readonly #listeners = new Set<(written: Written) => void>();
  /** Databases that are being made, until they are durable. */
  readonly #creating = new Map<string, Promise<void>>();
  #closed = false;
  /** What was written, in the order in which it came. */
  readonly changes: ChangeOrder;

  private constructor(deps: HistoryDeps & ServeDeps, databases: Map<string, DatabaseState>) {
    this.#deps = deps;
    this.#databases = databases;
    this.changes = new ChangeOrder(deps, databases);
    this.#words = new Map(
      Array.from(databases, ([name, state]) => [name, new OwnLogWord(deps.clock, state)]),
    );
  }

  /** Opens the history that the store holds; a fresh store holds an empty one. @throws {HistoryError} `HISTORY_CORRUPT`. */
  static async open(deps: HistoryDeps): Promise<History> {
    const interner = await Interner.load(deps.store);
    const signer = new CommitSigner(deps.crypto, deps.identity);
    const made = { ...deps, interner, signer, serving: new Serving() };
    const databases = await loadDatabases(made);
    const { trueTime = (): number => deps.clock.now(), identity } = deps;
    const doubts = { origin: deps.store.origin, trueTime, identity, interner };
    for (const database of databases.values()) database.doubt = doubtOf(doubts, database);
    const history = new History(made, databases);
    const noted = await Promise.all(
      Array.from(databases.values(), (database) =>
        noteOrigin(history.#deps, database, (task) => history.#writer(database.name).alone(task)),
      ),
    );
    if (noted.every(Boolean)) await settleOrigin(history.#deps);
    for (const name of databases.keys()) history.#writer(name).authorAgain();
    return history;
  }

  get identity(): Identity {
    return this.#deps.identity;
  }

  /** Our log in a database: what is written next stands in it, unless a new incarnation begins. @throws {HistoryError} `HISTORY_NO_DATABASE`. */
  ownLog(database: string): LogKey {
    const state = this.#databases.get(database);
    if (state === undefined) {
      throw new HistoryError("HISTORY_NO_DATABASE", `Cannot write: no database "${database}" here`);
    }
    return ownLogKey(this.#deps.identity.device, state.own);
  }

  /** Names of the databases created here. */
  databases(): string[] {
    return [...this.#databases.keys()].toSorted();
  }

  /** Makes the database here unless it is: begins our log in it. Durable when it resolves. [HI28] */
  async createDatabase(name: string): Promise<void> {
    if (this.#closed) throw closedError();
    const underWay = this.#creating.get(name);
    if (underWay !== undefined) return underWay;
    if (this.#databases.has(name)) return;
    const creating = this.#create(name).finally(() => this.#creating.delete(name));
    this.#creating.set(name, creating);
    return creating;
  }

  async #create(name: string): Promise<void> {
    const incarnation = randomIncarnation(this.#deps.random);
    const database = createDatabase(this.#deps, name, {
      incarnation,
      generation: 0,
      digest: undefined,
      timestamp: 0n,
    });
    database.epochs = epochsWith(this.#deps.random, database);
    const value = encodeEpochs(database.epochs);
    this.#databases.set(name, database);
    try {
      await this.#writer(name).alone(async (turn) => {
        turn.add({ type: "put", key: epochsKey(database.number), value });
        turn.touch();
      });
    } catch (error) {
      this.#databases.delete(name);
      this.#writers.delete(name);
      throw error;
    }
  }

  /** Runs `task` while nothing is written to any database that is here: what is called meanwhile waits for its end. It must write nothing itself. */
  async whileUnwritten(task: () => Promise<void>): Promise<void> {
    const within = ([name, ...others]: readonly string[]): Promise<void> =>
      name === undefined ? task() : this.#writer(name).alone(() => within(others));
    await within(this.databases());
  }

  /** The scopes of a database that hold anything. */
  scopes(database: string): ScopeState[] {
    return [...(this.#databases.get(database)?.scopes.values() ?? [])];
  }

  /** A scope that holds anything, or `undefined`. */
  scope(id: ScopeId): ScopeState | undefined {
    return this.#databases.get(id.database)?.scopes.get(scopeKeyOf(id));
  }

  /** Position of the last change of a database; 0 before the first. */
  sequence(database: string): number {
    return this.#databases.get(database)?.sequence ?? 0;
  }

  /** A commit of ours: resolves when it is durable. [HI1] [HI3] */
  write(request: WriteRequest): Promise<WriteOutcome> {
    try {
      const database = databaseOf(request);
      const writer = this.#writer(database);
      const word = this.#words.get(database)?.wait();
      return word === undefined ? writer.write(request) : word.then(() => writer.write(request));
    } catch (error) {
      return refused(error);
    }
  }

  /**
   * Somebody who may know our log of a database is being reached: writes that have reason to wait for a word. Answers a
   * function that says this has come to an end. [HI50]
   */
  expectWord(database: string): () => void {
    return this.#words.get(database)?.expect() ?? ((): void => {});
  }

  /** A peer has told all that it knows of a scope; what it has of our log is not more than is here. [HI50] */
  hearWord(database: string, vector: GenVector): void {
    const state = this.#databases.get(database);
    if (state?.doubt !== "unconfirmed") return;
    const known = generationIn(vector, ownLogKey(this.#deps.identity.device, state.own));
    if (known === 0 || known > state.own.generation) return;
    this.#words.get(database)?.confirm();
    this.#writer(database).authorAgain();
  }

  /** Checks what can be checked without the store. @throws a coded error: the peer is at fault. */
  prepare(part: CommitPart): PreparedPart {
    return preparePart(this.#deps.crypto, part);
  }

  /** Takes what a peer sent up to a page end: all in one store write, or nothing. @throws as `receiveDelivery`. */
  async receive(database: string, delivery: Delivery): Promise<Receipt> {
    return this.#writer(database).receive(delivery);
  }

  /** Puts back what parts that are known hold and this store does not. Answers how many rows' versions that were. [HI51] */
  restore(database: string, parts: readonly PreparedPart[]): Promise<number> {
    return restoreParts(this.#deps, parts, (task) => this.#writer(database).alone(task));
  }

  /** Sets a scope's head sum to that of its rows, where it is another. Reads all of them. [HI51] */
  async mendSum(id: ScopeId): Promise<void> {
    const scope = this.scope(id);
    if (scope === undefined) return;
    await mendSum(this.#deps, scope, (task) => this.#writer(id.database).alone(task));
  }

  /** Parts of scopes of one database that a peer lacks, as `partsAbove`. */
  partsAbove(wanted: readonly WantedScope[]): AsyncGenerator<ServedPart, void, undefined> {
    return partsAbove(this.#deps, wanted);
  }

  /** Runs `task` with no other write of the database beside it; what it gives is one store write, and changes nothing that is seen. */
  maintain(name: string, task: Maintenance): Promise<void> {
    return this.#writer(name).maintain(task);
  }

  /** The parts of a log in a scope from the generation `from` down, each with what is held of it. */
  partsBefore(scope: ScopeState, log: LogNumber, from: number): AsyncIterable<HeldPart> {
    return partsBefore(this.#deps.store, scope, log, from);
  }

  /** As `loosePartsOf`. Default: of those that do not count here. */
  looseParts(scope: ScopeState, places?: Iterable<LoosePlace>): Promise<CommitPart[]> {
    return loosePartsOf(this.#deps, scope, places);
  }

  /** The bytes of the control ops that a scope begins with, salts included: nobody knows them who has not read it. */
  rootsOf(scope: ScopeState): Promise<Uint8Array[]> {
    return rootsOf(this.#deps, scope);
  }

  /** The name of a log by its number here. */
  logOf(log: LogNumber): LogKey {
    return this.#deps.interner.logOf(log);
  }

  /** A row as it is: without heads when nobody has written it. */
  async row(scope: ScopeId, space: number, key: Uint8Array, options?: ReadOptions): Promise<Row> {
    const known = this.scope(scope);
    if (known === undefined) return ABSENT_ROW;
    return rowIn(await this.#deps.store.get(rowKey(known.number, space, key), options));
  }

  /** As `row`, without a promise; `"wait"`: `row` has to be waited for. */
  rowNow(scope: ScopeId, space: number, key: Uint8Array): Row | "wait" {
    const known = this.scope(scope);
    const found = known && this.#deps.store.getNow(rowKey(known.number, space, key));
    return found === "wait" ? found : rowIn(found);
  }

  /** One answer per key, in order. */
  async rows(scope: ScopeId, space: number, keys: readonly Uint8Array[]): Promise<Row[]> {
    const known = this.scope(scope);
    if (known === undefined) return keys.map(() => ABSENT_ROW);
    const found = await this.#deps.store.getMany(
      keys.map((key) => rowKey(known.number, space, key)),
    );
    return found.map(rowIn);
  }

  /** Rows in key order, deleted ones too. Reads as it is asked. */
  scan(
    scope: ScopeId,
    space: number,
    range: RowRange = {},
    options?: ScanOptions,
  ): AsyncGenerator<{ readonly key: Uint8Array; readonly row: Row }, void, undefined> {
    return scanRows(this.#deps.store, this.scope(scope)?.number, space, range, options);
  }

  /**
   * The versions of a row that are still kept here, heads and superseded ones, the newest first by (timestamp, log,
   * generation): `limit` at most, of those that `isMeant`.
   */
  async versionsOf(
    scope: ScopeId,
    space: number,
    key: Uint8Array,
    limit: number,
    isMeant?: (version: Version) => boolean,
  ): Promise<Version[]> {
    const known = this.scope(scope);
    if (known === undefined) return [];
    const row = await this.row(scope, space, key);
    return keptVersions(this.#deps, known.number, space, key, row, limit, isMeant);
  }

  /** What the application said of the commit that a part is of; `undefined`: nothing, or the part is not here. */
  hintOf(part: PartName): Promise<string | undefined> {
    return hintOfPart(this.#deps, part);
  }

  /**
   * A fixed view of a database for several reads, from which on is known which rows change: a write that names ranges read
   * in it commits only while they have not. Closed after that write.
   *
   * @throws {HistoryError} `HISTORY_NO_DATABASE`; {StoreError} `STORE_READ_FAILED` while the store is being reopened.
   */
  view(name: string): View {
    const database = this.#databases.get(name);
    if (database === undefined)
      throw new HistoryError("HISTORY_NO_DATABASE", `Cannot read: no database "${name}" here`);
    return database.recent.open(this.#deps.store.snapshot());
  }

  /** A fixed view for several reads. */
  snapshot(): Snapshot {
    return this.#deps.store.snapshot();
  }

  /** Calls `listener` after each durable write. It must not throw. Answers a function that ends it. */
  onWritten(listener: (written: Written) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What this device wrote in a scope and does not count there: kept until it counts again. As `quarantinedParts`. */
  quarantined(scope: ScopeId): AsyncGenerator<QuarantinedPart, void, undefined> {
    return quarantinedParts(this.#deps, this.scope(scope));
  }

  /** Calls `listener` when something that this device wrote counts no more. It must not throw. Answers a function that ends it. */
  onQuarantined(listener: (quarantined: Quarantined) => void): () => void {
    return this.onWritten((written) => {
      // As after nearly each write.
      if (written.takenBack === undefined) return;
      quarantinedBy(this.#deps, () => this.scopes(written.database), written).forEach(listener);
    });
  }

  /** The last generations that are held of a user's or a device's logs in a scope: what a revocation freezes at. [HI47] */
  freezeOf(scope: ScopeId, of: FreezeOf): GenVector {
    return freezeIn(this.scope(scope), of);
  }

  /** Refuses new writes and waits for those under way. The store stays open: it is not ours. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(Array.from(this.#writers.values(), (writer) => writer.close()));
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
  #writer(name: string): Writer {
    if (this.#closed) throw closedError();
    const open = this.#writers.get(name);
    if (open !== undefined) return open;
    const database = this.#databases.get(name);
    if (database === undefined)
      throw new HistoryError("HISTORY_NO_DATABASE", `Cannot write: no database "${name}" here`);
    const writer = new Writer(this.#deps, database, (written) => {
      for (const listener of this.#listeners) listener(written);
    });
    this.#writers.set(name, writer);
    return writer;
  }
}

async function refused(error: unknown): Promise<never> {
  throw error;
}
