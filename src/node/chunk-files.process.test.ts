import { expect, test } from "vitest";
import { type ChunkStore, openChunkStore } from "../chunks/index.ts";
import type { Store } from "../store/index.ts";
import {
  type Child,
  FILL_BYTES,
  holdsAll,
  putsIn,
  readAll,
  sampleChunk,
  seededRandom,
  spawnChild,
  type TempFolder,
  tempFolder,
} from "../testkit/index.ts";
import { nodeClock, nodeCrypto, nodeRandom, openDiskStore, openNodeChunkFiles } from "./index.ts";

const CHILD = new URL("../testkit/chunks/chunk-child.ts", import.meta.url);
const clock = nodeClock();

/** Another seed kills at other moments: SEED=… */
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

interface Opened extends AsyncDisposable {
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly lost: unknown[];
}

async function open(folder: TempFolder): Promise<Opened> {
  const store = await openDiskStore({ clock, random: nodeRandom() }, folder.at("store"));
  const files = await openNodeChunkFiles(folder.at("chunks"));
  const chunks = await openChunkStore({ store, files, crypto: nodeCrypto() });
  const lost: unknown[] = [];
  chunks.onLost((name) => lost.push(name));
  return {
    store,
    chunks,
    lost,
    async [Symbol.asyncDispose]() {
      await chunks.close();
      await store.close();
    },
  };
}

async function ready(child: Child): Promise<void> {
  expect(await child.line(), child.errorText).toBe("ready");
}

function acksIn(lines: readonly string[]): number[] {
  return lines.filter((line) => line.startsWith("ack ")).map((line) => Number(line.slice(4)));
}

test(`[CH24] of a process killed 50 times every acknowledged chunk is there and all can be read, seed ${SEED}`, async () => {
  await using folder = await tempFolder();
  const random = seededRandom(SEED);
  const acknowledged = new Set<number>();
  let first = 0;
  for (let kill = 0; kill < 50; kill++) {
    await using child = spawnChild(CHILD, { args: ["append", folder.path, String(first)] });
    await ready(child);
    // At a random moment after a random number of acknowledgements: between two puts or within one.
    const lines: string[] = [];
    for (let i = random.below(6); i > 0; i--) lines.push((await child.line()) ?? "");
    await clock.sleep(random.below(8));
    await child.kill();
    lines.push(...(await child.rest()));
    const acks = acksIn(lines);

    await using opened = await open(folder);
    const there = await putsIn(opened.store, opened.chunks, first);
    expect(acks.filter((number) => !there.has(number))).toEqual([]);
    await readAll(opened.store, opened.chunks);
    expect(opened.lost).toEqual([]);
    for (const number of acks) acknowledged.add(number);
    first = Math.max(first, ...there) + 1;
  }
  await using opened = await open(folder);
  const there = await putsIn(opened.store, opened.chunks);
  expect([...acknowledged].filter((number) => !there.has(number))).toEqual([]);
  expect(await readAll(opened.store, opened.chunks)).toBeGreaterThan(acknowledged.size);
  expect(opened.lost).toEqual([]);
  expect(acknowledged.size).toBeGreaterThan(50);
});

test("[CH25] a process whose files may not grow fails with a code, loses nothing, and another one goes on", async () => {
  await using folder = await tempFolder();
  // 4 MiB a file, in blocks of 512 bytes. The signal would end the process.
  const prelude = "trap '' XFSZ; ulimit -f 8192";
  await using child = spawnChild(CHILD, { args: ["fill", folder.path], prelude });
  await ready(child);
  const lines = await child.rest();
  expect(lines.at(-1), child.errorText).toBe("done");
  expect(lines.filter((line) => line.startsWith("full"))).toEqual(
    Array.from({ length: 4 }, () => "full CHUNKS_FULL"),
  );
  expect(lines).toContain("small stored");
  const acks = acksIn(lines);
  expect(acks.length).toBeGreaterThan(50);

  await using opened = await open(folder);
  const made = acks.map((number) => sampleChunk(number, FILL_BYTES));
  await holdsAll(opened.chunks, made);
  expect(await readAll(opened.store, opened.chunks)).toBe(made.length + 1);
  const more = Array.from({ length: 5 }, (_, i) => sampleChunk(2_000_000 + i, FILL_BYTES));
  await opened.chunks.put(more);
  await holdsAll(opened.chunks, [...made, ...more]);
  expect(opened.chunks.status()).toMatchObject({ packs: 1, deadBytes: 0 });
  expect(opened.lost).toEqual([]);
});
