import { assert, type BlobRef, type Clock, type Logger, type ScopeId } from "../../base/index.ts";
import { Blobs } from "../../blobs/index.ts";
import {
  type ChunkStore,
  type MemoryChunkFiles,
  memoryChunkFiles,
  openChunkStore,
  Wants,
} from "../../chunks/index.ts";
import { Exchange, type ExchangeOptions } from "../../exchange/index.ts";
import type { Identity } from "../../history/index.ts";
import { nodeClock, nodeCrypto, nodeRandom } from "../../node/index.ts";
import { openMemoryStore, type Store } from "../../store/index.ts";
import { eventually, type SharedGroup, SyncFlock, todosOf } from "../sync-flock.ts";
import type { SyncPeer } from "../sync-peer.ts";
import { type Meter, metered } from "./metered-transport.ts";

/** What outlives a device's process: hand it to the next one. */
export interface BlobDisk {
  readonly store: Store;
  readonly files: MemoryChunkFiles;
  readonly identity?: Identity | undefined;
}

export interface BlobPeerOptions extends ExchangeOptions {
  readonly disk?: BlobDisk | undefined;
  readonly clock?: Clock | undefined;
  readonly capacityBytes?: number | undefined;
}

/** A device with chunks, blobs and their exchange. */
export interface BlobPeer {
  readonly peer: SyncPeer;
  readonly disk: BlobDisk;
  readonly chunks: ChunkStore;
  readonly blobs: Blobs;
  readonly exchange: Exchange;
  readonly wants: Wants;
  /** What its streams have carried. */
  readonly meter: Meter;
}

/** Devices that exchange blobs on one memory network. All are closed with it. */
export class BlobFlock implements AsyncDisposable {
  readonly sync = new SyncFlock();
  readonly #open = new Set<BlobPeer>();

  async open(name: string, options: BlobPeerOptions = {}): Promise<BlobPeer> {
    const {
      store = await openMemoryStore(),
      files = memoryChunkFiles(),
      identity,
    } = options.disk ?? {};
    const clock = options.clock ?? nodeClock();
    const crypto = nodeCrypto();
    const logger: Logger = (_, event, fields = {}) =>
      this.sync.events.push({ device: name, event, fields });
    let meter: Meter | undefined;
    const peer = await this.sync.open(name, {
      transport: (device) => {
        const made = metered(this.sync.network.transport(device));
        meter = made.meter;
        return made.transport;
      },
      store,
      ...(identity !== undefined && { identity }),
      clock,
    });
    const chunks = await openChunkStore({
      store,
      files,
      crypto,
      capacityBytes: options.capacityBytes,
    });
    const parts = await openExchange({ peer, store, chunks, clock, logger }, options);
    assert(meter !== undefined, "the transport was made");
    const disk = { store, files, identity: peer.identity };
    const opened = { peer, chunks, ...parts, meter, disk };
    this.#open.add(opened);
    return opened;
  }

  /** Ends a device. With `keepsDisk` its store stays open, for the next one of the same disk. */
  async close(one: BlobPeer, { keepsDisk = false } = {}): Promise<void> {
    this.#open.delete(one);
    await one.exchange.close();
    await one.blobs.close();
    await one.chunks.close();
    if (!keepsDisk) return this.sync.close(one.peer);
    await one.peer.sync.close();
    await one.peer.transport.close();
    await one.peer.history.close();
    this.sync.forget(one.peer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open) await this.close(one);
    await this.sync[Symbol.asyncDispose]();
  }
}

/** What stands between a device's chunks and its network. */
export async function openExchange(
  deps: {
    readonly peer: SyncPeer;
    readonly store: Store;
    readonly chunks: ChunkStore;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  options: ExchangeOptions = {},
): Promise<{ blobs: Blobs; wants: Wants; exchange: Exchange }> {
  const { peer, ...rest } = deps;
  const crypto = nodeCrypto();
  const blobs = new Blobs({ ...rest, crypto });
  const wants = new Wants(rest);
  const { history, sync, transport } = peer;
  const random = nodeRandom();
  const all = { ...rest, blobs, wants, crypto, random, history, sync, transport };
  return { blobs, wants, exchange: await Exchange.open(all, options) };
}

/** Bytes that look like chance, the same ones for the same seed. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >>> 2);
  let state = Math.imul(seed, 0x9e3779b9) | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  for (let i = words.length * 4; i < length; i++) bytes[i] = state >>> (8 * (i % 4));
  return bytes;
}

/** Puts bytes as a blob, and a row that names it into the group's collection. */
export async function putBlob(
  one: BlobPeer,
  shared: SharedGroup,
  key: string,
  bytes: Uint8Array,
): Promise<BlobRef> {
  const { ref } = await one.blobs.put([bytes]);
  await (await todosOf(one.peer, shared)).put(key, ref);
  return ref;
}

/** Resolves when the device has the row `key`. */
export async function hasRow(one: BlobPeer, shared: SharedGroup, key: string): Promise<void> {
  const todos = await todosOf(one.peer, shared);
  await eventually(async () => (await todos.get(key)) !== undefined);
}

/** A group over the collection `todos` of `owner`'s user, with what its maker is in it. */
export async function shareBlobs(
  owner: BlobPeer,
  options: { readonly name?: string; readonly isPrivate?: boolean; readonly type?: "server" } = {},
): Promise<SharedGroup> {
  const { name = "home", ...rest } = options;
  const todos = (await owner.peer.database("notes")).collection("todos");
  const group: ScopeId = await owner.peer.sync.createGroup("notes", name, {
    collections: [todos.id],
    ...rest,
  });
  return { group, collection: todos.id };
}

/** Lets a device join, as a storage peer perhaps, and waits until all is there. */
export async function admitBlobs(
  admin: BlobPeer,
  joiner: BlobPeer,
  { group }: SharedGroup,
  type: "normal" | "server" = "normal",
): Promise<void> {
  await joiner.peer.sync.join("notes", await admin.peer.sync.invite(group), { type });
  await joiner.peer.sync.ready(group);
}
