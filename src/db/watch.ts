/**
 * A watch: the present state by pages, then the change log as it grows.
 *
 *     sequence s, snapshot ──> pages ──> caughtUp ──> changes after s ──> wait ──> changes ──> …
 *
 * Between two pages nothing is held but the snapshot, and that only until caught up: whoever asks slowly makes us read
 * again, not remember.
 */

import { codeOf, concatBytes, type ScopeId, type Value } from "../base/index.ts";
import {
  type Change as LoggedChange,
  type History,
  ROW_SPACE,
  type Row,
  type RowRange,
} from "../history/index.ts";
import type { Snapshot } from "../store/index.ts";
import { rangeOf } from "./key-range.ts";
import { WATCH_READ_CHANGES, WATCH_READ_ROWS } from "./limits.ts";
import { keyText } from "./names.ts";
import { visibleIn } from "./row-view.ts";
import { PageOf, type WatchPage } from "./watch-page.ts";
import { Views } from "./watch-views.ts";
import { type DbWorld, refuseDestroyed } from "./world.ts";

export interface WatchOptions {
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The present state in pages, then each commit and delivery as it was applied. [DB8] [DB9] */
export function watchCollection<T = Value>(
  world: DbWorld,
  scope: ScopeId,
  { prefix, signal }: WatchOptions,
): AsyncGenerator<WatchPage<T>, void, undefined> {
  return new Watch<T>(world, scope, rangeOf({ prefix }), signal).pages();
}

class Watch<T> {
  readonly #world: DbWorld;
  readonly #history: History;
  readonly #scope: ScopeId;
  readonly #range: RowRange;
  readonly #signal: AbortSignal | undefined;

  constructor(world: DbWorld, scope: ScopeId, range: RowRange, signal: AbortSignal | undefined) {
    this.#world = world;
    this.#history = world.history;
    this.#scope = scope;
    this.#range = range;
    this.#signal = signal;
  }

  async *pages(): AsyncGenerator<WatchPage<T>, void, undefined> {
    if (this.#isOver()) return;
    const news = new News(this.#world, this.#scope, this.#signal);
    const views = new Views(this.#world, this.#scope, () => news.wake());
    try {
      // Taken before the state is, so that nothing falls between it and what follows.
      let sequence = this.#history.sequence(this.#world.name);
      yield* this.#presentState();
      while (!this.#isOver()) {
        const more = news.next();
        const changes = await readAgain(() => this.#changesAfter(sequence));
        for (const change of changes) {
          yield* this.#changePages(change);
          if (this.#isOver()) return;
          sequence = change.sequence;
        }
        if (changes.length > 0) continue;
        const ranges = views.changed(this.#range);
        for (const range of ranges) yield* this.#pagesOf(this.#rowsWithHeads(range), false);
        if (ranges.length > 0) continue;
        await more;
        sequence = Math.max(sequence, news.quietUntil);
      }
    } catch (error) {
      // A store that was closed in the middle of a read ends a watch as its database does.
      if (!this.#world.ending.aborted || this.#signal?.aborted === true) throw error;
    } finally {
      views.stop();
      news.stop();
    }
  }

  /** Whether the database has closed. @throws the signal's reason when it is aborted; {DbError} `DB_COLLECTION_DESTROYED`. */
  #isOver(): boolean {
    this.#signal?.throwIfAborted();
    refuseDestroyed(this.#world, this.#scope);
    return this.#world.ending.aborted;
  }

  async *#presentState(): AsyncGenerator<WatchPage<T>, void, undefined> {
    const view = new View(this.#history);
    const close = (): void => void view.close();
    this.#world.ending.addEventListener("abort", close, { once: true });
    try {
      let range: RowRange | undefined = this.#range;
      while (range !== undefined) {
        const from: RowRange = range;
        const { page, next } = await view.read((snapshot) => this.#statePage(from, snapshot));
        if (this.#isOver()) return;
        range = next === undefined ? undefined : { ...from, start: next };
        yield page.done(range === undefined);
        if (this.#isOver()) return;
      }
    } finally {
      this.#world.ending.removeEventListener("abort", close);
      await view.close();
    }
  }

  /** Rows of the range until a page is full, and the key of the first that found no room. */
  async #statePage(
    range: RowRange,
    snapshot: Snapshot | undefined,
  ): Promise<{ readonly page: PageOf<T>; readonly next: Uint8Array | undefined }> {
    const page = new PageOf<T>(false);
    for await (const { key, row } of this.#history.scan(this.#scope, ROW_SPACE.rows, range, {
      snapshot,
    })) {
      if (this.#isOver()) break;
      // What was deleted is not part of the present state, unless another value contends with the deletion.
      const visible = visibleIn(this.#world, this.#scope, key, row);
      if (visible.value === undefined && !visible.conflict) continue;
      if (!page.fits(key, row)) return { page, next: key };
      page.add(key, row, visible);
    }
    return { page, next: undefined };
  }

  async #changesAfter(sequence: number): Promise<LoggedChange[]> {
    const changes: LoggedChange[] = [];
    for await (const change of this.#history.changesAfter(this.#world.name, sequence)) {
      changes.push(change);
      if (changes.length === WATCH_READ_CHANGES) break;
    }
    return changes;
  }

  /** One change's rows as they are now, as one page unless they are many. */
  #changePages(change: LoggedChange): AsyncGenerator<WatchPage<T>, void, undefined> {
    return this.#pagesOf(this.#changedRows(change), change.fromSync);
  }

  async *#pagesOf(
    rows: AsyncIterable<KeyAndRow>,
    fromSync: boolean,
  ): AsyncGenerator<WatchPage<T>, void, undefined> {
    let page = new PageOf<T>(fromSync);
    for await (const { key, row } of rows) {
      if (!page.fits(key, row)) {
        yield page.done(true);
        if (this.#isOver()) return;
        page = new PageOf<T>(fromSync);
      }
      page.add(key, row, visibleIn(this.#world, this.#scope, key, row));
    }
    if (!page.isEmpty) yield page.done(true);
  }

  /** The rows that show what a change brought; one that has changed since is left to its later change. [DB9] */
  async *#changedRows(change: LoggedChange): AsyncGenerator<KeyAndRow, void, undefined> {
    const number = this.#history.scope(this.#scope)?.number;
    const told = new Set<string>();
    const { parts, takenBack = [] } = change;
    const gone = new Set(takenBack);
    for (const part of [...parts, ...takenBack]) {
      if (part.scope !== number) continue;
      const names = await readAgain(() => this.#history.rowsOfPart(part));
      const keys = names.filter((name) => this.#isWatched(name)).map(({ key }) => key);
      for (let from = 0; from < keys.length; from += WATCH_READ_ROWS) {
        const some = keys.slice(from, from + WATCH_READ_ROWS);
        const rows = await readAgain(() => this.#history.rows(this.#scope, ROW_SPACE.rows, some));
        for (const [i, key] of some.entries()) {
          const row = rows[i] as Row;
          const text = keyText(key);
          const isShown = row.heads.some(
            ({ log, generation }) => log === part.log && generation === part.generation,
          );
          // What was taken back shows in what the row is without it.
          if (isShown === gone.has(part) || told.has(text)) continue;
          told.add(text);
          yield { key, row };
        }
      }
    }
  }

  /** Rows with several heads: the only ones that a policy shows in a way of its own. [CO17] */
  async *#rowsWithHeads(range: RowRange): AsyncGenerator<KeyAndRow, void, undefined> {
    let from: RowRange | undefined = range;
    while (from !== undefined) {
      const found: KeyAndRow[] = [];
      const start: RowRange = from;
      from = await readAgain(async () => {
        found.length = 0;
        for await (const one of this.#history.scan(this.#scope, ROW_SPACE.rows, start)) {
          if (this.#isOver()) return undefined;
          if (one.row.heads.length < 2) continue;
          found.push(one);
          if (found.length === WATCH_READ_ROWS) return { ...start, start: afterKey(one.key) };
        }
        return undefined;
      });
      yield* found;
    }
  }

  #isWatched({ space, key }: { readonly space: number; readonly key: Uint8Array }): boolean {
    const prefix = this.#range.start ?? NOTHING;
    return (
      space === ROW_SPACE.rows &&
      key.length >= prefix.length &&
      prefix.every((byte, i) => key[i] === byte)
    );
  }
}

interface KeyAndRow {
  readonly key: Uint8Array;
  readonly row: Row;
}

const NOTHING = new Uint8Array();

/** The least key after this one. */
export function afterKey(key: Uint8Array): Uint8Array {
  return concatBytes(key, Uint8Array.of(0));
}

/** The store as it was when the view was made, unless the store has to be reopened under it: then as it is. */
class View {
  #snapshot: Snapshot | undefined;

  constructor(history: History) {
    try {
      this.#snapshot = history.snapshot();
    } catch (error) {
      if (!isReopening(error)) throw error;
    }
  }

  async read<R>(read: (snapshot: Snapshot | undefined) => Promise<R>): Promise<R> {
    try {
      return await read(this.#snapshot);
    } catch (error) {
      if (!isReopening(error)) throw error;
      // What has changed meanwhile is told again as a change: nothing is missed by reading a later state.
      await this.close();
      return read(undefined);
    }
  }

  async close(): Promise<void> {
    const snapshot = this.#snapshot;
    this.#snapshot = undefined;
    await snapshot?.close();
  }
}

/** Reads once more when the store was reopened in the middle, as it is after a full disk. */
async function readAgain<R>(read: () => Promise<R>): Promise<R> {
  try {
    return await read();
  } catch (error) {
    if (!isReopening(error)) throw error;
    return read();
  }
}

function isReopening(error: unknown): boolean {
  return codeOf(error) === "STORE_READ_FAILED";
}

/** Lets somebody wait until a scope is written to, its database ends or its caller has had enough. */
export class News {
  readonly #stops: (() => void)[];
  #wake: () => void = () => {};
  /** Whether the scope has been written to since `next` was called last. */
  #isPending = true;
  #quietUntil = 0;

  constructor(world: DbWorld, scope: ScopeId, signal: AbortSignal | undefined) {
    const { history, name, ending } = world;
    const wake = (): void => this.wake();
    this.#stops = [
      history.onWritten(({ database, sequence, parts, takenBack = [] }) => {
        if (database !== name) return;
        const number = history.scope(scope)?.number;
        if ([...parts, ...takenBack].some((part) => part.scope === number)) {
          this.#isPending = true;
          wake();
        } else if (!this.#isPending) this.#quietUntil = sequence;
      }),
    ];
    for (const one of [ending, signal]) {
      if (one === undefined) continue;
      one.addEventListener("abort", wake, { once: true });
      this.#stops.push(() => one.removeEventListener("abort", wake));
    }
  }

  /** Ends the wait for the next news. */
  wake(): void {
    this.#wake();
  }

  /** Position up to which nothing concerns the scope, once all before the last `next` has been read. */
  get quietUntil(): number {
    return this.#quietUntil;
  }

  /** Resolves at the next news after this call. */
  next(): Promise<void> {
    this.#isPending = false;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }
}
