/** What a watch reads of the history: each read ends before a page is given, so that between two pages nothing is held. */

import { codeOf, type ScopeId } from "../base/index.ts";
import {
  type Change as LoggedChange,
  type History,
  type PartName,
  ROW_SPACE,
  type Row,
  type RowRange,
} from "../history/index.ts";
import type { Snapshot } from "../store/index.ts";
import { afterKey } from "./key-range.ts";
import { WATCH_ARRIVALS_MAX, WATCH_READ_CHANGES, WATCH_READ_ROWS } from "./limits.ts";
import { keyText } from "./names.ts";
import type { ToldRow } from "./watch-page.ts";
import { isInRanges, type Selection } from "./watch-selection.ts";
import { isDestroyed, type DbWorld } from "./world.ts";

/** The next entries of the order of changes after a position. */
export function changesAfter(world: DbWorld, sequence: number): Promise<LoggedChange[]> {
  return readAgain(async () => {
    const changes: LoggedChange[] = [];
    for await (const change of world.history.changes.after(world.name, sequence)) {
      changes.push(change);
      if (changes.length === WATCH_READ_CHANGES) break;
    }
    return changes;
  });
}

/** Changes that are read after they were all made: each row is told once. */
export interface CatchUp {
  /** The one before the first of them. */
  readonly position: number;
  /** Rows of which something was taken back, and that were told for it. */
  readonly told: Set<string>;
}

/** Notes a row that was told for what was taken back of it, as far as there is room. */
export function noteTold({ told }: CatchUp, scope: number, key: Uint8Array): void {
  if (told.size < WATCH_ARRIVALS_MAX) told.add(textOf(scope, key));
}

function textOf(scope: number, key: Uint8Array): string {
  return `${scope} ${keyText(key)}`;
}

/** The rows that show what a change did; one that has changed since is left to its later change. [DB9] */
export async function* changedRows(
  world: DbWorld,
  selection: Selection,
  change: LoggedChange,
  catchUp?: CatchUp,
): AsyncGenerator<ToldRow, void, undefined> {
  const { parts, takenBack = [], sequence } = change;
  const told = new Set<string>();
  const arrivals = new Arrivals(world.history);
  for (const [i, part] of [...parts, ...takenBack].entries()) {
    const watched = selection.of(part.scope);
    if (watched === undefined || isDestroyed(world, watched.id)) continue;
    const keys = await keysOf(world.history, part, watched.ranges);
    for (let from = 0; from < keys.length; from += WATCH_READ_ROWS) {
      const some = keys.slice(from, from + WATCH_READ_ROWS);
      const rows = await readAgain(() => world.history.rows(watched.id, ROW_SPACE.rows, some));
      for (const [at, key] of some.entries()) {
        const row = rows[at] as Row;
        const text = textOf(part.scope, key);
        if (told.has(text) || !(i >= parts.length || isShown(row, part))) continue;
        // With one head that is of this part nothing later is shown.
        const isSure = row.heads.length === 1 && i < parts.length;
        const isBack = catchUp !== undefined && i >= parts.length;
        // It shows what all of the changes have made of it: who brought a head of it tells it, or the first that took from it.
        if (isBack && catchUp.told.has(text)) continue;
        const since = isBack ? catchUp.position : sequence;
        if (!isSure && (await arrivals.isAfter(since, part.scope, row))) continue;
        told.add(text);
        if (isBack) noteTold(catchUp, part.scope, key);
        yield { scope: watched.id, key, row };
      }
    }
  }
}

async function keysOf(
  history: History,
  part: PartName,
  ranges: readonly RowRange[],
): Promise<Uint8Array[]> {
  const names = await readAgain(() => history.changes.rowsOf(part));
  return names
    .filter(({ space, key }) => space === ROW_SPACE.rows && isInRanges(ranges, key))
    .map(({ key }) => key);
}

function isShown({ heads }: Row, part: PartName): boolean {
  return heads.some(({ log, generation }) => log === part.log && generation === part.generation);
}

/**
 * With which changes parts came, read once for all rows of one look: many rows have heads of one part, whose record names them
 * all. What changes meanwhile is told by its own change.
 */
export class Arrivals {
  readonly #history: History;
  readonly #known = new Map<string, number | undefined>();

  constructor(history: History) {
    this.#history = history;
  }

  /** Whether a head of the row came with a change after this position. */
  async isAfter(sequence: number, scope: number, { heads }: Row): Promise<boolean> {
    for (const { log, generation } of heads) {
      const arrival = await this.#of({ scope, log, generation });
      if (arrival !== undefined && arrival > sequence) return true;
    }
    return false;
  }

  async #of(part: PartName): Promise<number | undefined> {
    const id = `${part.scope}.${part.log}.${part.generation}`;
    if (this.#known.has(id)) return this.#known.get(id);
    const arrival = await readAgain(() => this.#history.changes.arrivalOf(part));
    if (this.#known.size >= WATCH_ARRIVALS_MAX) this.#known.clear();
    this.#known.set(id, arrival);
    return arrival;
  }
}

/** Rows with several heads: the only ones that a policy shows in a way of its own. [CO17] */
export async function* rowsWithHeads(
  { history, ending }: DbWorld,
  scope: ScopeId,
  range: RowRange,
): AsyncGenerator<ToldRow, void, undefined> {
  let from: RowRange | undefined = range;
  while (from !== undefined) {
    const found: ToldRow[] = [];
    const start: RowRange = from;
    from = await readAgain(async () => {
      found.length = 0;
      for await (const one of history.scan(scope, ROW_SPACE.rows, start)) {
        if (ending.aborted) return undefined;
        if (one.row.heads.length < 2) continue;
        found.push({ scope, ...one });
        if (found.length === WATCH_READ_ROWS) return { ...start, start: afterKey(one.key) };
      }
      return undefined;
    });
    yield* found;
  }
}

/** The store as it was when the view was made, unless the store has to be reopened under it: then as it is. */
export class StateView {
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

/** Lets somebody wait until scopes are written to, their database ends or its caller has had enough. */
export class News {
  readonly #stops: (() => void)[];
  #wake: () => void = () => {};
  /** Whether the scopes have been written to since `next` was called last. */
  #isPending = true;
  #quietUntil = 0;

  /** `isOf`: whether a scope, by its number in the store, is one of them. */
  constructor(
    { history, name, ending }: DbWorld,
    isOf: (scope: number) => boolean,
    signal: AbortSignal | undefined,
  ) {
    const wake = (): void => this.wake();
    this.#stops = [
      history.onWritten(({ database, sequence, parts, takenBack = [] }) => {
        if (database !== name) return;
        if ([...parts, ...takenBack].some(({ scope }) => isOf(scope))) {
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
