import type { Random } from "../base/index.ts";
import { Wakeup } from "../net/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import { entryKeyOf, newEpoch, proximity } from "./entry.ts";
import { BINS } from "./limits.ts";
import type {
  BinEntry,
  PullChunk,
  PullEntry,
  PullOutcome,
  PullPutOptions,
  PullStorage,
  SealWrite,
  StampedBytes,
  StorageWatcher,
  SubscribeOptions,
} from "./ports.ts";

export interface MemoryStorageDeps {
  readonly random: Random;
  /** 32 bytes: what the bins are counted from. */
  readonly overlay: Uint8Array;
  /** Where seals are written; without one they are called, and what they add is dropped. */
  readonly store?: Store | undefined;
}

interface Bin {
  readonly entries: BinEntry[];
  /** Entries given so far, those that have left included. */
  cursor: bigint;
  readonly news: Wakeup;
}

/** A reserve in memory: for programs without a disk, and for tests. */
export class MemoryPullStorage implements PullStorage {
  readonly #deps: MemoryStorageDeps;
  readonly #bins: readonly Bin[];
  readonly #chunks = new Map<string, StampedBytes>();
  #epoch: bigint;
  #writing: Promise<unknown> = Promise.resolve();
  readonly #watchers = new Set<StorageWatcher>();

  constructor(deps: MemoryStorageDeps) {
    this.#deps = deps;
    this.#epoch = newEpoch(deps.random);
    this.#bins = Array.from({ length: BINS }, () => ({
      entries: [],
      cursor: 0n,
      news: new Wakeup(),
    }));
  }

  cursors(): Promise<readonly bigint[]> {
    return Promise.resolve(this.#bins.map(({ cursor }) => cursor));
  }

  epoch(): Promise<bigint> {
    return Promise.resolve(this.#epoch);
  }

  async *subscribe(
    bin: number,
    start: bigint,
    { to, signal }: SubscribeOptions = {},
  ): AsyncGenerator<BinEntry, void, undefined> {
    const { entries, news } = this.#bins[bin] as Bin;
    const wake = (): void => news.wake();
    signal?.addEventListener("abort", wake, { once: true });
    try {
      for (let next = start; ;) {
        const changed = news.wait();
        for (let at = firstFrom(entries, next); at < entries.length; at++) {
          const entry = entries[at] as BinEntry;
          if (signal?.aborted === true || (to !== undefined && entry.binId > to)) return;
          next = entry.binId + 1n;
          yield entry;
        }
        if (signal?.aborted === true || (to !== undefined && this.#cursor(bin) >= to)) return;
        await changed;
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
  }

  has(entries: readonly PullEntry[]): Promise<boolean[]> {
    return Promise.resolve(entries.map((entry) => this.#chunks.has(entryKeyOf(entry))));
  }

  get(entries: readonly PullEntry[]): Promise<(StampedBytes | undefined)[]> {
    return Promise.resolve(entries.map((entry) => this.#chunks.get(entryKeyOf(entry))));
  }

  put(chunks: readonly PullChunk[], options: PullPutOptions = {}): Promise<PullOutcome[]> {
    const putting = this.#writing.then(() => this.#put(chunks, options));
    this.#writing = putting.catch(() => {});
    return putting;
  }

  watch(watcher: StorageWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  within(): boolean {
    return true;
  }

  /** Takes entries out, as when they were found damaged: their numbers are not given again. */
  lose(entries: readonly PullEntry[]): void {
    this.remove(entries);
    for (const watcher of this.#watchers) watcher.lost(entries);
  }

  /** Takes entries out and tells nobody. */
  remove(entries: readonly PullEntry[]): void {
    for (const entry of entries) {
      const key = entryKeyOf(entry);
      this.#chunks.delete(key);
      for (const { entries: inBin } of this.#bins) {
        const at = inBin.findIndex((other) => entryKeyOf(other.entry) === key);
        if (at >= 0) inBin.splice(at, 1);
      }
    }
  }

  /** Makes the reserve anew, empty. */
  reset(): void {
    this.#chunks.clear();
    for (const bin of this.#bins) {
      bin.entries.length = 0;
      bin.cursor = 0n;
    }
    this.#epoch = newEpoch(this.#deps.random);
  }

  /** Keys of all entries, sorted. */
  keys(): string[] {
    return [...this.#chunks.keys()].toSorted();
  }

  #cursor(bin: number): bigint {
    return (this.#bins[bin] as Bin).cursor;
  }

  async #put(chunks: readonly PullChunk[], { seal }: PullPutOptions): Promise<PullOutcome[]> {
    const added = new Map<string, PullChunk>();
    const outcomes = chunks.map((pulled): PullOutcome => {
      const key = entryKeyOf(pulled.entry);
      if (this.#chunks.has(key) || added.has(key)) return "duplicate";
      added.set(key, pulled);
      return "stored";
    });
    const ops: WriteOp[] = [];
    const has = (entries: readonly PullEntry[]): Promise<boolean[]> =>
      Promise.resolve(
        entries.map((entry) => this.#chunks.has(entryKeyOf(entry)) || added.has(entryKeyOf(entry))),
      );
    const write: SealWrite = { has, add: (...more) => void ops.push(...more) };
    const entries = Array.from(added.values(), ({ entry }) => copyOf(entry));
    if (entries.length > 0) for (const watcher of this.#watchers) watcher.storing(write, entries);
    await seal?.(write, outcomes);
    if (ops.length > 0) await this.#deps.store?.write(ops);
    for (const [key, pulled] of added) this.#add(key, pulled);
    if (entries.length > 0) for (const watcher of this.#watchers) watcher.stored(entries);
    return outcomes;
  }

  #add(key: string, { entry, chunk, stamp }: PullChunk): void {
    const bin = this.#bins[proximity(this.#deps.overlay, entry.address)] as Bin;
    bin.cursor += 1n;
    const size = chunk.bytes.length;
    bin.entries.push({ binId: bin.cursor, entry: copyOf(entry), size });
    this.#chunks.set(key, { bytes: chunk.bytes.slice(), stamp: stamp.slice() });
    bin.news.wake();
  }
}

/** Frames share memory with their neighbours: what is kept is copied. */
function copyOf({ address, batch, stampHash }: PullEntry): PullEntry {
  return { address: address.slice(), batch: batch.slice(), stampHash: stampHash.slice() };
}

/** Index of the first entry that is not below `start`. */
function firstFrom(entries: readonly BinEntry[], start: bigint): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle] as BinEntry).binId < start) low = middle + 1;
    else high = middle;
  }
  return low;
}
