import { type Crypto, equalBytes, toHex } from "../../base/index.ts";
import {
  ChunkError,
  type ChunkEntry,
  type ChunkFiles,
  type ChunkKind,
  type ChunkName,
  type ChunkStore,
  CONTENT,
  contentChunk,
  memoryChunkFiles,
  openChunkStore,
  type VerifiedChunk,
  verifyChunk,
} from "../../chunks/index.ts";
import { nodeCrypto } from "../../node/index.ts";
import type { Store } from "../../store/index.ts";
import { equal, holds } from "../expect.ts";
import type { FakeClock } from "../fake-clock.ts";
import { seededRandom } from "../seeded-random.ts";
import { type FaultyMedium, memoryStoreWorld, type StoreWorld } from "../stores.ts";
import { FaultyChunkFiles } from "./chunk-faults.ts";

/** Bytes of a pack's header and of a record's, as docs/spec/chunks.md has them. */
export const HEADER_BYTES = 36;
export const RECORD_BYTES = 41;

export const testCrypto: Crypto = nodeCrypto();

/** A store of chunks and the ordered store below it, both closed when this is disposed of. */
export interface OpenChunks extends AsyncDisposable {
  readonly store: Store;
  readonly chunks: ChunkStore;
  /** Chunks that were told to be lost. */
  readonly lost: { readonly name: ChunkName; readonly entry: ChunkEntry }[];
}

/** One medium, empty at first, with chunks on it: what a rule of chunk stores is checked in. */
export interface ChunkWorld extends AsyncDisposable {
  readonly clock: FakeClock;
  /** Below the ordered store. */
  readonly medium: FaultyMedium;
  /** Below the store of chunks: the same for all openings. */
  readonly files: FaultyChunkFiles;
  /** Events that were logged. */
  readonly events: string[];
  open(options?: { readonly capacityBytes?: number }): Promise<OpenChunks>;
}

/** A world over an ordered store's world and files that can be used again after they were closed. */
export function chunkWorld(below: StoreWorld, files: ChunkFiles): ChunkWorld {
  const faulty = new FaultyChunkFiles(files);
  const events: string[] = [];
  return {
    clock: below.clock,
    medium: below.medium,
    files: faulty,
    events,
    async open({ capacityBytes } = {}) {
      const store = await below.open();
      try {
        const chunks = await openChunkStore({
          store,
          files: faulty,
          crypto: testCrypto,
          capacityBytes,
          logger: (_, event) => events.push(event),
        });
        const lost: OpenChunks["lost"] = [];
        chunks.onLost((name, entry) => lost.push({ name, entry }));
        return {
          store,
          chunks,
          lost,
          async [Symbol.asyncDispose]() {
            await chunks.close();
            await store.close();
          },
        };
      } catch (error) {
        await store.close();
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      await files.close();
      await below[Symbol.asyncDispose]();
    },
  };
}

/** A world in memory. */
export function memoryChunkWorld(): ChunkWorld {
  return chunkWorld(memoryStoreWorld(), memoryChunkFiles());
}

/** Chunk `number` of those that tests use: its content follows from the number. */
export function sampleChunk(number: number, size = 100 + ((number * 37) % 900)): VerifiedChunk {
  return contentChunk(testCrypto, seededRandom(number).bytes(size));
}

export function sampleChunks(from: number, to: number, size?: number): VerifiedChunk[] {
  return Array.from({ length: to - from }, (_, i) => sampleChunk(from + i, size));
}

export function addressesOf(chunks: readonly ChunkName[]): Uint8Array[] {
  return chunks.map(({ address }) => address);
}

/** Demands that all of these are here, with their bytes, in every way of reading. */
export async function holdsAll(store: ChunkStore, chunks: readonly VerifiedChunk[]): Promise<void> {
  const addresses = addressesOf(chunks);
  const found = await store.getMany(CONTENT, addresses);
  const here = await store.has(CONTENT, addresses);
  for (const [i, chunk] of chunks.entries()) {
    holds(here[i], `chunk ${toHex(chunk.address)} to be here`);
    holds(equalBytes(found[i] ?? new Uint8Array(), chunk.bytes), "the bytes that were put");
    const one = await store.get(chunk);
    holds(equalBytes(one ?? new Uint8Array(), chunk.bytes), "the bytes that were put, one by one");
  }
}

/** Demands that none of these is here. */
export async function holdsNone(
  store: ChunkStore,
  chunks: readonly VerifiedChunk[],
): Promise<void> {
  const addresses = addressesOf(chunks);
  for (const [i, bytes] of (await store.getMany(CONTENT, addresses)).entries()) {
    equal(bytes, undefined, "bytes of a chunk that is not here");
    equal(await store.get(chunks[i] as ChunkName), undefined);
  }
  for (const isHere of await store.has(CONTENT, addresses)) equal(isHere, false);
}

/** A kind whose bytes may be replaced: the address is the first byte over and over, the second byte is the version. */
export const VERSIONED: ChunkKind = {
  code: 200,
  name: "versioned",
  bytesMax: 100,
  verify: (_, address, bytes) => address.every((byte) => byte === bytes[0]),
  secondPut: (here, offered) => {
    const [old = 0, next = 0] = [here[1], offered[1]];
    return next === old ? "duplicate" : next < old ? "stale" : "replace";
  },
};

export function versioned(name: number, version: number): VerifiedChunk {
  const address = new Uint8Array(32).fill(name);
  const bytes = Uint8Array.of(name, version, ...new Uint8Array(20).fill(version));
  const chunk = verifyChunk(testCrypto, { kind: VERSIONED, address }, bytes);
  holds(chunk !== undefined, "a chunk of the kind");
  return chunk;
}

/** What a full disk says through the port. */
export function fullFilesError(): ChunkError {
  return new ChunkError("CHUNKS_FULL", "Cannot write chunks: the medium is full");
}

/** What a broken disk says through the port. */
export function brokenFilesError(): ChunkError {
  return new ChunkError("CHUNKS_WRITE_FAILED", "Cannot write chunks: the system refused (EIO)");
}
