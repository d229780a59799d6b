import { encodeValue, type ScopeId, type UserId, type Value } from "../base/index.ts";
import type { Role } from "../access/index.ts";
import type { PolicyText } from "../conflicts/index.ts";
import { ROW_SPACE, type Row, type RowRange, type RowWrite } from "../history/index.ts";
import {
  accessOf,
  type AccessOptions,
  type CollectionAccess,
  deleteRows,
  destroyCollection,
  exists,
  grantRole,
  revokeAll,
  type RevokeOptions,
} from "./collection-life.ts";
import { checkLimit, type KeyBounds, rangeOf } from "./key-range.ts";
import { keyText, rowName } from "./names.ts";
import {
  type CounterRow,
  counterRow,
  type Cell,
  type MapRow,
  mapRow,
  type SetRow,
  setRow,
} from "./mergeable-rows.ts";
import { policiesOf, type PolicyInfo, setPolicy } from "./policies.ts";
import { visibleIn } from "./row-view.ts";
import {
  type ConflictingValue,
  conflictsOf,
  type HistoryOptions,
  historyOf,
  type KeptVersion,
  type QuarantinedRow,
  quarantinedOf,
} from "./row-versions.ts";
import { markerNow, watchCollection, type WatchOptions } from "./watch.ts";
import type { WatchPage } from "./watch-page.ts";
import { type CollectionProgress, type DbWorld, refuseUnusable } from "./world.ts";
import { checkHint, committed } from "./write.ts";

export interface WriteOptions {
  /** The application's word for the write, offered to whoever resolves a conflict: 256 bytes at most. */
  readonly hint?: string | undefined;
}

export interface DeleteRangeOptions {
  /** Ends it between two commits. */
  readonly signal?: AbortSignal | undefined;
}

export interface ScanOptions extends KeyBounds {
  /** From the last key to the first. Default false. */
  readonly reverse?: boolean | undefined;
  /** Rows at most. Default: all. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A row as a scan gives it. */
export interface KeyValue<T> {
  readonly key: string;
  readonly value: T;
  /** Present when the row has other values, which this one does not hold: see `conflicts`. */
  readonly conflict?: true;
}

/** What a row shows. */
export interface VisibleValue<T> {
  /** `undefined`: the row is not there. */
  readonly value: T | undefined;
  /** Whether it has other values, which this one does not hold: see `conflicts`. */
  readonly conflict: boolean;
}

/** One row, by its key. */
export interface RowHandle<T> {
  readonly key: string;
  get(): Promise<T | undefined>;
  /** What `get` answers, and whether the row is in conflict. */
  visible(): Promise<VisibleValue<T>>;
  put(value: T, options?: WriteOptions): Promise<void>;
  delete(options?: WriteOptions): Promise<void>;
  conflicts(): Promise<ConflictingValue<T>[]>;
  history(options?: HistoryOptions): Promise<KeptVersion<T>[]>;
}

/**
 * Rows by key: the unit of access and of sync. Keys sort by their UTF-8 bytes. A write resolves when it is durable; of
 * concurrent writes the greater (timestamp, log) is visible, and the others stay readable until someone writes over them.
 */
export class Collection<T = Value> {
  readonly id: ScopeId;
  readonly #world: DbWorld;

  constructor(world: DbWorld, id: ScopeId) {
    this.#world = world;
    this.id = id;
  }

  get name(): string {
    return this.id.name;
  }

  get owner(): UserId {
    return this.id.owner;
  }

  /**
   * How far it is with what a peer has and this device lacks: while that is large it comes, and is shown, page by page. `undefined`
   * when nothing is on its way, as far as peers have said. [DB39]
   */
  progress(): CollectionProgress | undefined {
    return this.#world.progressOf(this.id);
  }

  /**
   * Writes a row. The value is taken as it is now, whatever the caller does with it later. [DB3]
   *
   * @throws {DbError} `DB_KEY_INVALID`, `DB_NO_ACCESS`, `DB_READ_ONLY`, `DB_CLOSED`, `DB_CONTEXT_FULL`, `DB_CONTROLS_FULL`, `DB_BATCH_TOO_LARGE` for the
   *   hint; {ValueError}; {StoreError}.
   */
  put(key: string, value: T, options: WriteOptions = NO_OPTIONS): Promise<void> {
    try {
      return this.#write({ name: rowName(key), value: encodeValue(value) }, options);
    } catch (error) {
      return refused(error);
    }
  }

  /** The row's value, or `undefined`: absence is an answer. [DB4] */
  get(key: string): Promise<T | undefined> {
    // Most answers are there at once. An async function would cost as much as all that is done to them here.
    try {
      const { space, key: bytes } = rowName(key);
      refuseUnusable(this.#world, this.id);
      const row = this.#world.history.rowNow(this.id, space, bytes);
      if (row === "wait") return this.#getLater(key);
      const { value } = visibleIn(this.#world, this.id, key, row);
      return Promise.resolve(value as T | undefined);
    } catch (error) {
      return refused(error);
    }
  }

  async #getLater(key: string): Promise<T | undefined> {
    return (await this.#visible(key)).value;
  }

  async #visible(key: string): Promise<VisibleValue<T>> {
    const row = await this.#row(key);
    const { value, conflict } = visibleIn(this.#world, this.id, key, row);
    return { value: value as T | undefined, conflict };
  }

  /** Deletes a row; one that is not there is left alone, and nothing is written. @throws as `put`. [DB5] */
  async delete(key: string, options: WriteOptions = {}): Promise<void> {
    await this.#write({ name: rowName(key), value: undefined }, options);
  }

  /** Whether `get` would answer a value. */
  async has(key: string): Promise<boolean> {
    return (await this.get(key)) !== undefined;
  }

  /**
   * Rows in key order, as they were when the first was asked for. Reads as it is asked. [DB6]
   *
   * @throws {DbError} `DB_KEY_INVALID`, `DB_CLOSED`; {TypeError}, {RangeError} for bounds that make no sense: at the call.
   */
  scan(options: ScanOptions = {}): AsyncGenerator<KeyValue<T>, void, undefined> {
    checkLimit(options.limit);
    refuseUnusable(this.#world, this.id);
    return this.#scan(rangeOf(options), options);
  }

  async *#scan(
    range: RowRange,
    { signal, reverse, limit = Number.POSITIVE_INFINITY }: ScanOptions,
  ): AsyncGenerator<KeyValue<T>, void, undefined> {
    signal?.throwIfAborted();
    let left = limit;
    if (left === 0) return;
    const rows = this.#world.history.scan(this.id, ROW_SPACE.rows, range, { reverse });
    for await (const { key, row } of rows) {
      signal?.throwIfAborted();
      refuseUnusable(this.#world, this.id);
      const text = keyText(key);
      const { value, conflict } = visibleIn(this.#world, this.id, text, row);
      if (value === undefined) continue;
      yield { key: text, value: value as T, ...(conflict && { conflict }) };
      left -= 1;
      if (left === 0) return;
    }
  }

  /** Whether the collection is here: made, written to or received, and not destroyed. [DB24] */
  exists(): boolean {
    return exists(this.#world, this.id);
  }

  /**
   * Destroys the collection for everybody who has it, for ever: its name cannot be used again by its owner. [DB26]
   *
   * @throws {DbError} `DB_NO_ACCESS` unless our user owns it, `DB_READ_ONLY`, `DB_CLOSED`; {StoreError}.
   */
  async destroy(): Promise<void> {
    await destroyCollection(this.#world, this.id);
  }

  /**
   * Deletes the rows that a scan of these bounds would give now, and answers how many. All or nothing, up to what one batch
   * may hold; more is deleted in several commits, in key order. [DB25]
   *
   * @throws {DbError} as `put` and `scan`; the signal's reason; {StoreError}. What earlier commits deleted stays so.
   */
  async deleteRange(bounds: KeyBounds, { signal }: DeleteRangeOptions = {}): Promise<number> {
    const { prefix, start, end } = bounds;
    return deleteRows(this.#world, this.id, this.scan({ prefix, start, end, signal }));
  }

  /** Who may do what here. @throws {DbError} `DB_CLOSED`, `DB_COLLECTION_DESTROYED`. [DB27] */
  access(): CollectionAccess {
    return accessOf(this.#world, this.id);
  }

  /**
   * Gives a user a role, beside what they may do already. Admins give `reader` and `writer`, the owner `admin`, too. [DB27]
   *
   * @throws {DbError} `DB_NO_ACCESS`, `DB_BAD_VERSION` when `version` is given and not that of `access` any more, `DB_READ_ONLY`,
   *   `DB_CLOSED`, `DB_COLLECTION_DESTROYED`; {TypeError}; {StoreError}.
   */
  async grant(user: UserId, role: Role, options: AccessOptions = {}): Promise<void> {
    await grantRole(this.#world, this.id, user, role, options);
  }

  /**
   * Takes from a user all that they may do here. What they wrote and is here stays; nothing counts that they wrote later, or that is not here yet. Admins
   * take from readers and writers, the owner from everybody else. What is granted afterwards holds. [DB33]
   *
   * @throws as `grant`; `DB_READ_ONLY` also for the owner, on a device that has left the syncgroups that share it, or has not got
   *   all of it yet since it joined one, unless `incomplete`. [SY120]
   */
  async revoke(user: UserId, options: RevokeOptions = {}): Promise<void> {
    await revokeAll(this.#world, this.id, user, options);
  }

  /**
   * The present state, or what has changed since a marker; then every change as it becomes durable here, whoever made it.
   * Pull-driven: a slow consumer costs disk reads, not memory. Ends when the database closes; throws the signal's reason
   * when aborted. [DB8] [DB28]
   *
   * @throws {DbError} `DB_KEY_INVALID`, `DB_CLOSED`, `DB_RESUME_MARKER_UNKNOWN`; {TypeError}: at the call. Later
   *   `DB_COLLECTION_DESTROYED`.
   */
  watch(options: WatchOptions = {}): AsyncGenerator<WatchPage<T>, void, undefined> {
    refuseUnusable(this.#world, this.id);
    return watchCollection<T>(this.#world, this.id, options);
  }

  /** Where a watch goes on that knows all up to now. [DB28] @throws {DbError} `DB_CLOSED`, `DB_COLLECTION_DESTROYED`. */
  marker(): string {
    refuseUnusable(this.#world, this.id);
    return markerNow(this.#world);
  }

  /**
   * All values of a row that nobody has seen past, the visible one first; empty when there is no conflict, as where the row's
   * policy has merged them. [DB7] [CO16]
   */
  async conflicts(key: string): Promise<ConflictingValue<T>[]> {
    return conflictsOf<T>(this.#world, this.id, rowName(key));
  }

  /** The versions of a row that are still kept here, heads and superseded ones, the newest first. @throws {RangeError}. [CO18] */
  async history(key: string, options: HistoryOptions = {}): Promise<KeptVersion<T>[]> {
    return historyOf<T>(this.#world, this.id, rowName(key), options);
  }

  /**
   * What this device wrote here and counts no more, since its right to it was taken away before it had arrived, or its log forked: kept on
   * this device alone, shown by no other read, to be written again by whoever may, here or on another device. [DB41]
   *
   * @throws {DbError} `DB_CLOSED`, `DB_COLLECTION_DESTROYED`.
   */
  quarantined(): AsyncGenerator<QuarantinedRow<T>, void, undefined> {
    refuseUnusable(this.#world, this.id);
    return quarantinedOf<T>(this.#world, this.id);
  }

  /**
   * The row as a counter. Concurrent changes add up only under the policy `counter`, set before the first change (`setPolicy`); under any other
   * they conflict like puts.
   *
   * @throws {DbError} `DB_KEY_INVALID`; {TypeError}. [CO15]
   */
  counter(key: string): CounterRow {
    return counterRow(this.#cell(key));
  }

  /**
   * The row as a set. Concurrent changes are merged only under the policy `set`, set before the first change (`setPolicy`); under any other
   * they conflict like puts.
   *
   * @throws as `counter`. [CO15]
   */
  set<E = Value>(key: string): SetRow<E> {
    return setRow<E>(this.#cell(key));
  }

  /**
   * The row as a map. Concurrent changes are merged only under the policy `map`, set before the first change (`setPolicy`); under any other
   * they conflict like puts.
   *
   * @throws as `counter`. [CO15]
   */
  map<V = Value>(key: string): MapRow<V> {
    return mapRow<V>(this.#cell(key));
  }

  #cell(key: string): Cell {
    const name = rowName(key);
    const world = this.#world;
    return {
      get: async () => (await this.#visible(key)).value as Value | undefined,
      edit: (kind, edit) => world.edits.edit(world, this.id, name, kind, edit),
    };
  }

  /**
   * Says how concurrent values of the rows under a prefix are shown and brought together, on every device; the longest prefix
   * of a row's key wins. An admin's to say. [CO13]
   *
   * @throws {ConflictError} `CONFLICT_POLICY_INVALID`; {DbError} `DB_NO_ACCESS`, `DB_POLICIES_FULL`, `DB_KEY_INVALID`, `DB_READ_ONLY`, `DB_CLOSED`;
   *   {StoreError}.
   */
  async setPolicy(prefix: string, policy: PolicyText): Promise<void> {
    await setPolicy(this.#world, this.id, prefix, policy);
  }

  /** The conflict policies that have been set, by prefix. */
  policies(): PolicyInfo[] {
    refuseUnusable(this.#world, this.id);
    return policiesOf(this.#world, this.id);
  }

  /** The row with this key, which need not be there. @throws {DbError} `DB_KEY_INVALID`; {TypeError}. */
  row(key: string): RowHandle<T> {
    rowName(key);
    return {
      key,
      get: () => this.get(key),
      visible: () => this.#visible(key),
      put: (value, options) => this.put(key, value, options),
      delete: (options) => this.delete(key, options),
      conflicts: () => this.conflicts(key),
      history: (options) => this.history(key, options),
    };
  }

  /** Throws at once what is wrong with the call: for async callers. */
  #row(key: string): Promise<Row> {
    const name = rowName(key);
    refuseUnusable(this.#world, this.id);
    return this.#world.history.row(this.id, name.space, name.key);
  }

  #write(row: RowWrite, { hint }: WriteOptions): Promise<void> {
    checkHint(hint);
    // A hint speaks for its own commit.
    const together = hint === undefined;
    return committed(this.#world, { parts: [{ scope: this.id, rows: [row] }], hint, together });
  }
}

const NO_OPTIONS: WriteOptions = {};

async function refused(error: unknown): Promise<never> {
  throw error;
}
