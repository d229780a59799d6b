import { type Logger, type Random, Sum256, toHex } from "../base/index.ts";
import {
  type ChunkEntry,
  type ChunkName,
  type ChunkStore,
  type ChunkWrite,
  CONTENT,
} from "../chunks/index.ts";
import type { Store } from "../store/index.ts";
import { entryOf } from "./entry.ts";
import { PullSyncError } from "./errors.ts";
import { VERIFY_ENTRIES } from "./limits.ts";
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
import {
  binIdOf,
  decodeEntry,
  entryKey,
  entryRange,
  type NetworkRecord,
  placedKey,
} from "./records.ts";
import {
  forgetPlaced,
  type GiveNumbers,
  networkRecord,
  Numbering,
  type Placing,
  type ReserveBin,
  ReserveBins,
  sweep,
} from "./reserve-bins.ts";

export interface ReserveDeps {
  readonly store: Store;
  /** Over the same store. */
  readonly chunks: ChunkStore;
  readonly random: Random;
  readonly logger: Logger;
}

export interface ReserveOptions {
  /** The network's id, 32 bytes. */
  readonly network: Uint8Array;
  /** Our own overlay, 32 bytes. */
  readonly overlay: Uint8Array;
}

const KIND = CONTENT;
const NO_STAMP = new Uint8Array();
/**
 * The reserve of one storage network over the chunk store that all networks share: bins, numbers and epoch of its own. A chunk of two
 * networks is one body with two places; who is served in one network learns nothing of the other. [PS40] to [PS44]
 */
export class Reserve implements PullStorage, AsyncDisposable {
  readonly #deps: ReserveDeps;
  readonly #id: Uint8Array;
  readonly #record: NetworkRecord;
  readonly #bins: ReserveBins;
  readonly #watchers = new Set<StorageWatcher>();
  readonly #ends: readonly (() => void)[];
  #losing: Promise<void> = Promise.resolve();
  readonly #verifying = new Set<number>();
  #isClosed = false;

  private constructor(deps: ReserveDeps, id: Uint8Array, record: NetworkRecord, bins: ReserveBins) {
    this.#deps = deps;
    this.#id = id;
    this.#record = record;
    this.#bins = bins;
    this.#ends = [
      deps.chunks.onLost((chunk, entry) => this.#onLost(chunk, entry)),
      deps.store.onState((state) => {
        if (state === "open") void this.#bins.sure().catch(() => {});
      }),
    ];
  }

  /** The reserve of a network, made if there is none. @throws {PullSyncError} `PULLSYNC_CORRUPT`; what the stores throw. */
  static async open(deps: ReserveDeps, options: ReserveOptions): Promise<Reserve> {
    const record = await networkRecord(deps, options.network);
    const bins = await ReserveBins.open(deps.store, record.number, options.overlay);
    return new Reserve(deps, options.network, record, bins);
  }

  /** The network's number in this store. */
  get number(): number {
    return this.#record.number;
  }

  async cursors(): Promise<readonly bigint[]> {
    await this.#bins.sure();
    return this.#bins.all.map(({ cursor }) => cursor);
  }

  epoch(): Promise<bigint> {
    return Promise.resolve(this.#record.epoch);
  }

  async *subscribe(
    bin: number,
    start: bigint,
    { to, signal }: SubscribeOptions = {},
  ): AsyncGenerator<BinEntry, void, undefined> {
    const own = this.#bins.all[bin] as ReserveBin;
    const wake = (): void => own.news.wake();
    const isOver = (): boolean => this.#isClosed || signal?.aborted === true;
    signal?.addEventListener("abort", wake, { once: true });
    try {
      for (let next = start > 0n ? start : 1n; !isOver();) {
        const changed = own.news.wait();
        const end = to === undefined || to > own.cursor ? own.cursor : to;
        if (next <= end) {
          const range = entryRange(this.number, bin, next, end);
          for await (const { key, value } of this.#deps.store.scan(range)) {
            if (isOver()) return;
            const { address, size } = decodeEntry(value);
            yield { binId: binIdOf(key), entry: entryOf(address), size };
          }
          next = end + 1n;
        }
        if (to !== undefined && own.cursor >= to) return;
        if (next > own.cursor && !isOver()) await changed;
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
  }

  async has(entries: readonly PullEntry[]): Promise<boolean[]> {
    const found = await this.#deps.chunks.entries(KIND, addressesOf(entries));
    return found.map((entry) => this.#placeIn(entry) !== undefined);
  }

  async get(entries: readonly PullEntry[]): Promise<(StampedBytes | undefined)[]> {
    const { chunks } = this.#deps;
    const addresses = addressesOf(entries);
    const found = await chunks.entries(KIND, addresses);
    // What is here for another network is not here.
    const ours = addresses.filter((_, i) => this.#placeIn(found[i]) !== undefined);
    const bytes = await chunks.getMany(KIND, ours);
    if (ours.length < addresses.length)
      this.#verifyLater(addresses.filter((_, i) => this.#placeIn(found[i]) === undefined));
    const byAddress = new Map(ours.map((address, i) => [toHex(address), bytes[i]]));
    return addresses.map((address) => {
      const got = byAddress.get(toHex(address));
      return got && { bytes: got, stamp: NO_STAMP };
    });
  }

  async put(chunks: readonly PullChunk[], { seal }: PullPutOptions = {}): Promise<PullOutcome[]> {
    await this.#bins.sure();
    const outcomes: PullOutcome[] = [];
    const addresses = chunks.map(({ chunk }) => chunk.address);
    await this.#writing(async (number) => {
      const change = async (write: ChunkWrite): Promise<void> => {
        const entries = await write.entries(KIND, addresses);
        outcomes.push(...(await number(write, addresses, entries)));
        await seal?.(this.#sealWrite(write), outcomes);
      };
      if (chunks.length === 0) await this.#deps.chunks.write(change);
      else
        await this.#deps.chunks.put(
          chunks.map(({ chunk }) => chunk),
          { with: change },
        );
    });
    return outcomes;
  }

  /**
   * Gives numbers to chunks that are here already: that came by a fetch, or for another network. Those that have one keep it. With
   * `done` notes, in the same write, that all chunks of the blob of this root have been placed, if all of these are here. [PS43]
   */
  async place(
    addresses: readonly Uint8Array[],
    done?: { readonly root: Uint8Array },
  ): Promise<Placing> {
    await this.#bins.sure();
    let absent: Uint8Array[] = [];
    let placed = 0;
    await this.#writing((number) =>
      this.#deps.chunks.write(async (write) => {
        const entries = await write.entries(KIND, addresses);
        absent = addresses.filter((_, i) => entries[i] === undefined);
        const here = addresses.filter((_, i) => entries[i] !== undefined);
        const outcomes = await number(
          write,
          here,
          entries.filter((entry) => entry !== undefined),
        );
        placed = outcomes.filter((outcome) => outcome === "stored").length;
        if (done === undefined || absent.length > 0) return;
        write.add({ type: "put", key: placedKey(this.number, done.root), value: NO_STAMP });
      }),
    );
    return { placed, absent };
  }

  /** What was in this reserve before may be again, whoever brought it. [PS42] */
  async takeBack(entries: readonly PullEntry[]): Promise<void> {
    const here = await this.#deps.chunks.has(KIND, addressesOf(entries));
    const back = addressesOf(entries).filter((_, i) => here[i] === true);
    if (back.length > 0) await this.place(back);
  }

  /** Whether `place` has noted that all chunks of the blob of this root were placed. */
  async isPlaced(root: Uint8Array): Promise<boolean> {
    return (await this.#deps.store.get(placedKey(this.number, root))) !== undefined;
  }

  watch(watcher: StorageWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** The radius is 0: every storage peer of a network holds everything of it. */
  within(): boolean {
    return true;
  }

  /** How many chunks there are, and the sum of their addresses: two reserves with the same sum hold the same. Reads all bins. */
  async summary(): Promise<{ readonly chunks: number; readonly sum: Uint8Array }> {
    await this.#bins.sure();
    const sum = Sum256.zero();
    let chunks = 0;
    for (const { number, cursor } of this.#bins.all) {
      if (cursor === 0n) continue;
      for await (const { entry } of this.subscribe(number, 1n, { to: cursor })) {
        sum.add(entry.address);
        chunks += 1;
      }
    }
    return { chunks, sum: sum.toBytes() };
  }

  /**
   * Holds numbers against the index of chunks, of all bins or of one: what has a number and is not here was lost while nobody listened,
   * and leaves the reserve as if it were found now. Answers how many. Reads the index, not the chunks. [PS42]
   */
  async verify(bin?: number): Promise<number> {
    let lost = 0;
    for (const { number, cursor } of this.#bins.all) {
      if (bin !== undefined && bin !== number) continue;
      let page: BinEntry[] = [];
      for await (const entry of this.subscribe(number, 1n, { to: cursor })) {
        page.push(entry);
        if (page.length < VERIFY_ENTRIES) continue;
        lost += await this.#verifyPage(number, page);
        page = [];
      }
      lost += await this.#verifyPage(number, page);
    }
    return lost;
  }

  /**
   * Makes the reserve anew and closes this one: another epoch, no numbers, and nothing known of what peers have given, from one write
   * on. What was kept under its number is deleted after that; the chunks stay, and get numbers again where they are put or placed again. [PS44]
   */
  async wipe(): Promise<void> {
    await this.close();
    await networkRecord(this.#deps, this.#id, { isAnew: true });
    await sweep(this.#deps.store, this.number);
  }

  /** Ends subscriptions and waits for what is being noted. The stores stay open. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const end of this.#ends) end();
    this.#bins.wake();
    await this.#losing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #placeIn(entry: ChunkEntry | undefined): bigint | undefined {
    const place = entry?.places.find(({ network }) => network === this.number);
    return place && BigInt(place.binId);
  }

  #sealWrite(write: ChunkWrite): SealWrite {
    return {
      has: async (entries) => {
        const found = await write.entries(KIND, addressesOf(entries));
        return found.map((entry) => this.#placeIn(entry) !== undefined);
      },
      add: (...ops) => write.add(...ops),
    };
  }

  /**
   * Runs a write that gives numbers. They are given within it, so in its order, and shown only when it and all before it are
   * settled: where one fails its numbers belong to nothing, or to what the store turns out to hold. [PS41]
   */
  async #writing(work: (number: GiveNumbers) => Promise<void>): Promise<void> {
    if (this.#isClosed)
      throw new PullSyncError("PULLSYNC_CLOSED", "Cannot write reserve: it is closed");
    const numbering = new Numbering(this.#bins);
    const { fresh } = numbering;
    try {
      await work(async (write, addresses, entries) => {
        const outcomes: PullOutcome[] = [];
        for (const [i, address] of addresses.entries()) {
          const isHere = this.#placeIn(entries[i]) !== undefined;
          outcomes.push(await numbering.add(write, address, isHere, entries[i]?.size));
        }
        numbering.end(write);
        if (fresh.length > 0)
          for (const watcher of this.#watchers) watcher.storing(this.#sealWrite(write), fresh);
        return outcomes;
      });
    } catch (error) {
      this.#bins.settle(numbering.given, "failed");
      throw error;
    }
    this.#bins.settle(numbering.given, "durable");
    if (fresh.length > 0) for (const watcher of this.#watchers) watcher.stored(fresh);
  }

  /** A chunk was found damaged and is out of the index: its number belongs to nothing, and it is missing. [PS42] */
  #onLost({ kind, address }: ChunkName, entry: ChunkEntry): void {
    const binId = this.#placeIn(entry);
    if (binId === undefined || kind.code !== KIND.code || this.#isClosed) return;
    const bin = this.#bins.binOf(address).number;
    this.#losing = this.#losing.then(() => this.#drop(bin, [{ binId, address }]));
  }

  /** Takes numbers of chunks that are not here out of the reserve, and tells. */
  async #drop(bin: number, gone: readonly { binId: bigint; address: Uint8Array }[]): Promise<void> {
    try {
      await forgetPlaced(this.#deps.store, this.number);
      await this.#deps.chunks.write((write) => {
        for (const { binId } of gone)
          write.add({ type: "delete", key: entryKey(this.number, bin, binId) });
      });
    } catch (error) {
      // They are offered still, delivered empty, and found then.
      this.#deps.logger("error", "pullsync.lost.unnoted", { error: String(error) });
    }
    const entries = gone.map(({ address }) => entryOf(address));
    for (const watcher of this.#watchers) watcher.lost(entries);
  }

  /** Somebody was offered what is not in the index: the bins are looked through, each once at a time. */
  #verifyLater(addresses: readonly Uint8Array[]): void {
    for (const bin of new Set(addresses.map((address) => this.#bins.binOf(address).number))) {
      if (this.#verifying.has(bin)) continue;
      this.#verifying.add(bin);
      const verified = this.verify(bin).then(
        () => {},
        (error: unknown) => {
          this.#deps.logger("warn", "pullsync.verify.failed", { bin, error: String(error) });
        },
      );
      this.#losing = Promise.all([this.#losing, verified]).then(
        () => void this.#verifying.delete(bin),
      );
    }
  }

  async #verifyPage(bin: number, page: readonly BinEntry[]): Promise<number> {
    if (page.length === 0) return 0;
    const found = await this.#deps.chunks.entries(
      KIND,
      page.map(({ entry }) => entry.address),
    );
    const gone = page.filter(({ binId }, i) => this.#placeIn(found[i]) !== binId);
    if (gone.length > 0)
      await this.#drop(
        bin,
        gone.map(({ binId, entry }) => ({ binId, address: entry.address })),
      );
    return gone.length;
  }
}

function addressesOf(entries: readonly PullEntry[]): Uint8Array[] {
  return entries.map(({ address }) => address);
}
