import { toHex } from "../../base/index.ts";
import { Blobs } from "../../blobs/index.ts";
import {
  type ChunkFiles,
  type ChunkStore,
  CONTENT,
  memoryChunkFiles,
  openChunkStore,
} from "../../chunks/index.ts";
import {
  nodeClock,
  nodeCrypto,
  nodeRandom,
  openDiskStore,
  openNodeChunkFiles,
} from "../../node/index.ts";
import { createMemoryMedium, openMemoryStore, type Store } from "../../store/index.ts";
import { tempFolder } from "../temp-folder.ts";

/** Blobs with what they stand on. Disposing of it closes all. */
export interface OpenBlobs extends AsyncDisposable {
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly blobs: Blobs;
}

/** A medium for blobs, empty at first: what a rule of blobs is checked in. */
export interface BlobsWorld extends AsyncDisposable {
  /** Opens what is there; closed before it is opened again. */
  open(options?: { readonly capacityBytes?: number }): Promise<OpenBlobs>;
}

const crypto = nodeCrypto();

async function openOn(
  store: Store,
  files: ChunkFiles,
  capacityBytes: number | undefined,
): Promise<OpenBlobs> {
  const chunks = await openChunkStore({ store, files, crypto, capacityBytes });
  const blobs = new Blobs({ store, chunks, crypto });
  return {
    store,
    chunks,
    blobs,
    async [Symbol.asyncDispose]() {
      await blobs.close();
      await chunks.close();
      await store.close();
    },
  };
}

/** A world in memory. */
export function memoryBlobsWorld(): BlobsWorld {
  const medium = createMemoryMedium();
  const files = memoryChunkFiles();
  return {
    open: async ({ capacityBytes } = {}) =>
      await openOn(await openMemoryStore({ medium }), files, capacityBytes),
    async [Symbol.asyncDispose]() {},
  };
}

/** A world in a folder of its own. */
export async function diskBlobsWorld(): Promise<BlobsWorld> {
  const folder = await tempFolder();
  return {
    open: ({ capacityBytes } = {}) => openBlobsIn(folder.path, capacityBytes),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Opens blobs in a folder of the disk, as a peer does. */
export async function openBlobsIn(path: string, capacityBytes?: number): Promise<OpenBlobs> {
  const store = await openDiskStore({ clock: nodeClock(), random: nodeRandom() }, `${path}/store`);
  const files = await openNodeChunkFiles(`${path}/chunks`);
  return await openOn(store, files, capacityBytes);
}

/** Chunks and nodes that are here, by address in hexadecimal digits: how many bytes each has. */
export async function chunksIn({ store, chunks }: OpenBlobs): Promise<Map<string, number>> {
  const range = {
    gte: Uint8Array.of(0x30, CONTENT.code),
    lt: Uint8Array.of(0x30, CONTENT.code + 1),
  };
  const addresses: Uint8Array[] = [];
  for await (const { key } of store.scan(range)) addresses.push(key.slice(2));
  const found = await chunks.entries(CONTENT, addresses);
  return new Map(addresses.map((address, i) => [toHex(address), found[i]?.size ?? 0]));
}

/** The same blobs, with the addresses that are read noted. */
export function watched({ store, chunks }: OpenBlobs): { blobs: Blobs; read: Set<string> } {
  const read = new Set<string>();
  const watching: ChunkStore = {
    get(name, range) {
      read.add(toHex(name.address));
      return chunks.get(name, range);
    },
    getMany(kind, addresses) {
      for (const address of addresses) read.add(toHex(address));
      return chunks.getMany(kind, addresses);
    },
    put: (...args) => chunks.put(...args),
    write: (change) => chunks.write(change),
    has: (...args) => chunks.has(...args),
    entries: (...args) => chunks.entries(...args),
    delete: (...args) => chunks.delete(...args),
    status: () => chunks.status(),
    onLost: (listener) => chunks.onLost(listener),
    close: () => chunks.close(),
    [Symbol.asyncDispose]: () => chunks.close(),
  };
  return { blobs: new Blobs({ store, chunks: watching, crypto }), read };
}
