import { truncate } from "node:fs/promises";
import { expect, test } from "vitest";
import { nodeCrypto, openNodeChunkFiles } from "../node/index.ts";
import { createMemoryMedium, openMemoryStore, type Store, type WriteOp } from "../store/index.ts";
import {
  FaultyChunkFiles,
  FaultyMedium,
  rejects,
  sampleChunk,
  sampleChunks,
  seededRandom,
  settle,
  tempFolder,
} from "../testkit/index.ts";
import { type ChunkStore, CONTENT, memoryChunkFiles, openChunkStore } from "./index.ts";
import { chunkKey, packKey, packOf } from "./keys.ts";
import { PACK_BYTES_MAX } from "./limits.ts";
import { RECORD_HEADER_SIZE } from "./pack-format.ts";
import {
  decodeIndexEntry,
  decodePackRecord,
  encodeIndexEntry,
  encodePackRecord,
} from "./records.ts";

const crypto = nodeCrypto();

test("[CH31] a pack is full at its limit, and the next one begins with the append that would go beyond", async () => {
  await using folder = await tempFolder();
  await using store = await openMemoryStore();
  const open = async (): Promise<ChunkStore> =>
    await openChunkStore({ store, files: await openNodeChunkFiles(folder.at("chunks")), crypto });
  const SIZE = 1_000;
  {
    await using chunks = await open();
    await chunks.put([sampleChunk(0, SIZE)]);
  }
  // Grown to where two more chunks fit: a file with a hole takes no room.
  const length = PACK_BYTES_MAX - 2 * (RECORD_HEADER_SIZE + SIZE);
  await truncate(folder.at("chunks/00000001.pack"), length);
  const record = decodePackRecord((await store.get(packKey(1))) ?? expect.unreachable());
  await store.write([
    { type: "put", key: packKey(1), value: encodePackRecord({ ...record, length }) },
  ]);
  {
    await using chunks = await open();
    await chunks.put(sampleChunks(1, 2, SIZE));
    expect(chunks.status()).toMatchObject({ packs: 1, chunks: 2 });
    await chunks.put(sampleChunks(2, 3, SIZE));
    expect(chunks.status()).toMatchObject({ packs: 1, packBytes: PACK_BYTES_MAX });
    await chunks.put(sampleChunks(3, 5, SIZE));
    expect(chunks.status()).toMatchObject({ packs: 2, chunks: 5 });
  }
  await using chunks = await open();
  await chunks.put(sampleChunks(5, 6, SIZE));
  expect(chunks.status()).toMatchObject({ packs: 2, chunks: 6 });
  const made = sampleChunks(0, 6, SIZE);
  const found = await chunks.getMany(
    CONTENT,
    made.map(({ address }) => address),
  );
  expect(found).toEqual(made.map(({ bytes }) => bytes));
});

/** A store that shows each write to `look` before it is made. */
function watched(store: Store, look: (ops: readonly WriteOp[]) => void): Store {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        if (name === "write") look(args[0] as readonly WriteOp[]);
        return Reflect.apply(member, target, args);
      };
    },
  });
}

test("[CH4] however calls, syncs and index writes interleave, the index names only bytes that are synced", async () => {
  const random = seededRandom(5);
  const memory = createMemoryMedium();
  const medium = new FaultyMedium(() => memory.openEngine());
  await using store = await openMemoryStore({ medium });
  const files = new FaultyChunkFiles(memoryChunkFiles());
  let looked = 0;
  const look = (ops: readonly WriteOp[]): void => {
    for (const op of ops) {
      if (op.type !== "put") continue;
      const synced = (file: number): number => files.synced.get(file) ?? 0;
      if (op.key[0] === 0x30) {
        const { pack, offset, size } = decodeIndexEntry(op.value);
        expect(offset + RECORD_HEADER_SIZE + size).toBeLessThanOrEqual(synced(pack));
        looked += 1;
      } else if (op.key[0] === 0x33) {
        expect(decodePackRecord(op.value).length).toBeLessThanOrEqual(synced(packOf(op.key)));
      }
    }
  };
  await using chunks = await openChunkStore({ store: watched(store, look), files, crypto });
  files.beforeSync = async () => {
    for (let i = random.below(4); i > 0; i--) await settle();
  };
  const calls: Promise<unknown>[] = [];
  for (let round = 0; round < 300; round++) {
    const release = random.chance(0.3) ? medium.holdWrites() : undefined;
    const from = random.below(2_000);
    calls.push(chunks.put(sampleChunks(from, from + random.below(12))));
    for (let i = random.below(4); i > 0; i--) await settle();
    release?.();
  }
  await Promise.all(calls);
  expect(looked).toBeGreaterThan(500);
  expect(chunks.status()).toMatchObject({ chunks: looked, deadBytes: 0 });
});

test("[CH32] an index entry that names more bytes than a chunk can have is not believed", async () => {
  await using folder = await tempFolder();
  await using store = await openMemoryStore();
  await using chunks = await openChunkStore({
    store,
    files: await openNodeChunkFiles(folder.at("chunks")),
    crypto,
  });
  const chunk = sampleChunk(1);
  await chunks.put([chunk]);
  const entry = { pack: 1, offset: 36, size: CONTENT.bytesMax + 1, crc: 0, places: [] };
  await store.write([{ type: "put", key: chunkKey(chunk), value: encodeIndexEntry(entry) }]);
  await rejects(chunks.get(chunk), "CHUNKS_CORRUPT");
});
