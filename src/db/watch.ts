import { decodeValue, type ScopeId, utf8, type Value } from "../base/index.ts";
import { type Change as HistoryChange, ROW_SPACE, type Row } from "../history/index.ts";

import { WATCH_PAGE_BYTES, WATCH_PAGE_ROWS } from "./limits.ts";
import { keyText } from "./names.ts";
import { isConflict, prefixEnd } from "./row-view.ts";
import type { DbWorld } from "./world.ts";

export interface WatchOptions {
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A row as it is now. */
export type Change<T = Value> =
  | {
      readonly type: "put";
      readonly key: string;
      readonly value: T;
      /** Whether others have written it at the same time: see `conflicts`. */
      readonly conflict: boolean;
    }
  | { readonly type: "delete"; readonly key: string; readonly conflict: boolean };

/** Changes that a consumer gets at once. */
export interface WatchPage<T = Value> {
  readonly changes: readonly Change<T>[];
  /** Whether the present state has been told, this page included. */
  readonly caughtUp: boolean;
  /** Whether a peer brought them, as against a write on this device. */
  readonly fromSync: boolean;
}

/** Keys are compared by bytes: those under the prefix lie between these. */
interface Bounds {
  readonly start?: Uint8Array | undefined;
  readonly end?: Uint8Array | undefined;
}

/** The present state in pages, then each commit and delivery as it was applied. [DB8] [DB9] */
export async function* watchCollection<T>(
  world: DbWorld,
  scope: ScopeId,
  options: WatchOptions,
): AsyncGenerator<WatchPage<T>, void, undefined> {
  const { history } = world;
  const { signal, prefix = "" } = options;
  const bounds: Bounds = prefix === "" ? {} : { start: utf8(prefix), end: prefixEnd(utf8(prefix)) };
  signal?.throwIfAborted();
  const wake = new Waker(world, signal);
  try {
    // Taken together, so that nothing falls between the state and what follows it.
    let sequence = history.sequence(world.name);
    yield* presentState<T>(world, scope, bounds, signal);
    while (!world.isClosed()) {
      signal?.throwIfAborted();
      const change = wake.next();
      for await (const one of history.changesAfter(world.name, sequence)) {
        signal?.throwIfAborted();
        yield* changePages<T>(world, scope, bounds, one);
        sequence = one.sequence;
        if (world.isClosed()) return;
      }
      if (sequence >= history.sequence(world.name)) await change;
    }
  } finally {
    wake.stop();
  }
}

/** Lets a watch wait for the next write, the database's end or the caller's signal. */
class Waker {
  readonly #stops: (() => void)[];
  #resolve: () => void = () => {};

  constructor(world: DbWorld, signal: AbortSignal | undefined) {
    const wake = (): void => this.#resolve();
    this.#stops = [
      world.history.onWritten(({ database }) => (database === world.name ? wake() : undefined)),
    ];
    for (const one of [world.ending, ...(signal === undefined ? [] : [signal])]) {
      one.addEventListener("abort", wake, { once: true });
      this.#stops.push(() => one.removeEventListener("abort", wake));
    }
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }
}

async function* presentState<T>(
  world: DbWorld,
  scope: ScopeId,
  bounds: Bounds,
  signal: AbortSignal | undefined,
): AsyncGenerator<WatchPage<T>, void, undefined> {
  const page = new PageOf<T>(false);
  for await (const { key, row } of world.history.scan(scope, ROW_SPACE.rows, bounds)) {
    signal?.throwIfAborted();
    if (world.isClosed()) return;
    // What was deleted is not part of the present state, unless another value contends with the deletion.
    if (row.heads[0]?.value === undefined && !isConflict(row.heads)) continue;
    const full = page.add(key, row);
    if (full !== undefined) yield { ...full, caughtUp: false };
  }
  yield { ...page.take(), caughtUp: true };
}

/** One change's rows as they are now; a row that has changed since comes with its later change. */
async function* changePages<T>(
  world: DbWorld,
  scope: ScopeId,
  bounds: Bounds,
  change: HistoryChange,
): AsyncGenerator<WatchPage<T>, void, undefined> {
  const { history } = world;
  const number = history.scope(scope)?.number;
  const page = new PageOf<T>(change.fromSync);
  const told = new Set<string>();
  for (const part of change.parts) {
    if (part.scope !== number) continue;
    const keys = (await history.rowsOfPart(part))
      .filter(({ space, key }) => space === ROW_SPACE.rows && isWithin(key, bounds))
      .map(({ key }) => key);
    for (let from = 0; from < keys.length; from += WATCH_PAGE_ROWS) {
      const slice = keys.slice(from, from + WATCH_PAGE_ROWS);
      const rows = await history.rows(scope, ROW_SPACE.rows, slice);
      for (const [i, key] of slice.entries()) {
        const row = rows[i] as Row;
        const isCurrent = row.heads.some(
          ({ log, generation }) => log === part.log && generation === part.generation,
        );
        if (!isCurrent || told.has(keyText(key))) continue;
        told.add(keyText(key));
        const full = page.add(key, row);
        if (full !== undefined) yield full;
      }
    }
  }
  if (!page.isEmpty) yield page.take();
}

function isWithin(key: Uint8Array, { start }: Bounds): boolean {
  return (
    start === undefined || (key.length >= start.length && start.every((byte, i) => key[i] === byte))
  );
}

/** Changes gathered up to the page's limits. */
class PageOf<T> {
  readonly #fromSync: boolean;
  #changes: Change<T>[] = [];
  #bytes = 0;

  constructor(fromSync: boolean) {
    this.#fromSync = fromSync;
  }

  get isEmpty(): boolean {
    return this.#changes.length === 0;
  }

  /** Adds a row; answers the page before it when that is full. */
  add(key: Uint8Array, row: Row): WatchPage<T> | undefined {
    const value = row.heads[0]?.value;
    const size = key.length + (value?.length ?? 0);
    const isFull =
      this.#changes.length >= WATCH_PAGE_ROWS ||
      (this.#bytes + size > WATCH_PAGE_BYTES && !this.isEmpty);
    const full = isFull ? this.take() : undefined;
    const conflict = isConflict(row.heads);
    this.#changes.push(
      value === undefined
        ? { type: "delete", key: keyText(key), conflict }
        : { type: "put", key: keyText(key), value: decodeValue(value) as T, conflict },
    );
    this.#bytes += size;
    return full;
  }

  take(): WatchPage<T> {
    const page = { changes: this.#changes, caughtUp: true, fromSync: this.#fromSync };
    this.#changes = [];
    this.#bytes = 0;
    return page;
  }
}
