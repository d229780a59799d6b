import { truncate } from "node:fs/promises";
import { expect, test } from "vitest";
import { nodeCrypto, openNodeChunkFiles } from "../node/index.ts";
import { openMemoryStore } from "../store/index.ts";
import { rejects, sampleChunk, sampleChunks, tempFolder } from "../testkit/index.ts";
import { type ChunkStore, CONTENT, openChunkStore } from "./index.ts";
import { chunkKey, packKey } from "./keys.ts";
import { PACK_BYTES_MAX } from "./limits.ts";
import { RECORD_HEADER_SIZE } from "./pack-format.ts";
import { decodePackRecord, encodeIndexEntry, encodePackRecord } from "./records.ts";

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
