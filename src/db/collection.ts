import {
  type DeviceId,
  decodeValue,
  encodeValue,
  logIdOf,
  type ScopeId,
  timestampMillis,
  type UserId,
  type Value,
} from "../base/index.ts";
import { ROW_SPACE, type Row, type RowRange, type RowWrite } from "../history/index.ts";
import { type KeyBounds, rangeOf } from "./key-range.ts";
import { keyText, rowName } from "./names.ts";
import { isConflict, valueOf } from "./row-view.ts";
import { watchCollection, type WatchOptions } from "./watch.ts";
import type { WatchPage } from "./watch-page.ts";
import { type DbWorld, refuseClosed } from "./world.ts";
import { checkHint, commit } from "./write.ts";

export interface WriteOptions {
  /** The application's word for the write, offered to whoever resolves a conflict: 256 bytes at most. */
  readonly hint?: string | undefined;
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
}

/** One value of a row in conflict. */
export interface ConflictingValue<T> {
  /** `undefined`: this one deletes the row. */
  readonly value: T | undefined;
  /** Whether it is the one that `get` answers. */
  readonly winner: boolean;
  /** Who wrote it. */
  readonly device: DeviceId;
  /** Milliseconds since 1970 by the writer's hybrid clock. */
  readonly timestampMs: number;
}

/** One row, by its key. */
export interface RowHandle<T> {
  readonly key: string;
  get(): Promise<T | undefined>;
  put(value: T, options?: WriteOptions): Promise<void>;
  delete(options?: WriteOptions): Promise<void>;
  conflicts(): Promise<ConflictingValue<T>[]>;
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
   * Writes a row. The value is taken as it is now, whatever the caller does with it later. [DB3]
   *
   * @throws {DbError} `DB_KEY_INVALID`, `DB_NO_ACCESS`, `DB_READ_ONLY`, `DB_CLOSED`, `DB_CONTEXT_FULL`, `DB_BATCH_TOO_LARGE` for the
   *   hint; {ValueError}; {StoreError}.
   */
  async put(key: string, value: T, options: WriteOptions = {}): Promise<void> {
    await this.#write({ name: rowName(key), value: encodeValue(value) }, options);
  }

  /** The row's value, or `undefined`: absence is an answer. [DB4] */
  async get(key: string): Promise<T | undefined> {
    return valueOf<T>(await this.#row(key));
  }

  /** Deletes a row; one that is not there is left alone, and nothing is written. @throws as `put`. [DB5] */
  async delete(key: string, options: WriteOptions = {}): Promise<void> {
    await this.#write({ name: rowName(key), value: undefined }, options);
  }

  /** Whether `get` would answer a value. */
  async has(key: string): Promise<boolean> {
    return (await this.#row(key)).heads[0]?.value !== undefined;
  }

  /**
   * Rows in key order, as they were when the first was asked for. Reads as it is asked. [DB6]
   *
   * @throws {DbError} `DB_KEY_INVALID`, `DB_CLOSED`; {TypeError}, {RangeError} for bounds that make no sense: at the call.
   */
  scan(options: ScanOptions = {}): AsyncGenerator<KeyValue<T>, void, undefined> {
    const { limit } = options;
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0))
      throw new RangeError("A scan's limit is a whole number");
    refuseClosed(this.#world);
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
      refuseClosed(this.#world);
      const value = valueOf<T>(row);
      if (value === undefined) continue;
      yield { key: keyText(key), value };
      left -= 1;
      if (left === 0) return;
    }
  }

  /**
   * The present state, then every change as it becomes durable here, whoever made it. Pull-driven: a slow consumer costs
   * disk reads, not memory. Ends when the database closes; throws the signal's reason when aborted. [DB8]
   *
   * @throws {DbError} `DB_KEY_INVALID`, `DB_CLOSED`; {TypeError}: at the call.
   */
  watch(options: WatchOptions = {}): AsyncGenerator<WatchPage<T>, void, undefined> {
    refuseClosed(this.#world);
    return watchCollection<T>(this.#world, this.id, options);
  }

  /** All values of a row that nobody has seen past, the visible one first; empty when there is no conflict. [DB7] */
  async conflicts(key: string): Promise<ConflictingValue<T>[]> {
    const row = await this.#row(key);
    if (!isConflict(row)) return [];
    return row.heads.map(({ value, log, timestamp }, i) => ({
      value: value === undefined ? undefined : (decodeValue(value) as T),
      winner: i === 0,
      device: logIdOf(this.#world.history.logOf(log)).device,
      timestampMs: timestampMillis(timestamp),
    }));
  }

  /** The row with this key, which need not be there. @throws {DbError} `DB_KEY_INVALID`; {TypeError}. */
  row(key: string): RowHandle<T> {
    rowName(key);
    return {
      key,
      get: () => this.get(key),
      put: (value, options) => this.put(key, value, options),
      delete: (options) => this.delete(key, options),
      conflicts: () => this.conflicts(key),
    };
  }

  async #row(key: string): Promise<Row> {
    const name = rowName(key);
    refuseClosed(this.#world);
    return this.#world.history.row(this.id, name.space, name.key);
  }

  async #write(row: RowWrite, { hint }: WriteOptions): Promise<void> {
    checkHint(hint);
    // A hint speaks for its own commit.
    const together = hint === undefined;
    await commit(this.#world, { parts: [{ scope: this.id, rows: [row] }], hint, together });
  }
}
