import { expect, test } from "vitest";
import { nodeCrypto, openNodeChunkFiles } from "../node/index.ts";
import { openMemoryStore } from "../store/index.ts";
import { seededRandom, tempFolder } from "../testkit/index.ts";
import { CONTENT, contentChunk, memoryChunkFiles, openChunkStore } from "./index.ts";

const crypto = nodeCrypto();

test("what was put is there after opening again, in memory and in a folder", async () => {
  const random = seededRandom(1);
  await using folder = await tempFolder();
  const memory = memoryChunkFiles();
  for (const open of [async () => memory, () => openNodeChunkFiles(folder.at("chunks"))]) {
    await using store = await openMemoryStore();
    const made = Array.from({ length: 40 }, () =>
      contentChunk(crypto, random.bytes(1 + random.below(9_000))),
    );
    const addresses = made.map(({ address }) => address);
    {
      await using chunks = await openChunkStore({ store, files: await open(), crypto });
      const outcomes = await Promise.all([
        chunks.put(made.slice(0, 30)),
        chunks.put(made.slice(20)),
        chunks.delete(CONTENT, addresses.slice(0, 5)),
      ]);
      expect(outcomes[1].slice(0, 11)).toEqual([
        ...Array.from({ length: 10 }, () => "duplicate"),
        "stored",
      ]);
      expect(chunks.status().chunks).toBe(35);
      expect(chunks.status().deadBytes).toBeGreaterThan(0);
    }
    await using chunks = await openChunkStore({ store, files: await open(), crypto });
    const found = await chunks.getMany(CONTENT, addresses);
    expect(found).toEqual(made.map(({ bytes }, i) => (i < 5 ? undefined : bytes)));
    expect(await chunks.get(made[7] as never, { start: 0, end: 1 })).toEqual(
      made[7]?.bytes.slice(0, 1),
    );
  }
});
