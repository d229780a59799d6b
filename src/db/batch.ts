import {
  BATCH_BYTES_MAX,
  BATCH_OPS_MAX,
  decodeValue,
  encodeValue,
  type LogKey,
  type ScopeId,
  scopeKeyOf,
  type Value,
} from "../base/index.ts";
import { shownValue } from "../conflicts/index.ts";
import type { Row, RowName, RowRead, RowWrite, WriteOutcome } from "../history/index.ts";
import type { Snapshot } from "../store/index.ts";
import { Collection } from "./collection.ts";
import { DbError } from "./errors.ts";
import { BATCH_READS_MAX, BATCH_TRIES_MAX } from "./limits.ts";
import { rowName } from "./names.ts";
import {
  type Cell,
  type CounterRow,
  counterRow,
  editedInBatch,
  type MapRow,
  mapRow,
  type SetRow,
  setRow,
} from "./mergeable-rows.ts";
import { visibleIn } from "./row-view.ts";
import { type DbWorld, refuseClosed } from "./world.ts";
import { checkHint, commit } from "./write.ts";

export interface BatchOptions {
  /** The application's word for the batch, offered to whoever resolves a conflict: 256 bytes at most. */
  readonly hint?: string | undefined;
  /** Gives the batch up before it is run again or committed. A commit under way is not called back. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads and writes of one collection that become one commit: all or nothing, here and on every peer. What it reads is
 * what it has written itself, else the state of one moment; if that has changed when it commits, its function is run
 * again. Made by `Database.batch`. [DB10]
 */
export class Batch {
  readonly #world: DbWorld;
  readonly #writes = new Map<string, RowWrite>();
  readonly #reads = new Map<string, RowRead>();
  #scope: ScopeId | undefined;
  /** The moment of the first read: what is read shows no half of another batch. */
  #snapshot: Snapshot | undefined;
  /** Our log when a counter was changed: its new total is of that one. */
  #log: LogKey | undefined;
  #bytes = 0;
  #hasEnded = false;

  constructor(world: DbWorld) {
    this.#world = world;
  }

  /**
   * @throws {DbError} `DB_BATCH_SCOPES`, `DB_BATCH_TOO_LARGE`, `DB_BATCH_ENDED`, `DB_KEY_INVALID`; {ValueError}; {TypeError}. The batch is
   *   then as before.
   */
  put<T>(collection: Collection<T>, key: string, value: T): void {
    this.#check(collection);
    this.#write(collection, { name: rowName(key), value: encodeValue(value) });
  }

  /** @throws as `put`. */
  delete<T>(collection: Collection<T>, key: string): void {
    this.#check(collection);
    this.#write(collection, { name: rowName(key), value: undefined });
  }

  /** @throws {DbError} as `put`, `DB_BATCH_TOO_LARGE` for too many rows read; {StoreError}. */
  async get<T>(collection: Collection<T>, key: string): Promise<T | undefined> {
    this.#check(collection);
    const name = rowName(key);
    const written = this.#writes.get(key);
    if (written !== undefined) return shownValue(valueIn(written)) as T | undefined;
    const row = await this.#read(collection, name);
    return visibleIn(this.#world, collection.id, key, row).value as T | undefined;
  }

  /** @throws as `get`. */
  async has<T>(collection: Collection<T>, key: string): Promise<boolean> {
    return (await this.get(collection, key)) !== undefined;
  }

  /** The row as a counter that changes with the batch. @throws as `put`. [CO15] */
  counter<T>(collection: Collection<T>, key: string): CounterRow {
    return counterRow(this.#cell(collection, key));
  }

  /** The row as a set that changes with the batch. @throws as `put`. [CO15] */
  set<E = Value>(collection: Collection<never> | Collection, key: string): SetRow<E> {
    return setRow<E>(this.#cell(collection, key));
  }

  /** The row as a map that changes with the batch. @throws as `put`. [CO15] */
  map<V = Value>(collection: Collection<never> | Collection, key: string): MapRow<V> {
    return mapRow<V>(this.#cell(collection, key));
  }

  #cell<T>(collection: Collection<T>, key: string): Cell {
    this.#check(collection);
    const name = rowName(key);
    return {
      get: async () => (await this.get(collection, key)) as Value | undefined,
      edit: async (kind, edit) => {
        this.#check(collection);
        const known = this.#writes.get(key);
        const row = known === undefined ? await this.#read(collection, name) : ABSENT_ROW;
        // Between here and the write nothing is awaited, so that no other change of this batch comes between.
        const written = this.#writes.get(key);
        const before = written === undefined ? { row } : { pending: valueIn(written) };
        const log = (this.#log ??= this.#world.history.ownLog(this.#world.name));
        const value = editedInBatch(this.#world, kind, (content) => edit(content, log), before);
        if (value !== undefined) this.#write(collection, { name, value: encodeValue(value) });
      },
    };
  }

  /** Ends the batch; nothing more can be done with it but to commit it. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#snapshot?.close();
  }

  /** Commits what was written, unless what was read has changed. */
  async commit(hint: string | undefined): Promise<WriteOutcome> {
    if (this.#scope === undefined || this.#writes.size === 0) return "written";
    return commit(this.#world, {
      parts: [{ scope: this.#scope, rows: [...this.#writes.values()] }],
      reads: [...this.#reads.values()],
      log: this.#log,
      hint,
    });
  }

  #check(collection: Pick<Collection, "id">): void {
    if (!(collection instanceof Collection))
      throw new TypeError("A batch writes to a collection of its database");
    if (this.#hasEnded)
      throw new DbError("DB_BATCH_ENDED", "Cannot use batch: its function has returned");
    refuseClosed(this.#world);
    const { id } = collection;
    if (id.database !== this.#world.name) {
      throw new DbError(
        "DB_BATCH_SCOPES",
        `Cannot use batch: collection "${id.name}" is of another database`,
      );
    }
    if (this.#scope !== undefined && scopeKeyOf(this.#scope) !== scopeKeyOf(id)) {
      throw new DbError(
        "DB_BATCH_SCOPES",
        "Cannot use batch: it spans collections, which is not supported yet",
      );
    }
  }

  #write({ id }: Pick<Collection, "id">, row: RowWrite): void {
    const before = this.#writes.get(row.name.text);
    const bytes = this.#bytes + sizeOf(row) - (before === undefined ? 0 : sizeOf(before));
    if (before === undefined && this.#writes.size >= BATCH_OPS_MAX)
      throw new DbError("DB_BATCH_TOO_LARGE", `Cannot add to batch: over ${BATCH_OPS_MAX} ops`);
    if (bytes > BATCH_BYTES_MAX)
      throw new DbError("DB_BATCH_TOO_LARGE", `Cannot add to batch: over ${BATCH_BYTES_MAX} bytes`);
    this.#scope = id;
    this.#bytes = bytes;
    this.#writes.set(row.name.text, row);
  }

  async #read({ id }: Pick<Collection, "id">, name: RowName): Promise<Row> {
    if (!this.#reads.has(name.text) && this.#reads.size >= BATCH_READS_MAX) {
      throw new DbError(
        "DB_BATCH_TOO_LARGE",
        `Cannot read in batch: it reads over ${BATCH_READS_MAX} rows`,
      );
    }
    const { history } = this.#world;
    this.#scope = id;
    const snapshot = (this.#snapshot ??= history.snapshot());
    let row: Row;
    try {
      row = await history.row(id, name.space, name.key, { snapshot });
    } catch (cause) {
      // The snapshot went with the batch: whoever waits for this has not been waited for.
      if (this.#hasEnded)
        throw new DbError("DB_BATCH_ENDED", "Cannot use batch: its function has returned", {
          cause,
        });
      throw cause;
    }
    this.#reads.set(name.text, { scope: id, name, row: headsOnly(row) });
    return row;
  }
}

const ABSENT_ROW: Row = { heads: [], seen: [] };

function valueIn({ value }: RowWrite): Value | undefined {
  return value === undefined ? undefined : decodeValue(value);
}

const NO_SALT = new Uint8Array();
const NO_DIGEST = new Uint8Array();

/** Which versions a row had: without their values, so that a batch may read more than it may hold. */
function headsOnly({ heads }: Row): Row {
  return {
    heads: heads.map(({ log, generation, timestamp }) => ({
      log,
      generation,
      timestamp,
      salt: NO_SALT,
      digest: NO_DIGEST,
      context: [],
      value: undefined,
    })),
    seen: [],
  };
}

/** Bytes of an op beside its key and value: salt, tags and lengths. What a context takes is checked at the commit. */
const OP_OVERHEAD = 32;

function sizeOf({ name, value }: RowWrite): number {
  return name.key.length + (value?.length ?? 0) + OP_OVERHEAD;
}

/** Runs `fn` and commits what it wrote, again while what it read has changed meanwhile. */
export async function runBatch<R>(
  world: DbWorld,
  fn: (batch: Batch) => Promise<R> | R,
  { hint, signal }: BatchOptions,
): Promise<R> {
  if (typeof fn !== "function") throw new TypeError("A batch is made by a function");
  checkHint(hint);
  for (let tries = 1; tries <= BATCH_TRIES_MAX; tries++) {
    signal?.throwIfAborted();
    refuseClosed(world);
    const batch = new Batch(world);
    let result: R;
    try {
      result = await fn(batch);
    } finally {
      await batch.end();
    }
    signal?.throwIfAborted();
    if ((await batch.commit(hint)) === "written") return result;
  }
  throw new DbError(
    "DB_CONCURRENT_BATCH",
    `Cannot commit batch: rows that it reads have changed meanwhile, ${BATCH_TRIES_MAX} times`,
  );
}
