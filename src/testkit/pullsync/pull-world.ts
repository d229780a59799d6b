import {
  type Clock,
  concatBytes,
  type DeviceId,
  deviceKeyOf,
  toHex,
  utf8,
} from "../../base/index.ts";
import { contentChunk, type VerifiedChunk } from "../../chunks/index.ts";
import type { Store } from "../../store/index.ts";
import { nodeCrypto } from "../../node/index.ts";
import {
  type BinEntry,
  entryOf,
  type NetworkStreamer,
  proximity,
  type PullChunk,
  type Puller,
  type PullStorage,
  type Syncer,
  type SyncerDeps,
  type SyncerOptions,
} from "../../pullsync/index.ts";

/** A device that takes part in pull-sync. */
export interface PullSide {
  readonly device: DeviceId;
  /** Where its bins are counted from. */
  readonly overlay: Uint8Array;
  readonly storage: PullStorage;
  readonly syncer: Syncer;
  readonly streamer: NetworkStreamer;
  /** Where its seals are written. */
  readonly store: Store;
  /** Chunks that are found damaged: taken out, and told. */
  lose(chunks: readonly VerifiedChunk[]): Promise<void>;
  /** Takes chunks out of the reserve without a word. */
  remove(chunks: readonly VerifiedChunk[]): Promise<void>;
}

/** A device that speaks the protocol by hand: what it does wrong is the test's business. */
export interface RawSide {
  readonly device: DeviceId;
  readonly overlay: Uint8Array;
  readonly streamer: NetworkStreamer;
}

/** What the rules of pull-sync are checked in: devices of one network, each connected to all. */
export interface PullWorld extends AsyncDisposable {
  readonly clock: Clock;
  open(options?: Partial<SyncerDeps & SyncerOptions>): Promise<PullSide>;
  openRaw(): Promise<RawSide>;
  /** Pulls from all others, until the world ends. */
  pull(side: PullSide): Promise<Puller>;
  /** Devices that are no members any more. */
  expel(device: DeviceId): void;
  /** Lets what is under way arrive. */
  breathe(): Promise<void>;
}

const crypto = nodeCrypto();

/** The network that all devices of a world belong to. */
export const PULL_NETWORK = crypto.sha256(utf8("a network of tests"));

export function overlayOf(device: DeviceId): Uint8Array {
  return crypto.sha256(deviceKeyOf(device));
}

/** Chunks of `size` bytes, others for each `seed`. */
export function chunksOf(count: number, seed = 0, size = 100): VerifiedChunk[] {
  return Array.from({ length: count }, (_, i) => {
    const head = utf8(`chunk ${seed} ${i} `);
    return contentChunk(crypto, concatBytes(head, new Uint8Array(Math.max(0, size - head.length))));
  });
}

/** As `chunksOf`, of those that lie in a bin of this overlay. */
export function chunksInBin(
  overlay: Uint8Array,
  bin: number,
  count: number,
  { seed = 0, size = 100 }: { readonly seed?: number; readonly size?: number } = {},
): VerifiedChunk[] {
  const found: VerifiedChunk[] = [];
  for (let round = 0; found.length < count; round++) {
    for (const chunk of chunksOf(64, seed + round / 1e6, size))
      if (proximity(overlay, chunk.address) === bin && found.length < count) found.push(chunk);
  }
  return found;
}

/** A chunk as pull-sync puts it. */
export function pulled(chunk: VerifiedChunk): PullChunk {
  return { entry: entryOf(chunk.address), chunk, stamp: new Uint8Array() };
}

/** Puts chunks into a reserve, as if they had come there in this order. */
export async function fill(storage: PullStorage, chunks: readonly VerifiedChunk[]): Promise<void> {
  for (let at = 0; at < chunks.length; at += 200)
    await storage.put(chunks.slice(at, at + 200).map(pulled));
}

/** Which of `chunks` are in the reserve, as texts. */
export async function heldOf(
  storage: PullStorage,
  chunks: readonly VerifiedChunk[],
): Promise<string[]> {
  const has = await storage.has(chunks.map(({ address }) => entryOf(address)));
  return namesOf(chunks.filter((_, i) => has[i]));
}

/** Addresses as sorted texts. */
export function namesOf(chunks: readonly { readonly address: Uint8Array }[]): string[] {
  return chunks.map(({ address }) => toHex(address)).toSorted();
}

/** All that a bounded subscription gives. */
export async function entriesFrom(
  storage: PullStorage,
  bin: number,
  start: bigint,
  to: bigint,
): Promise<BinEntry[]> {
  const entries: BinEntry[] = [];
  for await (const entry of storage.subscribe(bin, start, { to })) entries.push(entry);
  return entries;
}

/** Every address in the reserve, as sorted texts: what its bins list up to their cursors. */
export async function contentOfReserve(storage: PullStorage): Promise<string[]> {
  const addresses: { address: Uint8Array }[] = [];
  for (const [bin, cursor] of (await storage.cursors()).entries()) {
    if (cursor === 0n) continue;
    for (const { entry } of await entriesFrom(storage, bin, 1n, cursor)) addresses.push(entry);
  }
  return namesOf(addresses);
}
