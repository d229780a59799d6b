/** The numbers of a reserve: given within a write, shown when it is settled. */

import { type Random, toHex } from "../base/index.ts";
import { type ChunkEntry, type ChunkStore, type ChunkWrite, CONTENT } from "../chunks/index.ts";
import { Wakeup } from "../net/index.ts";
import type { KeyRange, Store, WriteOp } from "../store/index.ts";
import { entryOf, newEpoch, proximity } from "./entry.ts";
import { BINS, SWEEP_OPS_MAX } from "./limits.ts";
import { Turns } from "./pace.ts";
import type { PullEntry, PullOutcome } from "./ports.ts";
import {
  binKey,
  decodeNetwork,
  decodeNumber,
  encodeEntry,
  encodeNetwork,
  encodeNumber,
  entryKey,
  NETWORK_RANGE,
  networkKey,
  type NetworkRecord,
  placedRange,
  rangesOf,
} from "./records.ts";

/** Numbers that one write gives in one bin. */
export interface Given {
  readonly bin: ReserveBin;
  last: bigint;
  state: "writing" | "durable" | "failed";
}

export interface ReserveBin {
  readonly number: number;
  readonly news: Wakeup;
  /** The greatest number that was given, to whatever write. */
  given: bigint;
  /** The greatest number that others may see: it and all before it are durable, or belong to nothing. */
  cursor: bigint;
  /** In the order of their numbers. */
  readonly writing: Given[];
}

/** What `place` did. */
export interface Placing {
  /** Chunks that have a number now and had none. */
  readonly placed: number;
  /** Addresses of those that are not here. */
  readonly absent: readonly Uint8Array[];
}

/** Gives numbers to chunks within a write, by their entries as the write finds them. */
export type GiveNumbers = (
  write: ChunkWrite,
  addresses: readonly Uint8Array[],
  entries: readonly (ChunkEntry | undefined)[],
) => Promise<PullOutcome[]>;

/** The 32 bins of a network's reserve. */
export class ReserveBins {
  readonly #store: Store;
  readonly network: number;
  readonly overlay: Uint8Array;
  readonly all: readonly ReserveBin[];
  /** Reads what the store holds after a failed write. */
  #reloading: Promise<void> | undefined;
  #isUnsure = false;

  private constructor(store: Store, network: number, overlay: Uint8Array, last: bigint[]) {
    this.#store = store;
    this.network = network;
    this.overlay = overlay;
    this.all = last.map((given, number) => ({
      number,
      news: new Wakeup(),
      given,
      cursor: given,
      writing: [],
    }));
  }

  /** As they were left. */
  static async open(store: Store, network: number, overlay: Uint8Array): Promise<ReserveBins> {
    return new ReserveBins(store, network, overlay, await readLast(store, network));
  }

  /** The bin of an address. */
  binOf(address: Uint8Array): ReserveBin {
    return this.all[proximity(this.overlay, address)] as ReserveBin;
  }

  /** Wakes all who wait for news. */
  wake(): void {
    for (const { news } of this.all) news.wake();
  }

  /** What became of the write that gave these: they are shown once all before them are settled too. [PS41] */
  settle(given: readonly Given[], state: "durable" | "failed"): void {
    if (state === "failed") this.#isUnsure = true;
    for (const each of given) {
      each.state = state;
      const { bin } = each;
      while (bin.writing[0] !== undefined && bin.writing[0].state !== "writing") {
        const settled = bin.writing.shift() as Given;
        if (settled.state === "durable" && settled.last > bin.cursor) bin.cursor = settled.last;
      }
      bin.news.wake();
    }
  }

  /** After a failed write: takes up what the store turned out to hold, once that can be known. */
  async sure(): Promise<void> {
    if (!this.#isUnsure || this.#store.state !== "open") return;
    this.#reloading ??= this.#reload();
    await this.#reloading;
  }

  async #reload(): Promise<void> {
    this.#isUnsure = false;
    try {
      const stored = await readLast(this.#store, this.network);
      for (const bin of this.all) {
        const last = stored[bin.number] as bigint;
        if (last > bin.given) bin.given = last;
        if (bin.writing.length === 0 && last > bin.cursor) bin.cursor = last;
        bin.news.wake();
      }
    } catch (error) {
      this.#isUnsure = true;
      throw error;
    } finally {
      this.#reloading = undefined;
    }
  }
}

/** The numbers that one write gives. */
export class Numbering {
  readonly #bins: ReserveBins;
  readonly #given = new Map<ReserveBin, Given>();
  readonly #seen = new Set<string>();
  /** Entries that got one. */
  readonly fresh: PullEntry[] = [];

  constructor(bins: ReserveBins) {
    this.#bins = bins;
  }

  /** What was given, bin by bin. */
  get given(): Given[] {
    return [...this.#given.values()];
  }

  /** Gives a chunk of the write its number, unless it has one. */
  async add(
    write: ChunkWrite,
    address: Uint8Array,
    isHere: boolean,
    size: number | undefined,
  ): Promise<PullOutcome> {
    const name = toHex(address);
    if (isHere || size === undefined || this.#seen.has(name)) return "duplicate";
    this.#seen.add(name);
    const bin = this.#bins.binOf(address);
    bin.given += 1n;
    let given = this.#given.get(bin);
    if (given === undefined) {
      given = { bin, last: bin.given, state: "writing" };
      this.#given.set(bin, given);
      bin.writing.push(given);
    }
    given.last = bin.given;
    const place = { network: this.#bins.network, binId: Number(bin.given) };
    await write.place({ kind: CONTENT, address }, place);
    const key = entryKey(this.#bins.network, bin.number, bin.given);
    write.add({ type: "put", key, value: encodeEntry(address, size) });
    this.fresh.push(entryOf(address.slice()));
    return "stored";
  }

  /** Adds the last number of each bin. */
  end(write: ChunkWrite): void {
    for (const { bin, last } of this.given) {
      const key = binKey(this.#bins.network, bin.number);
      write.add({ type: "put", key, value: encodeNumber(last) });
    }
  }
}

async function readLast(store: Store, network: number): Promise<bigint[]> {
  const keys = Array.from({ length: BINS }, (_, bin) => binKey(network, bin));
  return (await store.getMany(keys)).map((value) => (value ? decodeNumber(value) : 0n));
}

/** Deletes what is kept of a network under a number that it has no longer. */
export async function sweep(store: Store, network: number): Promise<void> {
  for (const range of rangesOf(network)) await sweepRange(store, range);
}

/** Forgets which blobs were placed: one of them may have lost a chunk, and is placed anew when it is whole again. */
export function forgetPlaced(store: Store, network: number): Promise<void> {
  return sweepRange(store, placedRange(network));
}

async function sweepRange(store: Store, range: KeyRange): Promise<void> {
  for (;;) {
    const ops: WriteOp[] = [];
    for await (const { key } of store.scan(range, { limit: SWEEP_OPS_MAX }))
      ops.push({ type: "delete", key });
    if (ops.length === 0) return;
    await store.write(ops);
  }
}

/** Networks of one store get their numbers one after another. */
const OPENINGS = new WeakMap<Store, Turns>();

export interface NetworkRecordDeps {
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly random: Random;
}

/**
 * The record of a network; where there is none, or it is to be made anew, one with a number that none has had, and a new epoch. What
 * there was under another number is of nobody then.
 */
export async function networkRecord(
  deps: NetworkRecordDeps,
  id: Uint8Array,
  { isAnew = false }: { readonly isAnew?: boolean } = {},
): Promise<NetworkRecord> {
  const { store } = deps;
  const turns = OPENINGS.get(store) ?? new Turns();
  OPENINGS.set(store, turns);
  const record = Promise.withResolvers<NetworkRecord>();
  await turns.take(async () => {
    const value = isAnew ? undefined : await store.get(networkKey(id));
    record.resolve(value ? decodeNetwork(value) : await makeNetwork(deps, id));
  });
  return await record.promise;
}

async function makeNetwork(deps: NetworkRecordDeps, id: Uint8Array): Promise<NetworkRecord> {
  let greatest = 0;
  for await (const { value } of deps.store.scan(NETWORK_RANGE))
    greatest = Math.max(greatest, decodeNetwork(value).number);
  const record = { number: greatest + 1, epoch: newEpoch(deps.random) };
  await deps.chunks.write((write) =>
    write.add({ type: "put", key: networkKey(id), value: encodeNetwork(record) }),
  );
  return record;
}
