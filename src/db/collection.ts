import {
  type DeviceId,
  decodeValue,
  encodeValue,
  logIdOf,
  ROW_KEY_BYTES_MAX,
  type ScopeId,
  timestampMillis,
  type UserId,
  utf8,
  type Value,
} from "../base/index.ts";
import { ROW_SPACE, type Row, type RowRange } from "../history/index.ts";
import { keyText, rowName } from "./names.ts";
import { isConflict, prefixEnd, valueOf } from "./row-view.ts";
import { watchCollection, type WatchOptions, type WatchPage } from "./watch.ts";
import type { DbWorld } from "./world.ts";
import { commit } from "./write.ts";

export interface WriteOptions {
  /** The application's word for the write, offered to whoever resolves a conflict: 256 bytes at most. */
  readonly hint?: string | undefined;
}

export interface ScanOptions {
  /** Only keys that begin with it. Not together with `start` or `end`. */
  readonly prefix?: string | undefined;
  /** First key; default: the first there is. */
  readonly start?: string | undefined;
  /** Key before which it ends; default: after the last. */
  readonly end?: string | undefined;
  /** From the last key to the first. Default false. */
  readonly reverse?: boolean | undefined;
  /** Rows at most. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
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
   * @throws {DbError} `DB_KEY_INVALID`, `DB_NO_ACCESS`, `DB_READ_ONLY`; {ValueError}; {StoreError}.
   */
  async put(key: string, value: T, options: WriteOptions = {}): Promise<void> {
    const name = rowName(key);
    const bytes = encodeValue(value);
    await commit(this.#world, {
      scope: this.id,
      rows: [{ name, value: bytes }],
      hint: options.hint,
      together: options.hint === undefined,
    });
  }

  /** The row's value, or `undefined`: absence is an answer. [DB4] */
  async get(key: string): Promise<T | undefined> {
    return valueOf<T>(await this.#row(key));
  }

  /** Deletes a row; one that is not there is left alone, and nothing is written. [DB5] */
  async delete(key: string, options: WriteOptions = {}): Promise<void> {
    const name = rowName(key);
    await commit(this.#world, {
      scope: this.id,
      rows: [{ name, value: undefined }],
      hint: options.hint,
      together: options.hint === undefined,
    });
  }

  async has(key: string): Promise<boolean> {
    return (await this.#row(key)).heads[0]?.value !== undefined;
  }

  /** Rows in key order, as they were when the scan began. Reads as it is asked. [DB6] */
  async *scan(
    options: ScanOptions = {},
  ): AsyncGenerator<{ readonly key: string; readonly value: T }, void, undefined> {
    const { signal, reverse, limit = Number.POSITIVE_INFINITY } = options;
    const range = scanRange(options);
    let count = 0;
    if (limit <= 0) return;
    for await (const { key, row } of this.#world.history.scan(this.id, ROW_SPACE.rows, range, {
      reverse,
    })) {
      signal?.throwIfAborted();
      const value = valueOf<T>(row);
      if (value === undefined) continue;
      yield { key: keyText(key), value };
      count += 1;
      if (count >= limit) return;
    }
  }

  /**
   * The present state, then every change as it becomes durable here, whoever made it. Pull-driven: a slow consumer costs
   * disk reads, not memory. Ends when the database closes. [DB8]
   */
  watch(options: WatchOptions = {}): AsyncGenerator<WatchPage<T>, void, undefined> {
    return watchCollection<T>(this.#world, this.id, options);
  }

  /** All values of a row that nobody has seen past, the visible one first; empty when there is no conflict. [DB7] */
  async conflicts(key: string): Promise<ConflictingValue<T>[]> {
    const { heads } = await this.#row(key);
    if (!isConflict(heads)) return [];
    return heads.map(({ value, log, timestamp }, i) => ({
      value: value === undefined ? undefined : (decodeValue(value) as T),
      winner: i === 0,
      device: logIdOf(this.#world.history.logOf(log)).device,
      timestampMs: timestampMillis(timestamp),
    }));
  }

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

  #row(key: string): Promise<Row> {
    return this.#world.history.row(this.id, ROW_SPACE.rows, rowName(key).key);
  }
}

function scanRange({ prefix, start, end }: ScanOptions): RowRange {
  if (prefix !== undefined && (start !== undefined || end !== undefined))
    throw new TypeError("A scan has a prefix, or a start and an end");
  for (const bound of [prefix, start, end]) {
    if (bound !== undefined && (typeof bound !== "string" || bound.length > ROW_KEY_BYTES_MAX))
      throw new TypeError("A scan's bounds are row keys");
  }
  if (prefix !== undefined && prefix !== "") {
    const bytes = utf8(prefix);
    return { start: bytes, end: prefixEnd(bytes) };
  }
  return {
    start: start === undefined ? undefined : utf8(start),
    end: end === undefined ? undefined : utf8(end),
  };
}
