import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, equalBytes, formatBlobRef, toHex } from "../base/index.ts";
import { CONTENT, memoryChunkFiles, openChunkStore, parentsOf } from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import {
  type BlobsWorld,
  chunksIn,
  diskBlobsWorld,
  memoryBlobsWorld,
  type OpenBlobs,
} from "../testkit/blobs/blobs-world.ts";
import { blocks } from "../testkit/chunker-inputs.ts";
import {
  fullDiskError,
  memoryStoreWorld,
  recovered,
  rejects,
  rejectsNamed,
} from "../testkit/index.ts";
import { Blobs } from "./blobs.ts";
import { PUT_BATCH_BYTES, PUT_BATCHES_WRITTEN_MAX } from "./limits.ts";
import { contentName, loadNode } from "./nodes.ts";
import { readNote } from "./notes.ts";
import type { PutProgress } from "./put.ts";

/** Some 130 chunks: two nodes and a root. */
const LARGE = blocks(6_000_000);

const WORLDS: readonly (readonly [string, () => Promise<BlobsWorld>])[] = [
  ["in memory", async () => memoryBlobsWorld()],
  ["on disk", diskBlobsWorld],
];

const sum = (sizes: Iterable<number>): number => [...sizes].reduce((all, size) => all + size, 0);

/** `bytes` cut at random places. */
function* pieces(bytes: Uint8Array, places: readonly number[]): Generator<Uint8Array> {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length];
  at.sort((a, b) => a - b);
  for (let i = 1; i < at.length; i++) yield bytes.subarray(at[i - 1], at[i]);
}

describe.each(WORLDS)("put %s", (_, makeWorld) => {
  test("[BL7] what was put is there after opening again", async () => {
    await using world = await makeWorld();
    const sizes = [0, 1, 8_192, 8_193, 131_072, 131_073, 400_000, LARGE.length];
    const refs = [];
    {
      await using opened = await world.open();
      for (const size of sizes) {
        const { ref } = await opened.blobs.put([LARGE.subarray(0, size)], { mediaType: "a/b" });
        expect([ref.size, ref.mediaType, ref.chunker]).toEqual([size, "a/b", 1]);
        refs.push(ref);
      }
    }
    expect(refs.map(({ depth }) => depth)).toEqual([0, 0, 0, 0, 1, 1, 1, 2]);
    await using opened = await world.open();
    for (const [i, ref] of refs.entries()) {
      const size = sizes[i] as number;
      expect(equalBytes(await opened.blobs.bytes(ref), LARGE.subarray(0, size))).toBe(true);
      expect(await opened.blobs.status(ref)).toEqual({ here: size, size, isWhole: true });
    }
  });

  test("[BL7] however the bytes come, it is the same blob", async () => {
    await using world = await makeWorld();
    await using opened = await world.open();
    const bytes = LARGE.subarray(0, 700_000);
    const { ref } = await opened.blobs.put([bytes]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 30 }), async (places) => {
        await using other = memoryBlobsWorld();
        await using there = await other.open();
        const put = await there.blobs.put(pieces(bytes, places));
        expect(formatBlobRef(put.ref)).toBe(formatBlobRef(ref));
        expect(equalBytes(await there.blobs.bytes(put.ref), bytes)).toBe(true);
        expect(put.newBytes).toBe(bytes.length);
      }),
      { seed: 7, numRuns: 15 },
    );
  });

  test("[BL8] what is here is not written again", async () => {
    await using world = await makeWorld();
    await using opened = await world.open();
    const first = await opened.blobs.put([LARGE]);
    const { packBytes } = opened.chunks.status();
    const again = await opened.blobs.put([LARGE]);
    expect([first.newBytes, again.newBytes]).toEqual([LARGE.length, 0]);
    expect(formatBlobRef(again.ref)).toBe(formatBlobRef(first.ref));
    expect(opened.chunks.status().packBytes).toBe(packBytes);
  });

  test("[BL8] a change in the middle stores the chunks around it and a node a level", async () => {
    await using world = await makeWorld();
    await using opened = await world.open();
    await opened.blobs.put([LARGE]);
    const before = await chunksIn(opened);
    const changed = concatBytes(
      LARGE.subarray(0, 3_000_000),
      blocks(100, 9),
      LARGE.subarray(3_000_000),
    );
    const { ref, newBytes } = await opened.blobs.put([changed]);
    const after = await chunksIn(opened);
    const fresh = [...after].filter(([address]) => !before.has(address));
    // The chunk that was changed and perhaps the next ones, one or two nodes of level 1, the root.
    expect(fresh.length).toBeLessThanOrEqual(8);
    expect(newBytes).toBeLessThan(300_000);
    const nodeBytes = sum(fresh.map(([, size]) => size)) - newBytes;
    expect(nodeBytes).toBeGreaterThan(0);
    expect(nodeBytes).toBeLessThan(12_000);
    expect(equalBytes(await opened.blobs.bytes(ref), changed)).toBe(true);
  });

  test("[BL8] one that was ended goes on where it was", async () => {
    await using world = await makeWorld();
    await using opened = await world.open();
    const ending = new AbortController();
    let seen: PutProgress = { bytes: 0, newBytes: 0 };
    const onProgress = (progress: PutProgress): void => {
      seen = progress;
      if (progress.bytes > 2_000_000) ending.abort(new Error("enough"));
    };
    async function* slowly(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < LARGE.length; at += 50_000) {
        yield LARGE.subarray(at, at + 50_000);
        for await (const _ of opened.store.scan({ gte: Uint8Array.of(1), lt: Uint8Array.of(2) }));
      }
    }
    const { signal } = ending;
    await expect(opened.blobs.put(slowly(), { signal, onProgress })).rejects.toThrow("enough");
    const here = sum((await chunksIn(opened)).values());
    expect(here).toBeGreaterThanOrEqual(seen.bytes);
    expect(here).toBeLessThan(LARGE.length);
    const { ref, newBytes } = await opened.blobs.put([LARGE]);
    expect(newBytes).toBeLessThanOrEqual(LARGE.length - seen.bytes);
    expect(await opened.blobs.isWhole(ref)).toBe(true);
    expect(equalBytes(await opened.blobs.bytes(ref), LARGE)).toBe(true);
  });

  test("[BL15] when there is no room it fails with a code, and goes on when there is", async () => {
    await using world = await makeWorld();
    const half = LARGE.length / 2;
    {
      await using opened = await world.open({ capacityBytes: half });
      await rejects(opened.blobs.put([LARGE]), "CHUNKS_FULL");
      await expectOnlyWholeNodes(opened);
      expect(opened.chunks.status().deadBytes).toBe(0);
      // What is here is served, and what is small still goes in.
      const { ref } = await opened.blobs.put([LARGE.subarray(0, 100_000)]);
      expect(await opened.blobs.isWhole(ref)).toBe(true);
    }
    await using opened = await world.open();
    const here = sum((await chunksIn(opened)).values());
    expect(here).toBeGreaterThan(half / 2);
    const { ref, newBytes } = await opened.blobs.put([LARGE]);
    expect(newBytes).toBeLessThanOrEqual(LARGE.length - half / 2);
    expect(equalBytes(await opened.blobs.bytes(ref), LARGE)).toBe(true);
  });
});

/** Demands that each node which is noted as whole has all that it names here. */
async function expectOnlyWholeNodes({
  store,
  chunks,
}: Pick<OpenBlobs, "store" | "chunks">): Promise<void> {
  for await (const { key, value } of store.scan({
    gte: Uint8Array.of(0x38),
    lt: Uint8Array.of(0x39),
  })) {
    const node = await loadNode(chunks, { address: key.slice(1), ...readNote(value) });
    const addresses = node?.entries.map(({ address }) => address) ?? [];
    expect(addresses.length).toBeGreaterThan(0);
    expect(await chunks.has(CONTENT, addresses)).not.toContain(false);
  }
}

describe("put", () => {
  test("[BL11] nodes have an edge to each thing that they name", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const bytes = concatBytes(LARGE, LARGE);
    const { ref } = await opened.blobs.put([bytes]);
    let edges = 0;
    for await (const { node } of opened.blobs.recipe([
      { address: ref.root, size: ref.size, level: ref.depth },
    ])) {
      for (const { address } of node?.entries ?? []) {
        const parents: string[] = [];
        for await (const parent of parentsOf(opened.store, contentName(address)))
          parents.push(toHex(parent));
        expect(parents).toContain(toHex(node?.address as Uint8Array));
        edges += 1;
      }
    }
    expect(edges).toBeGreaterThan(250);
  });

  test("[BL14] the source is read no further ahead than what may be held", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    let read = 0;
    let durable = 0;
    let ahead = 0;
    const piece = blocks(200_000, 77);
    const source = (function* () {
      for (let i = 0; i < 200; i++) {
        // Another one each time.
        const bytes = piece.slice();
        new DataView(bytes.buffer).setUint32(i * 4, 0xdead0000 + i);
        read += bytes.length;
        ahead = Math.max(ahead, read - durable);
        yield bytes;
      }
    })();
    await opened.blobs.put(source, { onProgress: ({ bytes }) => (durable = bytes) });
    expect([read, durable]).toEqual([40_000_000, 40_000_000]);
    // What is written, what is cut, the chunk that is open, and a piece.
    const most = (PUT_BATCHES_WRITTEN_MAX + 1) * (PUT_BATCH_BYTES + 131_072) + 131_072 + 200_000;
    expect(ahead).toBeLessThanOrEqual(most);
  });

  test("[BL14] others have their turn at each piece, though the source never waits", async () => {
    await using world = await diskBlobsWorld();
    await using opened = await world.open();
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    await opened.blobs.put([concatBytes(LARGE, LARGE, LARGE)]);
    isOver = true;
    expect(turns).toBeGreaterThanOrEqual(18);
  });

  test("[BL14] a source may use its memory again", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const memory = new Uint8Array(100_000);
    const source = (function* () {
      for (let at = 0; at < 3_000_000; at += memory.length) {
        memory.set(LARGE.subarray(at, at + memory.length));
        yield memory;
      }
      memory.fill(0);
    })();
    const { ref } = await opened.blobs.put(source);
    expect(equalBytes(await opened.blobs.bytes(ref), LARGE.subarray(0, 3_000_000))).toBe(true);
  });

  test("[BL14] progress grows to the whole, and what is new with it", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    await opened.blobs.put([LARGE.subarray(0, 3_000_000)]);
    const seen: PutProgress[] = [];
    const { newBytes } = await opened.blobs.put([LARGE], { onProgress: (one) => seen.push(one) });
    expect(seen.length).toBeGreaterThan(4);
    expect(seen.at(-1)).toEqual({ bytes: LARGE.length, newBytes });
    for (const [i, { bytes }] of seen.entries())
      expect(bytes).toBeGreaterThan(seen[i - 1]?.bytes ?? 0);
    expect(newBytes).toBeLessThan(3_200_000);
  });

  test("[BL15] ends at once when aborted, though the source hangs, and tells it", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const ending = new AbortController();
    let isTold = false;
    const source: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        async return() {
          isTold = true;
          return { done: true, value: undefined };
        },
      }),
    };
    const putting = opened.blobs.put(source, { signal: ending.signal });
    ending.abort(new Error("no more"));
    await expect(putting).rejects.toThrow("no more");
    expect(isTold).toBe(true);
    await expect(opened.blobs.put([LARGE], { signal: ending.signal })).rejects.toThrow("no more");
    expect((await chunksIn(opened)).size).toBe(0);
  });

  test("[BL15] when the index cannot be written it fails with a code, and goes on when it can", async () => {
    await using world = memoryStoreWorld();
    await using store = await world.open();
    const crypto = nodeCrypto();
    await using chunks = await openChunkStore({ store, files: memoryChunkFiles(), crypto });
    await using blobs = new Blobs({ store, chunks, crypto });
    world.medium.failWrite({ error: fullDiskError() }, 2);
    await rejects(blobs.put([LARGE]), "STORE_FULL");
    await expectOnlyWholeNodes({ store, chunks });
    await recovered(store, world.clock);
    const { ref } = await blobs.put([LARGE]);
    expect(equalBytes(await blobs.bytes(ref), LARGE)).toBe(true);
    expect(await blobs.isWhole(ref)).toBe(true);
  });

  test("[BL15] what the source throws comes through, and nothing goes on", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield LARGE.subarray(0, 2_500_000);
      throw new Error("the camera is gone");
    }
    await expect(opened.blobs.put(broken())).rejects.toThrow("the camera is gone");
    const here = (await chunksIn(opened)).size;
    expect(here).toBeGreaterThan(0);
    await opened.chunks.write(() => {});
    expect((await chunksIn(opened)).size).toBe(here);
    await rejectsNamed(opened.blobs.put(["text"] as never), "TypeError");
    await rejectsNamed(opened.blobs.put([LARGE], { mediaType: "a\nb" }), "RangeError");
  });
});
