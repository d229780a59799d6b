import {
  BATCH_OPS_MAX,
  compareBytes,
  decodeValue,
  encodeValue,
  type LogKey,
  type Value,
} from "../base/index.ts";
import { shownValue } from "../conflicts/index.ts";
import {
  ROW_SPACE,
  type Row,
  type RowName,
  type RowRange,
  type RowWrite,
  type View,
  type WriteOutcome,
} from "../history/index.ts";
import { BatchContent } from "./batch-content.ts";
import { Collection, type KeyValue, type ScanOptions } from "./collection.ts";
import { DbError } from "./errors.ts";
import { checkLimit, type KeyBounds, rangeOf } from "./key-range.ts";
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
import { keyText, rowName } from "./names.ts";
import { visibleIn } from "./row-view.ts";
import { type DbWorld, refuseClosed, refuseDestroyed } from "./world.ts";
import { commit } from "./write.ts";

/**
 * Reads and writes of collections of one database that become one commit: all or nothing, here and on every peer that may
 * read them. What it reads is what it has written itself, else the state of one moment; if that has changed when it
 * commits, its function is run again. Made by `Database.batch`. [DB10]
 */
export class Batch {
  readonly #world: DbWorld;
  readonly #isReadOnly: boolean;
  readonly #content = new BatchContent();
  /** The moment of the first read: what is read shows no half of another batch. */
  #view: View | undefined;
  /** Our log when a counter was changed: its new total is of that one. */
  #log: LogKey | undefined;
  #hasEnded = false;
  /** What has begun and has not ended: whoever began it awaits it, or the batch lacks a part of what it was to do. */
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(world: DbWorld, isReadOnly: boolean) {
    this.#world = world;
    this.#isReadOnly = isReadOnly;
  }

  /**
   * @throws {DbError} `DB_BATCH_SCOPES`, `DB_BATCH_TOO_LARGE`, `DB_BATCH_ENDED`, `DB_READ_ONLY_BATCH`, `DB_KEY_INVALID`, `DB_CLOSED`;
   *   {ValueError}; {TypeError}. The batch is then as before.
   */
  put<T>(collection: Collection<T>, key: string, value: T): void {
    this.#checkWrite(collection);
    this.#write(collection, { name: rowName(key), value: encodeValue(value) });
  }

  /** @throws as `put`. */
  delete<T>(collection: Collection<T>, key: string): void {
    this.#checkWrite(collection);
    this.#write(collection, { name: rowName(key), value: undefined });
  }

  /**
   * Deletes the rows that a scan of these bounds would give now, and answers how many. One that appears there before the
   * commit is a conflict. It reads, so it must be awaited, unlike `put` and `delete`. [DB21]
   *
   * @throws as `put`, and as `scan`.
   */
  deleteRange<T>(collection: Collection<T>, bounds: KeyBounds): Promise<number> {
    return this.#begin(this.#deleteRange(collection, bounds));
  }

  async #deleteRange<T>(collection: Collection<T>, bounds: KeyBounds): Promise<number> {
    this.#checkWrite(collection);
    const rows: RowWrite[] = [];
    for await (const { key } of this.scan(collection, pickBounds(bounds))) {
      rows.push({ name: rowName(key), value: undefined });
      // It is refused below: what more there is need not be read.
      if (rows.length > BATCH_OPS_MAX) break;
    }
    this.#check(collection);
    this.#content.write(collection.id, rows);
    return rows.length;
  }

  /** @throws {DbError} as `put`, `DB_BATCH_TOO_LARGE` for too many rows read; {StoreError}. */
  get<T>(collection: Collection<T>, key: string): Promise<T | undefined> {
    return this.#begin(this.#get(collection, key));
  }

  async #get<T>(collection: Collection<T>, key: string): Promise<T | undefined> {
    this.#check(collection);
    const name = rowName(key);
    const written = this.#content.written(collection.id, key);
    if (written !== undefined) return shownValue(valueIn(written)) as T | undefined;
    const row = await this.#read(collection, name);
    return visibleIn(this.#world, collection.id, key, row).value as T | undefined;
  }

  /** @throws as `get`. */
  async has<T>(collection: Collection<T>, key: string): Promise<boolean> {
    return (await this.get(collection, key)) !== undefined;
  }

  /**
   * Rows in key order: those of the batch's moment, with what it had written when `scan` was called. A row that changes,
   * appears or goes within the bounds before the commit is a conflict; a `limit` that ends the scan ends what is
   * compared, too. [DB19]
   *
   * @throws {DbError} `DB_BATCH_SCOPES`, `DB_BATCH_ENDED`, `DB_BATCH_TOO_LARGE` for too many ranges, `DB_KEY_INVALID`, `DB_CLOSED`;
   *   {TypeError}, {RangeError}: at the call; {StoreError}.
   */
  scan<T>(
    collection: Collection<T>,
    options: ScanOptions = {},
  ): AsyncGenerator<KeyValue<T>, void, undefined> {
    this.#check(collection);
    checkLimit(options.limit);
    const { reverse = false } = options;
    const range = rangeOf(options);
    const { id } = collection;
    const own = this.#content.writtenWithin(id, range, reverse);
    const narrow = this.#content.noteRange(id, this.#open(), range, reverse);
    const rows = this.#scan<T>(collection, range, own, narrow, options);
    const next = rows.next.bind(rows);
    return Object.assign(rows, { next: () => this.#begin(next()) });
  }

  async *#scan<T>(
    { id }: Pick<Collection<T>, "id">,
    range: RowRange,
    own: readonly RowWrite[],
    narrow: (last: Uint8Array) => void,
    { reverse = false, limit = Number.POSITIVE_INFINITY, signal }: ScanOptions,
  ): AsyncGenerator<KeyValue<T>, void, undefined> {
    signal?.throwIfAborted();
    let left = limit;
    if (left === 0) return;
    const { snapshot } = this.#open();
    const rows = this.#world.history.scan(id, ROW_SPACE.rows, range, { reverse, snapshot });
    for await (const found of this.#reading(merged(rows, own, reverse))) {
      signal?.throwIfAborted();
      const key = keyText(found.key);
      const { value, conflict } =
        "write" in found
          ? { value: shownValue(valueIn(found.write)), conflict: false }
          : visibleIn(this.#world, id, key, found.row);
      if (value === undefined) continue;
      left -= 1;
      if (left === 0) narrow(found.key);
      yield { key, value: value as T, ...(conflict && { conflict }) };
      if (left === 0) return;
    }
  }

  /** The same, ended with the batch. */
  async *#reading<E>(entries: AsyncIterable<E>): AsyncGenerator<E, void, undefined> {
    try {
      for await (const entry of entries) {
        this.#refuseEnded();
        yield entry;
      }
    } catch (cause) {
      throw this.#readError(cause);
    }
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
    const { id } = collection;
    return {
      get: async () => (await this.get(collection, key)) as Value | undefined,
      edit: async (kind, edit) => {
        this.#checkWrite(collection);
        const known = this.#content.written(id, key);
        const row =
          known === undefined ? await this.#begin(this.#read(collection, name)) : ABSENT_ROW;
        // Between here and the write nothing is awaited, so that no other change of this batch comes between.
        const written = this.#content.written(id, key);
        const before = written === undefined ? { row } : { pending: valueIn(written) };
        const log = (this.#log ??= this.#world.history.ownLog(this.#world.name));
        const value = editedInBatch(this.#world, kind, (content) => edit(content, log), before);
        if (value !== undefined) this.#write(collection, { name, value: encodeValue(value) });
      },
    };
  }

  /**
   * Refuses a batch whose function has returned while something of it goes on, as where a `deleteRange` was not awaited: what it
   * was to write would be missing. That is let come to its end before, so that it fails nowhere unseen. [DB40]
   *
   * @throws {DbError} `DB_BATCH_ENDED`.
   */
  async refuseUnderWay(): Promise<void> {
    if (this.#underWay.size === 0) return;
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    throw new DbError(
      "DB_BATCH_ENDED",
      "Cannot commit batch: its function has returned before a read or deleteRange of it was done; await each of them",
    );
  }

  /** Nothing more can be done with the batch but to commit it. */
  end(): void {
    this.#hasEnded = true;
    // What its function threw, or the time that was over, is what its caller hears.
    for (const running of this.#underWay) running.catch(() => {});
  }

  /** Ends the batch and gives up what it reads by. */
  async close(): Promise<void> {
    this.end();
    await this.#view?.close();
  }

  /** Commits what was written, unless what was read has changed. */
  async commit(hint: string | undefined): Promise<WriteOutcome> {
    const request = this.#content.request(this.#log, hint);
    return request === undefined ? "written" : commit(this.#world, request);
  }

  /** What is begun is under way until whoever awaits it has it. */
  #begin<R>(running: Promise<R>): Promise<R> {
    const told = running.finally(() => this.#underWay.delete(told));
    this.#underWay.add(told);
    return told;
  }

  #refuseEnded(cause?: unknown): void {
    if (this.#hasEnded)
      throw new DbError("DB_BATCH_ENDED", "Cannot use batch: its function has ended", { cause });
  }

  #check(collection: Pick<Collection, "id">): void {
    if (!(collection instanceof Collection))
      throw new TypeError("A batch reads and writes collections of its database");
    this.#refuseEnded();
    refuseClosed(this.#world);
    const { id } = collection;
    if (id.database !== this.#world.name) {
      throw new DbError(
        "DB_BATCH_SCOPES",
        `Cannot use batch: collection "${id.name}" is of another database`,
      );
    }
    refuseDestroyed(this.#world, id);
  }

  #checkWrite(collection: Pick<Collection, "id">): void {
    this.#check(collection);
    if (this.#isReadOnly)
      throw new DbError("DB_READ_ONLY_BATCH", "Cannot write in batch: it is for reading only");
  }

  #write({ id }: Pick<Collection, "id">, row: RowWrite): void {
    this.#content.writeOne(id, row);
  }

  #open(): View {
    return (this.#view ??= this.#world.history.view(this.#world.name));
  }

  async #read({ id }: Pick<Collection, "id">, name: RowName): Promise<Row> {
    this.#content.refuseRead(id, name);
    const { history } = this.#world;
    const { snapshot } = this.#open();
    let row: Row;
    try {
      row = await history.row(id, name.space, name.key, { snapshot });
    } catch (cause) {
      throw this.#readError(cause);
    }
    this.#content.noteRead(id, name, row);
    return row;
  }

  /** The snapshot goes with the batch: whoever waits for a read then has not been waited for. */
  #readError(cause: unknown): unknown {
    try {
      this.#refuseEnded(cause);
      return cause;
    } catch (ended) {
      return ended;
    }
  }
}

const ABSENT_ROW: Row = { heads: [], seen: [] };

function valueIn({ value }: RowWrite): Value | undefined {
  return value === undefined ? undefined : decodeValue(value);
}

function pickBounds({ prefix, start, end }: KeyBounds): KeyBounds {
  return { prefix, start, end };
}

type Found = { readonly key: Uint8Array } & ({ readonly row: Row } | { readonly write: RowWrite });

/** Rows as they lie there, with what was written in their places and between them. */
async function* merged(
  rows: AsyncIterable<{ readonly key: Uint8Array; readonly row: Row }>,
  own: readonly RowWrite[],
  reverse: boolean,
): AsyncGenerator<Found, void, undefined> {
  let next = 0;
  const sign = reverse ? -1 : 1;
  for await (const found of rows) {
    let order = -1;
    for (let write = own[next]; write !== undefined; write = own[next]) {
      order = sign * compareBytes(write.name.key, found.key);
      if (order > 0) break;
      next += 1;
      yield { key: write.name.key, write };
      if (order === 0) break;
    }
    if (order !== 0) yield found;
  }
  for (const write of own.slice(next)) yield { key: write.name.key, write };
}
