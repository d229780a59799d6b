/**
 * A watch: the present state by pages, or what has changed since a marker, then the order of changes as it grows.
 *
 *     position s, snapshot ──> pages ──────────────┐
 *     marker m ──> changes between m and s, pages ─┴─> caughtUp ──> changes after s ──> wait ──> changes ──> …
 *
 * Between two pages nothing is held but the snapshot, and that only until caught up: whoever asks slowly makes us read
 * again, not remember.
 */

import { type ScopeId, type ScopeKey, scopeKeyOf, type Value } from "../base/index.ts";
import { type Change as LoggedChange, ROW_SPACE, type RowRange } from "../history/index.ts";
import type { Snapshot } from "../store/index.ts";
import { DbError } from "./errors.ts";
import { rangesUnder, Views } from "./policies.ts";
import { visibleIn } from "./row-view.ts";
import {
  Arrivals,
  changedRows,
  noteTold,
  changesAfter,
  News,
  rowsWithHeads,
  StateView,
} from "./watch-changes.ts";
import {
  type Change,
  type DatabaseChange,
  type DatabaseWatchPage,
  PageOf,
  type ToldRow,
  type WatchPage,
} from "./watch-page.ts";
import { type CollectionPattern, Selection } from "./watch-selection.ts";
import { type DbWorld, isDestroyed, refuseDestroyed } from "./world.ts";

interface AnyWatchOptions {
  /** Goes on behind what a page with this marker ended, or where `marker()` stood. Default: begins with the present state. */
  readonly after?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchOptions extends AnyWatchOptions {
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined;
}

export interface DatabaseWatchOptions extends AnyWatchOptions {
  /** A name, with stars, is that of collections of our own user. Default: all collections of everybody. */
  readonly collections?: readonly (string | CollectionPattern)[] | undefined;
}

/** What `after` is to be where everything up to now is known. [DB28] */
export function markerNow({ history, name }: DbWorld): string {
  return history.changes.markerOf(name, history.sequence(name));
}

/** @throws as `Collection.watch`. [DB8] [DB9] */
export function watchCollection<T = Value>(
  world: DbWorld,
  scope: ScopeId,
  { prefix, after, signal }: WatchOptions,
): AsyncGenerator<WatchPage<T>, void, undefined> {
  const selection = Selection.ofCollection(world, scope, prefix);
  const position = positionOf(world, after);
  return new Watch<T, Change<T>>({ world, selection, position, signal, only: scope }).pages();
}

/** @throws as `Database.watch`. [DB31] */
export function watchDatabase<T = Value>(
  world: DbWorld,
  { collections = [{ name: "*", owner: "*" }], after, signal }: DatabaseWatchOptions,
): AsyncGenerator<DatabaseWatchPage<T>, void, undefined> {
  const us = world.history.identity.certified.user;
  const selection = Selection.ofPatterns(world, collections, us);
  const position = positionOf(world, after);
  return new Watch<T, DatabaseChange<T>>({
    world,
    selection,
    position,
    signal,
    only: undefined,
  }).pages();
}

function positionOf(world: DbWorld, after: string | undefined): number | undefined {
  if (after === undefined) return undefined;
  if (typeof after !== "string") throw new TypeError("A watch goes on after a marker, a text");
  const position = world.history.changes.positionOf(world.name, after);
  if (position !== undefined) return position;
  throw new DbError(
    "DB_RESUME_MARKER_UNKNOWN",
    `Cannot watch database "${world.name}": the marker is not of this store, or ahead of it`,
  );
}

interface WatchSetup {
  readonly world: DbWorld;
  readonly selection: Selection;
  /** Behind which to go on; `undefined`: the present state comes first. */
  readonly position: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** The collection when it is a watch of one; it ends with it. */
  readonly only: ScopeId | undefined;
}

/** Rows of one collection, in a list of such that are told one after the other. */
interface Span {
  readonly scope: ScopeId;
  readonly range: RowRange;
}

class Watch<T, C> {
  readonly #setup: WatchSetup;
  readonly #world: DbWorld;
  readonly #selection: Selection;
  readonly #views = new Map<ScopeKey, Views>();
  /** Collections that were destroyed, and have been told so unless that was before the watch. */
  readonly #destroyed = new Set<ScopeKey>();

  constructor(setup: WatchSetup) {
    this.#setup = setup;
    this.#world = setup.world;
    this.#selection = setup.selection;
  }

  async *pages(): AsyncGenerator<WatchPage<T, C>, void, undefined> {
    if (this.#isOver()) return;
    const isOf = (number: number): boolean => this.#selection.of(number) !== undefined;
    const news = new News(this.#world, isOf, this.#setup.signal);
    try {
      // Taken before the state is, so that nothing falls between it and what follows.
      let sequence = this.#world.history.sequence(this.#world.name);
      this.#lookForViews(news);
      yield* this.#beginning(sequence);
      while (!this.#isOver()) {
        const more = news.next();
        const changes = await changesAfter(this.#world, sequence);
        this.#lookForViews(news);
        yield* this.#destroyedSince(sequence);
        for (const change of changes) {
          yield* this.#changePages(change);
          if (this.#isOver()) return;
          sequence = change.sequence;
        }
        if (changes.length > 0) continue;
        const spans = this.#spansShownAnew();
        const marker = this.#markerOf(sequence);
        for (const { scope, range } of spans)
          yield* this.#pagesOf(this.#page(), rowsWithHeads(this.#world, scope, range), marker);
        if (spans.length > 0) continue;
        await more;
        sequence = Math.max(sequence, news.quietUntil);
      }
    } catch (error) {
      // A store that was closed in the middle of a read ends a watch as its database does.
      if (!this.#world.ending.aborted || this.#setup.signal?.aborted === true) throw error;
    } finally {
      for (const views of this.#views.values()) views.stop();
      news.stop();
    }
  }

  /** Whether the database has closed. @throws the signal's reason when it is aborted; {DbError} `DB_COLLECTION_DESTROYED`. */
  #isOver(): boolean {
    const { signal, only } = this.#setup;
    signal?.throwIfAborted();
    if (only !== undefined) refuseDestroyed(this.#world, only);
    return this.#world.ending.aborted;
  }

  #page(fromSync = false): PageOf<C> {
    return new PageOf<C>(fromSync, this.#setup.only === undefined);
  }

  #markerOf(sequence: number): string {
    return this.#world.history.changes.markerOf(this.#world.name, sequence);
  }

  /** What comes before the watch has caught up with `sequence`. */
  async *#beginning(sequence: number): AsyncGenerator<WatchPage<T, C>, void, undefined> {
    const { position } = this.#setup;
    if (position !== undefined) yield* this.#since(position, sequence);
    else yield* this.#presentState(sequence);
  }

  async *#presentState(sequence: number): AsyncGenerator<WatchPage<T, C>, void, undefined> {
    const spans: Span[] = [];
    for (const { id: scope, ranges } of this.#selection.all()) {
      if (isDestroyed(this.#world, scope)) this.#destroyed.add(scopeKeyOf(scope));
      else for (const range of ranges) spans.push({ scope, range });
    }
    const view = new StateView(this.#world.history);
    const close = (): void => void view.close();
    this.#world.ending.addEventListener("abort", close, { once: true });
    try {
      let left: readonly Span[] | undefined = spans;
      while (left !== undefined) {
        const from: readonly Span[] = left;
        const { page, rest } = await view.read((snapshot) => this.#statePage(from, snapshot));
        if (this.#isOver()) return;
        left = rest;
        yield rest === undefined ? page.done(true, this.#markerOf(sequence)) : page.done(false);
        if (this.#isOver()) return;
      }
    } finally {
      this.#world.ending.removeEventListener("abort", close);
      await view.close();
    }
  }

  /** Rows until a page is full, and what is left from the first that found no room; `undefined`: nothing. */
  async #statePage(
    spans: readonly Span[],
    snapshot: Snapshot | undefined,
  ): Promise<{ readonly page: PageOf<C>; readonly rest: readonly Span[] | undefined }> {
    const page = this.#page();
    for (const [i, { scope, range }] of spans.entries()) {
      for await (const { key, row } of this.#world.history.scan(scope, ROW_SPACE.rows, range, {
        snapshot,
      })) {
        if (this.#isOver()) return { page, rest: undefined };
        // What was deleted is not part of the present state, unless another value contends with the deletion.
        const visible = visibleIn(this.#world, scope, key, row);
        if (visible.value === undefined && !visible.conflict) continue;
        const told = { scope, key, row };
        if (!page.fits(told)) {
          const here = { scope, range: { ...range, start: key } };
          return { page, rest: [here, ...spans.slice(i + 1)] };
        }
        page.add(told, visible);
      }
    }
    return { page, rest: undefined };
  }

  /** What has changed after a position, up to another: each row once, as it is. [DB29] */
  async *#since(position: number, last: number): AsyncGenerator<WatchPage<T, C>, void, undefined> {
    const first = this.#page();
    const shownAnew = await this.#shownAnewSince(position, first);
    const rows = this.#rowsSince(position, last, shownAnew);
    yield* this.#pagesOf(first, rows, this.#markerOf(last), false);
  }

  /** Adds the collections that were destroyed after a position, and answers the rows whose policies were set after it. */
  async #shownAnewSince(position: number, page: PageOf<C>): Promise<Span[]> {
    const spans: Span[] = [];
    const { history } = this.#world;
    for (const { id: scope, ranges } of this.#selection.all()) {
      const number = history.scope(scope)?.number ?? 0;
      const controls = await history.changes.controlsAfter(number, position);
      if (isDestroyed(this.#world, scope)) {
        this.#destroyed.add(scopeKeyOf(scope));
        if (controls.some(({ type }) => type === "destroy")) page.addDestroyed(scope);
        continue;
      }
      const prefixes = controls.flatMap((op) => (op.type === "policy" ? [op.prefix] : []));
      for (const range of rangesUnder(prefixes, ranges)) spans.push({ scope, range });
    }
    return spans;
  }

  async *#rowsSince(
    position: number,
    last: number,
    shownAnew: readonly Span[],
  ): AsyncGenerator<ToldRow, void, undefined> {
    const { history } = this.#world;
    const arrivals = new Arrivals(history);
    const catchUp = { position, told: new Set<string>() };
    for (const { scope, range } of shownAnew) {
      const number = history.scope(scope)?.number ?? 0;
      for await (const told of rowsWithHeads(this.#world, scope, range))
        // The others are told by the changes that brought their heads.
        if (!(await arrivals.isAfter(position, number, told.row))) {
          noteTold(catchUp, number, told.key);
          yield told;
        }
    }
    let at = position;
    while (at < last) {
      const changes = await changesAfter(this.#world, at);
      for (const change of changes) {
        if (change.sequence > last) return;
        yield* changedRows(this.#world, this.#selection, change, catchUp);
      }
      at = changes.at(-1)?.sequence ?? last;
    }
  }

  /**
   * The collections that were destroyed since it was told so last: before what else is told, because their rows are told no
   * more. Whoever goes on after a position before the destruction is told again.
   */
  *#destroyedSince(sequence: number): Generator<WatchPage<T, C>, void, undefined> {
    const page = this.#page();
    for (const { id } of this.#selection.all()) {
      if (!isDestroyed(this.#world, id) || this.#destroyed.has(scopeKeyOf(id))) continue;
      this.#destroyed.add(scopeKeyOf(id));
      page.addDestroyed(id);
    }
    if (!page.isEmpty) yield page.done(true, this.#markerOf(sequence));
  }

  /** One change's rows as they are now, as one page unless they are many. */
  async *#changePages(change: LoggedChange): AsyncGenerator<WatchPage<T, C>, void, undefined> {
    const page = this.#page(change.fromSync);
    const rows = changedRows(this.#world, this.#selection, change);
    yield* this.#pagesOf(page, rows, this.#markerOf(change.sequence), true, change.fromSync);
  }

  /** `first` and what follows, the last page with the marker. Without rows nothing, once the watch has caught up. */
  async *#pagesOf(
    first: PageOf<C>,
    rows: AsyncIterable<ToldRow>,
    marker: string,
    caughtUp = true,
    fromSync = false,
  ): AsyncGenerator<WatchPage<T, C>, void, undefined> {
    let page = first;
    for await (const told of rows) {
      if (this.#isOver()) return;
      if (!page.fits(told)) {
        yield page.done(caughtUp);
        if (this.#isOver()) return;
        page = this.#page(fromSync);
      }
      page.add(told, visibleIn(this.#world, told.scope, told.key, told.row));
    }
    if (!caughtUp || !page.isEmpty) yield page.done(true, marker);
  }

  /** Keeps what the watched collections are shown by, from the first look at each on. */
  #lookForViews(news: News): void {
    for (const { id } of this.#selection.all()) {
      const key = scopeKeyOf(id);
      if (!this.#views.has(key))
        this.#views.set(key, new Views(this.#world, id, () => news.wake()));
    }
  }

  /** Rows that may show something else since they were told, though nobody has written them. */
  #spansShownAnew(): Span[] {
    const spans: Span[] = [];
    for (const { id: scope, ranges } of this.#selection.all())
      for (const range of this.#views.get(scopeKeyOf(scope))?.changed(ranges) ?? [])
        spans.push({ scope, range });
    return spans;
  }
}
