/**
 * LevelDB's levels, merged into one while nothing is asked of the store.
 *
 * What has been written lies in several levels, and a read of a scattered row looks into a table of each until it finds it.
 * LevelDB counts that against the first of them, and merges a table of which so much is counted into the level below, with some
 * ten tables of that: after a large copy nearly each thousand reads set this off, and wait beside it. At rest it costs nobody time.
 */

import { CALLED_OFF, type Clock, type Logger } from "../base/index.ts";
import {
  LEVEL_COMPACTION_ABOVE_BYTES_MIN,
  LEVEL_COMPACTION_ABOVE_PERCENT_MIN,
  LEVEL_COMPACTION_REST_MS,
  LEVEL_COMPACTION_ROOM_BYTES,
  LEVEL_COMPACTION_SLICE_BYTES,
  LEVEL_COMPACTION_WRITTEN_BYTES,
} from "./limits.ts";

/** What is asked of LevelDB. */
export interface LevelTables {
  getProperty(name: string): string;
  /** Bytes in tables of the keys from `from` up to `end`. */
  approximateSize(from: Uint8Array, end: Uint8Array): Promise<number>;
  compactRange(from: Uint8Array, end: Uint8Array): Promise<void>;
}

export interface RestCompactionDeps {
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  /** Bytes that are free where the tables are. */
  readonly freeBytes: () => Promise<number>;
  /** Others than ours, for tests with small stores. */
  readonly bounds?: RestCompactionBounds | undefined;
}

export interface RestCompactionBounds {
  readonly writtenBytes: number;
  readonly aboveBytesMin: number;
  readonly abovePercentMin: number;
  readonly sliceBytes: number;
}

const BOUNDS: RestCompactionBounds = {
  writtenBytes: LEVEL_COMPACTION_WRITTEN_BYTES,
  aboveBytesMin: LEVEL_COMPACTION_ABOVE_BYTES_MIN,
  abovePercentMin: LEVEL_COMPACTION_ABOVE_PERCENT_MIN,
  sliceBytes: LEVEL_COMPACTION_SLICE_BYTES,
};

/** Merges levels when enough was written and nothing is asked. [ST46] */
export class RestCompaction {
  readonly #tables: LevelTables;
  readonly #deps: RestCompactionDeps;
  readonly #bounds: RestCompactionBounds;
  readonly #closing = new AbortController();
  #asked = 0;
  /** Iterators and snapshots that are open: what they see stays on the disk beside what it is merged into. */
  #open = 0;
  #written = 0;
  #watching: Promise<void> | undefined;

  constructor(tables: LevelTables, deps: RestCompactionDeps) {
    this.#tables = tables;
    this.#deps = deps;
    this.#bounds = deps.bounds ?? BOUNDS;
  }

  /** Something was asked of the store. */
  asked(): void {
    this.#asked += 1;
  }

  /** Something is read for as long as until the function is called that this answers: harmless when called twice. */
  opened(): () => void {
    this.#asked += 1;
    this.#open += 1;
    let isOpen = true;
    return () => {
      if (isOpen) this.#open -= 1;
      isOpen = false;
      this.#asked += 1;
    };
  }

  /** So many bytes were written. */
  wrote(bytes: number): void {
    this.#asked += 1;
    this.#written += bytes;
    if (this.#written >= this.#bounds.writtenBytes) this.#watching ??= this.#watch();
  }

  /** Ends it; resolves when nothing is being merged any more. */
  async close(): Promise<void> {
    this.#closing.abort(CALLED_OFF);
    await this.#watching;
  }

  async #watch(): Promise<void> {
    try {
      for (let seen = -1; ;) {
        if (this.#isAtRest(seen) && (await this.#mergeWhileAtRest())) break;
        seen = this.#asked;
        await this.#deps.clock.sleep(LEVEL_COMPACTION_REST_MS, this.#closing.signal);
      }
    } catch (error) {
      // Nothing depends on it. If the tables are at fault, whoever reads or writes them is told.
      if (!this.#closing.signal.aborted)
        this.#deps.logger?.("warn", "store.compaction-failed", { error: String(error) });
    }
    this.#written = 0;
    this.#watching = undefined;
  }

  #isAtRest(seen: number): boolean {
    return seen === this.#asked && this.#open === 0;
  }

  /** Whether all is merged, or nothing needs to be or may be; false when something was asked before that. */
  async #mergeWhileAtRest(): Promise<boolean> {
    const { above, all } = sizesOf(this.#tables.getProperty("leveldb.stats"));
    const isWorthIt =
      above >= this.#bounds.aboveBytesMin && 100 * above >= this.#bounds.abovePercentMin * all;
    if (!isWorthIt) return true;
    const asked = this.#asked;
    for await (const [from, end] of this.#slices(FIRST_KEY, LAST_KEY)) {
      // Before each: a table that finds no room makes LevelDB refuse the next write.
      if ((await this.#deps.freeBytes()) < LEVEL_COMPACTION_ROOM_BYTES) break;
      if (!this.#isAtRest(asked) || this.#closing.signal.aborted) return false;
      await this.#tables.compactRange(keyOf(from), keyOf(end));
    }
    return true;
  }

  /** Ranges that hold all keys, each about so many bytes as are merged at once. */
  async *#slices(from: bigint, end: bigint): AsyncGenerator<readonly [bigint, bigint]> {
    const middle = (from + end) >> 1n;
    const bytes = await this.#tables.approximateSize(keyOf(from), keyOf(end));
    if (bytes <= this.#bounds.sliceBytes || middle === from) {
      if (bytes > 0) yield [from, end];
      return;
    }
    yield* this.#slices(from, middle);
    yield* this.#slices(middle, end);
  }
}

/** Bytes at the beginning of keys by which they are split: those of the first fields of all, and of a row's own digest. */
const KEY_BYTES = 64;
const FIRST_KEY = 0n;
const LAST_KEY = (1n << BigInt(8 * KEY_BYTES)) - 1n;

function keyOf(number: bigint): Uint8Array {
  return Uint8Array.from(Buffer.from(number.toString(16).padStart(2 * KEY_BYTES, "0"), "hex"));
}

/** A line of LevelDB's statistics: level, files, MiB in them. */
const LEVEL_LINE = /^\s*\d+\s+\d+\s+(\d+)\s/;
const MIB = 1024 * 1024;

/** Bytes in the tables of all levels, and of those above the lowest that has any. */
function sizesOf(stats: string): { readonly above: number; readonly all: number } {
  const sizes = stats
    .split("\n")
    .map((line) => LEVEL_LINE.exec(line)?.[1])
    .filter((size) => size !== undefined)
    .map((size) => Number(size) * MIB);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  return { above: all - (sizes.findLast((size) => size > 0) ?? 0), all };
}
