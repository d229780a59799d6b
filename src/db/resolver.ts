/**
 * A resolver of an application at work: it looks for rows in conflict, offers them, and writes what is answered.
 *
 *     all rows ─┐                       ┌─> answered: one commit, unless the heads are others by then: offered again
 *     changes ──┼─> keys ─> tied rows ──┤
 *     again ────┘        up to 16 at    ├─> left: not offered again until somebody writes the rows
 *                        once           └─> failed: reported, offered again after a while
 *
 * Nothing waits for it: reads show what last-write-wins shows, writes and sync go on.
 */

import { type ScopeId, scopeKeyOf } from "../base/index.ts";
import { ROW_SPACE, type Row, type RowRange } from "../history/index.ts";
import { afterKey, rangeOf } from "./key-range.ts";
import {
  RESOLVER_KEYS_MAX,
  RESOLVER_OFFERS_MAX,
  RESOLVER_READ_ROWS,
  RESOLVER_RETRY_MS_MAX,
  RESOLVER_RETRY_MS_MIN,
  WATCH_READ_CHANGES,
} from "./limits.ts";
import { keyText, rowName } from "./names.ts";
import { offerOf, writesOf } from "./resolutions.ts";
import type { ResolveFunction, ResolveOptions, Resolver } from "./resolver-types.ts";
import { commitsOf, headsText, type Tied, tiedTo } from "./ties.ts";
import { Views } from "./policies.ts";
import { News } from "./watch-changes.ts";
import type { DbWorld } from "./world.ts";
import { checkHint, commit } from "./write.ts";

/** Begins to resolve the rows under a prefix, in place of a resolver that does so already. */
export function startResolver<T>(
  world: DbWorld,
  scope: ScopeId,
  resolve: ResolveFunction<T>,
  options: ResolveOptions,
): Resolver {
  if (typeof resolve !== "function") throw new TypeError("A resolver is a function");
  checkHint(options.hint);
  const id = `${scopeKeyOf(scope)} ${options.prefix ?? ""}`;
  const before = world.resolvers.get(id);
  const task = new ResolverTask<T>(world, scope, resolve, options);
  void before?.close();
  world.resolvers.set(id, task);
  return task;
}

class ResolverTask<T> implements Resolver {
  readonly #world: DbWorld;
  readonly #scope: ScopeId;
  readonly #resolve: ResolveFunction<T>;
  readonly #range: RowRange;
  readonly #prefix: string;
  readonly #hint: string | undefined;
  readonly #ending = new AbortController();
  readonly #news: News;
  readonly #views: Views;
  readonly #run: Promise<void>;
  /** Ranges that are to be looked through. */
  #ranges: RowRange[];
  /** Keys that are to be looked at. */
  readonly #due = new Set<string>();
  /** Keys of rows that have been offered, until they are answered, and whether they were written meanwhile. */
  readonly #offered = new Map<string, boolean>();
  /** The commits that tie them, by `commitsOf`. */
  readonly #offeredCommits = new Set<string>();
  /** Keys of rows that were left in conflict, or that the resolver failed at, and their heads then. */
  readonly #left = new Map<string, string>();
  /** Whether there were more of them than are remembered: looking through all rows offers those again. */
  #hasForgotten = false;
  readonly #failed = new Set<string>();
  #hasFailedAtMore = false;
  /** Keys of rows that are tied to offered ones. */
  readonly #waiting = new Set<string>();
  /** Whether there are more of them than are remembered. */
  #isWaitingForMore = false;
  #offers = 0;
  #freed: () => void = () => {};
  #retryMs = RESOLVER_RETRY_MS_MIN;
  #isRetrying = false;
  #isToLookLater = false;

  constructor(
    world: DbWorld,
    scope: ScopeId,
    resolve: ResolveFunction<T>,
    { prefix = "", hint }: ResolveOptions,
  ) {
    this.#world = world;
    this.#scope = scope;
    this.#resolve = resolve;
    this.#prefix = prefix;
    this.#range = rangeOf({ prefix });
    this.#ranges = [this.#range];
    this.#hint = hint;
    const { history } = world;
    const isOf = (number: number): boolean => history.scope(scope)?.number === number;
    this.#news = new News(world, isOf, this.#ending.signal);
    this.#views = new Views(world, scope, () => this.#news.wake());
    world.ending.addEventListener("abort", this.#end, { once: true });
    this.#run = this.#runAll();
  }

  async close(): Promise<void> {
    this.#end();
    await this.#run;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #end = (): void => {
    this.#ending.abort();
    this.#freed();
  };

  get #isOver(): boolean {
    return this.#ending.signal.aborted;
  }

  async #runAll(): Promise<void> {
    const { history, name } = this.#world;
    let sequence = history.sequence(name);
    try {
      while (!this.#isOver) {
        const more = this.#news.next();
        try {
          const isQuiet = await this.#lookAround();
          const changed = await this.#changesAfter(sequence);
          sequence = changed.sequence;
          if (isQuiet && changed.isLast) {
            await more;
            sequence = Math.max(sequence, this.#news.quietUntil);
          }
        } catch (error) {
          if (this.#isOver) return;
          // The store is being reopened: all is looked through once it is there again.
          this.#report("db.resolver.failed", error);
          this.#ranges = [this.#range];
          await this.#sleep();
        }
      }
    } finally {
      this.#views.stop();
      this.#news.stop();
      this.#world.ending.removeEventListener("abort", this.#end);
    }
  }

  /** Looks at what is to be looked at; answers whether nothing was. */
  async #lookAround(): Promise<boolean> {
    this.#ranges.push(...this.#views.changed([this.#range]));
    const range = this.#ranges.shift();
    if (range === undefined && this.#due.size === 0) return true;
    const due = [...this.#due];
    this.#due.clear();
    for (const key of due) await this.#consider(key, true);
    if (range !== undefined) await this.#lookThrough(range);
    return false;
  }

  /** Offers all conflicts of a range, and holds no scan while it waits for answers. */
  async #lookThrough(range: RowRange): Promise<void> {
    let from: RowRange | undefined = range;
    while (from !== undefined && !this.#isOver) {
      const keys: Uint8Array[] = [];
      for await (const { key, row } of this.#world.history.scan(
        this.#scope,
        ROW_SPACE.rows,
        from,
      )) {
        if (this.#isOver) return;
        if (row.heads.length > 1) keys.push(key);
        if (keys.length === RESOLVER_READ_ROWS) break;
      }
      const last: Uint8Array | undefined =
        keys.length === RESOLVER_READ_ROWS ? keys.at(-1) : undefined;
      from = last === undefined ? undefined : { ...from, start: afterKey(last) };
      for (const key of keys) await this.#consider(keyText(key), false);
    }
  }

  /** Looks at the rows that changed after a position. */
  async #changesAfter(
    sequence: number,
  ): Promise<{ readonly sequence: number; readonly isLast: boolean }> {
    const { history, name } = this.#world;
    const number = history.scope(this.#scope)?.number;
    const changes = [];
    for await (const change of history.changes.after(name, sequence)) {
      changes.push(change);
      if (changes.length === WATCH_READ_CHANGES) break;
    }
    for (const { parts, takenBack = [] } of changes) {
      // Rows show again what was written over, any of those below the prefix.
      if (takenBack.some((part) => part.scope === number)) this.#lookThroughAll();
      for (const part of parts) {
        if (part.scope !== number) continue;
        for (const { space, key } of await history.changes.rowsOf(part)) {
          const text = keyText(key);
          if (space === ROW_SPACE.rows && text.startsWith(this.#prefix))
            await this.#consider(text, true);
        }
      }
    }
    return { sequence: changes.at(-1)?.sequence ?? sequence, isLast: changes.length === 0 };
  }

  /** Offers the conflict that a row begins, unless it has been offered as it is. `isChanged`: it was written lately. */
  async #consider(key: string, isChanged: boolean): Promise<void> {
    while (this.#offers >= RESOLVER_OFFERS_MAX && !this.#isOver)
      await new Promise<void>((resolve) => (this.#freed = resolve));
    if (this.#isOver) return;
    if (this.#offered.has(key)) {
      // It is looked at again when it has been answered.
      if (isChanged) this.#offered.set(key, true);
      return;
    }
    const isLeft = (one: string, row: Row): boolean => this.#left.get(one) === headsText(row);
    const { space, key: bytes } = rowName(key);
    const row = await this.#world.history.row(this.#scope, space, bytes);
    if (row.heads.length < 2 || isLeft(key, row)) return;
    if (commitsOf(row).some((one) => this.#offeredCommits.has(one))) {
      this.#wait(key);
      return;
    }
    let tied = await tiedTo(this.#world, this.#scope, key, () => false);
    if (tied === undefined) return;
    const isOffered = [...tied.commits].some((one) => this.#offeredCommits.has(one));
    if (isOffered || tied.rows.some(({ name }) => this.#offered.has(name.text))) {
      this.#wait(key);
      return;
    }
    if (tied.partial) {
      // What was left before does not take the room of what was not offered yet.
      this.#report("db.resolver.split");
      tied = await tiedTo(this.#world, this.#scope, key, isLeft);
      if (tied === undefined) return;
    }
    if (this.#isOver) return;
    this.#offers += 1;
    for (const { name } of tied.rows) this.#offered.set(name.text, false);
    for (const one of tied.commits) this.#offeredCommits.add(one);
    void this.#offer(tied);
  }

  /** It belongs to what is offered already, and is looked at when that has been answered. */
  #wait(key: string): void {
    if (this.#waiting.size < RESOLVER_KEYS_MAX) this.#waiting.add(key);
    else this.#isWaitingForMore = true;
  }

  async #offer(tied: Tied): Promise<void> {
    let isOld = false;
    try {
      const isWritten = await this.#answered(tied);
      this.#retryMs = RESOLVER_RETRY_MS_MIN;
      if (isWritten === undefined) isOld = true;
      else this.#forget(tied, isWritten);
    } catch (error) {
      if (!this.#isOver) {
        this.#report("db.resolver.failed", error);
        this.#forget(tied, new Set());
        for (const { name } of tied.rows) this.#fail(name.text);
        void this.#retry();
      }
    } finally {
      this.#offers -= 1;
      // No other offer has one of them: it would have waited for this one.
      for (const one of tied.commits) this.#offeredCommits.delete(one);
      // Whoever changed one of the rows meanwhile has made another conflict of it, or ended it.
      for (const { name } of tied.rows) {
        const isChanged = this.#offered.get(name.text) === true;
        this.#offered.delete(name.text);
        if (isOld || isChanged) this.#lookAt(name.text);
      }
      for (const key of this.#waiting) this.#lookAt(key);
      this.#waiting.clear();
      if (this.#isWaitingForMore) this.#lookThroughAll();
      this.#isWaitingForMore = false;
      this.#freed();
      this.#news.wake();
    }
  }

  /** The keys that were written; `undefined`: the rows are others than were offered. */
  async #answered(tied: Tied): Promise<ReadonlySet<string> | undefined> {
    const offered = await offerOf<T>(this.#world, this.#scope, tied, this.#ending.signal);
    const answer = await this.#resolve(offered.conflict);
    if (this.#isOver) return undefined;
    const rows = writesOf(this.#world, tied, offered, answer);
    if (rows.length === 0) return new Set();
    const outcome = await commit(this.#world, {
      parts: [{ scope: this.#scope, rows }],
      reads: tied.rows.map(({ name, row }) => ({ scope: this.#scope, name, row })),
      hint: this.#hint,
    });
    return outcome === "written" ? new Set(rows.map(({ name }) => name.text)) : undefined;
  }

  /** Remembers the rows that stay as they are, so that they are not offered again as they are. */
  #forget({ rows }: Tied, written: ReadonlySet<string>): void {
    for (const { name, row } of rows) {
      if (written.has(name.text)) this.#left.delete(name.text);
      else this.#left.set(name.text, headsText(row));
    }
    // Beyond the limit the oldest are offered once more, when something leads to them.
    for (const key of this.#left.keys()) {
      if (this.#left.size <= RESOLVER_KEYS_MAX) break;
      this.#left.delete(key);
      this.#hasForgotten = true;
    }
  }

  #fail(key: string): void {
    if (this.#failed.size < RESOLVER_KEYS_MAX) this.#failed.add(key);
    else this.#hasFailedAtMore = true;
  }

  #lookAt(key: string): void {
    if (this.#due.size < RESOLVER_KEYS_MAX) this.#due.add(key);
    else this.#lookThroughAll();
  }

  #lookThroughAll(): void {
    if (this.#hasForgotten) void this.#lookLater();
    else if (!this.#ranges.includes(this.#range)) this.#ranges.push(this.#range);
  }

  /** Looks through all after a while: rows that were left and forgotten are offered again, which is not to happen in a circle. */
  async #lookLater(): Promise<void> {
    if (this.#isToLookLater) return;
    this.#isToLookLater = true;
    const { signal } = this.#ending;
    await this.#world.clock.sleep(RESOLVER_RETRY_MS_MAX, signal).catch(() => {});
    this.#isToLookLater = false;
    if (!this.#ranges.includes(this.#range)) this.#ranges.push(this.#range);
    this.#news.wake();
  }

  /** Offers again what the resolver has failed at. */
  async #retry(): Promise<void> {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    await this.#sleep();
    this.#isRetrying = false;
    for (const key of this.#failed) {
      this.#left.delete(key);
      this.#lookAt(key);
    }
    this.#failed.clear();
    if (this.#hasFailedAtMore) this.#lookThroughAll();
    this.#hasFailedAtMore = false;
    this.#news.wake();
  }

  /** Waits twice as long each time, until something goes well. */
  async #sleep(): Promise<void> {
    const ms = this.#retryMs;
    this.#retryMs = Math.min(2 * ms, RESOLVER_RETRY_MS_MAX);
    await this.#world.clock.sleep(ms, this.#ending.signal).catch(() => {});
  }

  #report(event: string, error?: unknown): void {
    this.#world.logger("warn", event, {
      database: this.#world.name,
      collection: this.#scope.name,
      // The error's class alone: its text may repeat what a row holds.
      ...(error !== undefined && { error: error instanceof Error ? error.name : typeof error }),
    });
  }
}
