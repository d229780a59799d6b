import { type Logger, toHex } from "../base/index.ts";
import { type Store, type WriteOp } from "../store/index.ts";
import type { LackingCause, PulledPage } from "./deliveries.ts";
import { entryKeyOf, entryOf, proximity } from "./entry.ts";
import { PullSyncError } from "./errors.ts";
import { MISSING_PER_PEER_MAX, MISSING_SOURCES_MAX, PAGE_ENTRIES_MAX } from "./limits.ts";
import type { PullEntry, PullStorage, SealWrite, StorageWatcher } from "./ports.ts";
import {
  decodeMissing,
  encodeMissing,
  isAmong,
  missingAddressOf,
  missingKey,
  missingRange,
  type MissingRecord,
} from "./records.ts";

export interface MissingListDeps {
  readonly store: Store;
  readonly storage: PullStorage;
  readonly logger: Logger;
}

interface MissingChunk extends MissingRecord {
  readonly address: Uint8Array;
}

/** What to ask a peer for again: one interval of one of its bins. */
export interface MissingTask {
  readonly bin: number;
  readonly from: bigint;
  /** `undefined`: all that the bin has. */
  readonly to: bigint | undefined;
  /** Chunks of the list that this is about. */
  readonly keys: Set<string>;
}

/**
 * Chunks that pages were sealed without, or that were lost: durable, each with who has offered it. One leaves the list when it is
 * stored, from anywhere, or when everybody who could have it has answered that it does not. [PS35]
 *
 * Memory may be ahead of the disk after a failed write: what is noted in it alone is asked for in vain, no more.
 */
export class MissingList implements AsyncDisposable {
  readonly #deps: MissingListDeps;
  readonly #network: number;
  readonly #chunks = new Map<string, MissingChunk>();
  readonly #countOf = new Map<string, number>();
  readonly #unwatch: () => void;
  readonly #onNoted: () => void;
  #noting: Promise<void> = Promise.resolve();

  private constructor(deps: MissingListDeps, network: number, onNoted: () => void) {
    this.#deps = deps;
    this.#network = network;
    this.#onNoted = onNoted;
    this.#unwatch = deps.storage.watch(this.#watcher);
  }

  /** The list as it was left. `onNoted` is told when something has come onto it. */
  static async open(
    deps: MissingListDeps,
    network: number,
    onNoted: () => void,
  ): Promise<MissingList> {
    const list = new MissingList(deps, network, onNoted);
    for await (const { key, value } of deps.store.scan(missingRange(network))) {
      const address = missingAddressOf(key);
      list.#set({ address, ...decodeMissing(value) });
    }
    return list;
  }

  get size(): number {
    return this.#chunks.size;
  }

  /** Missing chunks that a peer has offered. */
  countOf(peer: Uint8Array): number {
    return this.#countOf.get(toHex(peer)) ?? 0;
  }

  /** Addresses on the list, as texts. */
  keys(): string[] {
    return [...this.#chunks.keys()].toSorted();
  }

  /** Waits for what is being noted of lost chunks, and watches no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#unwatch();
    await this.#noting;
  }

  /**
   * Adds what a page lacks to the write that seals it.
   *
   * @throws {PullSyncError} `PULLSYNC_MISSING_FULL`: the page is not to be sealed.
   */
  async note(write: SealWrite, peer: Uint8Array, page: PulledPage): Promise<void> {
    if (page.lacking.length === 0) return;
    const entries = page.lacking.map(({ entry }) => entry);
    const isHere = await write.has(entries);
    const lacking = entries.filter((_, i) => isHere[i] === false);
    const sourced = lacking.filter(({ address }) => this.#isSource(toHex(address), peer)).length;
    if (this.countOf(peer) + lacking.length - sourced > MISSING_PER_PEER_MAX)
      throw new PullSyncError(
        "PULLSYNC_MISSING_FULL",
        "Cannot seal page: too much that the peer offers has not come",
      );
    const source = { peer, from: page.start, to: page.topmost };
    for (const { address } of lacking) {
      const {
        isLost = false,
        sources = [],
        lackedBy = [],
      } = this.#chunks.get(toHex(address)) ?? {};
      const others = sources.filter((other) => toHex(other.peer) !== toHex(peer));
      const record: MissingChunk = {
        address: address.slice(),
        isLost,
        sources: [...others, source].slice(-MISSING_SOURCES_MAX),
        lackedBy,
      };
      this.#set(record);
      write.add(this.#put(record));
    }
    if (lacking.length > 0) this.#onNoted();
  }

  /** Looks whether lost chunks are here again by another way: then nobody needs to be asked. */
  async takeBack(): Promise<void> {
    const { storage } = this.#deps;
    const lost = [...this.#chunks.values()].filter(({ isLost }) => isLost);
    for (let at = 0; at < lost.length; at += PAGE_ENTRIES_MAX) {
      const page = lost.slice(at, at + PAGE_ENTRIES_MAX);
      await storage.takeBack?.(page.map(({ address }) => entryOf(address)));
    }
  }

  /** What to ask this peer for again. */
  tasksOf(peer: Uint8Array): MissingTask[] {
    const tasks = new Map<string, MissingTask>();
    const add = (key: string, bin: number, from: bigint, to: bigint | undefined): void => {
      const name = `${bin} ${from} ${to}`;
      const task = tasks.get(name) ?? { bin, from, to, keys: new Set<string>() };
      tasks.set(name, task);
      task.keys.add(key);
    };
    for (const [key, { address, isLost, sources, lackedBy }] of this.#chunks) {
      const bin = proximity(peer, address);
      if (isLost && !isAmong(peer, lackedBy)) add(key, bin, 1n, undefined);
      for (const source of sources)
        if (toHex(source.peer) === toHex(peer)) add(key, bin, source.from, source.to);
    }
    return [...tasks.values()];
  }

  /**
   * Notes a peer's answer: it was asked for `keys` again, and `seen` is what of them it offered without their having come.
   * `neighbours` are the overlays of all who could have a lost one.
   */
  async settle(
    write: SealWrite,
    peer: Uint8Array,
    keys: Iterable<string>,
    seen: ReadonlyMap<string, LackingCause>,
    neighbours: readonly Uint8Array[],
  ): Promise<void> {
    const chunks = Array.from(keys, (key) => this.#chunks.get(key)).filter(
      (it) => it !== undefined,
    );
    const isHere = await write.has(chunks.map(({ address }) => entryOf(address)));
    for (const [i, chunk] of chunks.entries()) {
      const key = toHex(chunk.address);
      const cause = seen.get(key);
      if (isHere[i] === true) this.#end(write, chunk);
      else if (cause === undefined || cause === "vanished")
        this.#lacks(write, chunk, peer, neighbours);
      else this.#deps.logger("debug", "pullsync.missing.kept", { cause });
    }
  }

  /** Ops that forget what a peer has offered: its reserve was made anew, and all of it will be offered again. */
  forget(write: SealWrite, peer: Uint8Array): void {
    for (const chunk of [...this.#chunks.values()]) {
      const sources = chunk.sources.filter((source) => toHex(source.peer) !== toHex(peer));
      const lackedBy = chunk.lackedBy.filter((other) => toHex(other) !== toHex(peer));
      if (sources.length + lackedBy.length === chunk.sources.length + chunk.lackedBy.length)
        continue;
      this.#change(write, { ...chunk, sources, lackedBy }, sources.length === 0 && !chunk.isLost);
    }
  }

  readonly #watcher: StorageWatcher = {
    storing: (write, entries) => {
      if (this.#chunks.size === 0) return;
      for (const { address } of entries)
        if (this.#chunks.has(toHex(address)))
          write.add({ type: "delete", key: missingKey(this.#network, address) });
    },
    stored: (entries) => {
      if (this.#chunks.size === 0) return;
      for (const entry of entries) this.#drop(toHex(entry.address));
    },
    lost: (entries) => {
      this.#noting = this.#noting.then(() => this.#noteLost(entries));
    },
  };

  async #noteLost(entries: readonly PullEntry[]): Promise<void> {
    try {
      await this.#deps.storage.put([], {
        seal: async (write) => {
          const isHere = await write.has(entries);
          for (const { address } of entries.filter((_, i) => isHere[i] === false)) {
            const sources = this.#chunks.get(toHex(address))?.sources ?? [];
            this.#change(
              write,
              { address: address.slice(), isLost: true, sources, lackedBy: [] },
              false,
            );
          }
        },
      });
      this.#onNoted();
    } catch (error) {
      // In memory they are noted; on disk the reserve finds them again where they are asked for.
      this.#deps.logger("error", "pullsync.missing.unnoted", {
        count: entries.length,
        error: String(error),
      });
    }
  }

  /** A peer has answered that it lacks the chunk. */
  #lacks(
    write: SealWrite,
    chunk: MissingChunk,
    peer: Uint8Array,
    neighbours: readonly Uint8Array[],
  ): void {
    const sources = chunk.sources.filter((source) => toHex(source.peer) !== toHex(peer));
    const lackedBy =
      chunk.isLost && !isAmong(peer, chunk.lackedBy)
        ? [...chunk.lackedBy, peer].slice(-MISSING_SOURCES_MAX)
        : chunk.lackedBy;
    const isOver =
      sources.length === 0 &&
      (!chunk.isLost || neighbours.every((neighbour) => isAmong(neighbour, lackedBy)));
    this.#change(write, { ...chunk, sources, lackedBy }, isOver);
    if (isOver) this.#deps.logger("warn", "pullsync.missing.nowhere", { isLost: chunk.isLost });
  }

  #change(write: SealWrite, chunk: MissingChunk, isOver: boolean): void {
    if (isOver) return this.#end(write, chunk);
    this.#set(chunk);
    write.add(this.#put(chunk));
  }

  #end(write: SealWrite, { address }: MissingChunk): void {
    write.add({ type: "delete", key: missingKey(this.#network, address) });
    this.#drop(toHex(address));
  }

  #put(chunk: MissingChunk): WriteOp {
    return {
      type: "put",
      key: missingKey(this.#network, chunk.address),
      value: encodeMissing(chunk),
    };
  }

  #isSource(key: string, peer: Uint8Array): boolean {
    return this.#chunks.get(key)?.sources.some((it) => toHex(it.peer) === toHex(peer)) === true;
  }

  #set(chunk: MissingChunk): void {
    const key = entryKeyOf(entryOf(chunk.address));
    this.#drop(key);
    this.#chunks.set(key, chunk);
    this.#count(chunk, 1);
  }

  #drop(key: string): void {
    const chunk = this.#chunks.get(key);
    if (chunk === undefined) return;
    this.#chunks.delete(key);
    this.#count(chunk, -1);
  }

  #count({ sources }: MissingChunk, by: number): void {
    for (const { peer } of sources) {
      const name = toHex(peer);
      const count = (this.#countOf.get(name) ?? 0) + by;
      if (count > 0) this.#countOf.set(name, count);
      else this.#countOf.delete(name);
    }
  }
}
