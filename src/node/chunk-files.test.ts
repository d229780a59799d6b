import { describe, expect, test } from "vitest";
import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import type { Engine } from "../store/index.ts";
import {
  chunkFilesRules,
  type ChunkFilesWorld,
  chunkStoreRules,
  chunkWorld,
  type ChunkWorld,
  FakeClock,
  FaultyMedium,
  rejects,
  seededRandom,
  tempFolder,
} from "../testkit/index.ts";
import { writeAll } from "./chunk-files.ts";
import { openClassicLevel } from "./disk-store.ts";
import { openDiskStore, openNodeChunkFiles } from "./index.ts";

/** Chunks as a peer has them: LevelDB and pack files in one folder, with faults in front of both. */
async function diskChunkWorld(): Promise<ChunkWorld> {
  const folder = await tempFolder();
  const clock = new FakeClock();
  const random = seededRandom(1);
  let open = (): Promise<Engine> => openClassicLevel(folder.at("store"), { create: true });
  const medium = new FaultyMedium(() => open());
  const store = {
    clock,
    medium,
    open: () =>
      openDiskStore(
        {
          clock,
          random,
          openLevel(where, options) {
            open = () => openClassicLevel(where, options);
            return medium.openEngine();
          },
        },
        folder.at("store"),
      ),
    openEngine: () => openClassicLevel(folder.at("store"), { create: true }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  return chunkWorld(store, await openNodeChunkFiles(folder.at("chunks")));
}

async function folderWorld(): Promise<ChunkFilesWorld> {
  const folder = await tempFolder();
  return {
    open: () => openNodeChunkFiles(folder.at("chunks")),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe("conformance", () => {
  test.for(chunkFilesRules)("[$id] folder: $says", async (rule) => {
    await using world = await folderWorld();
    await rule.check(world);
  });

  test.for(chunkStoreRules)("[$id] disk: $says", async (rule) => {
    await using world = await diskChunkWorld();
    await rule.check(world);
  });
});

describe("folder", () => {
  test("[CH27] files and folder are for their owner only, and other files are left alone", async () => {
    await using folder = await tempFolder();
    await using files = await openNodeChunkFiles(folder.at("a/chunks"));
    await writeFile(folder.at("a/chunks/notes.txt"), "mine");
    await files.append(1, 0, [Uint8Array.of(1)]);
    await files.append(123_456_789, 0, [Uint8Array.of(1)]);
    await files.sync(1);
    expect(await files.list()).toEqual([1, 123_456_789]);
    const names = ["00000001.pack", "123456789.pack", "notes.txt"];
    expect((await readdir(folder.at("a/chunks"))).toSorted()).toEqual(names);
    expect((await stat(folder.at("a/chunks/00000001.pack"))).mode & 0o777).toBe(0o600);
    expect((await stat(folder.at("a/chunks"))).mode & 0o777).toBe(0o700);
  });

  test("[CH27] what is set aside is under a name that tells why, with everything in it", async () => {
    await using folder = await tempFolder();
    await using files = await openNodeChunkFiles(folder.at("chunks"));
    for (let round = 0; round < 2; round++) {
      await files.append(1, 0, [Uint8Array.of(1)]);
      await files.setAside("foreign");
    }
    expect((await readdir(folder.path)).toSorted()).toEqual([
      "chunks",
      "chunks.foreign-1",
      "chunks.foreign-2",
    ]);
    expect(await readdir(folder.at("chunks.foreign-2"))).toEqual(["00000001.pack"]);
  });

  test("[CH27] a system that takes a few bytes at a time gets them all, each once", async () => {
    for (const most of [1, 2, 3, 7, 100]) {
      const file: number[] = [];
      const pieces = [3, 0, 5, 1, 1, 4].map((size, i) => new Uint8Array(size).fill(i));
      await writeAll(
        {
          async writev(buffers, position) {
            expect(position).toBe(10 + file.length);
            const offered = (buffers as unknown as Uint8Array[]).flatMap((piece) => [...piece]);
            file.push(...offered.slice(0, most));
            return { bytesWritten: Math.min(most, offered.length), buffers };
          },
        },
        10,
        pieces,
      );
      expect(file).toEqual(pieces.flatMap((piece) => [...piece]));
    }
  });

  test("[CH27] a refusal of the system has a code", async () => {
    await using folder = await tempFolder();
    await writeFile(folder.at("file"), "x");
    await rejects(openNodeChunkFiles(folder.at("file")), "CHUNKS_OPEN_FAILED");
    await rejects(openNodeChunkFiles(folder.at("file/below")), "CHUNKS_OPEN_FAILED");
    await using files = await openNodeChunkFiles(folder.at("chunks"));
    await mkdir(folder.at("chunks/00000001.pack"));
    await rejects(files.read(1, 0, 1), "CHUNKS_READ_FAILED");
    await rejects(files.append(1, 0, [Uint8Array.of(1)]), "CHUNKS_WRITE_FAILED");
  });

  test("[CH27] a folder that may not be written to is a code, not a crash", async ({ skip }) => {
    skip(process.getuid?.() === 0, "the superuser may do everything");
    await using folder = await tempFolder();
    await using files = await openNodeChunkFiles(folder.at("chunks"));
    await chmod(folder.at("chunks"), 0o500);
    await rejects(files.append(2, 0, [Uint8Array.of(1)]), "CHUNKS_WRITE_FAILED");
    await chmod(folder.at("chunks"), 0o700);
  });
});
