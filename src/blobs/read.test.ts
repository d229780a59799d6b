import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlobRef, concatBytes, equalBytes } from "../base/index.ts";
import { CONTENT, contentChunk } from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { diskBlobsWorld, memoryBlobsWorld, watched } from "../testkit/blobs/blobs-world.ts";
import { blocks } from "../testkit/chunker-inputs.ts";
import { rejects, rejectsNamed } from "../testkit/index.ts";
import { makeNode } from "./recipe.ts";

const crypto = nodeCrypto();
/** Some 150 chunks: three levels, with the root. */
const LARGE = blocks(6_000_000, 50_000);

async function all(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const list: Uint8Array[] = [];
  for await (const piece of pieces) list.push(piece);
  return concatBytes(...list);
}

describe("read", () => {
  test.for([
    ["in memory", async () => memoryBlobsWorld()],
    ["on disk", diskBlobsWorld],
  ] as const)("[BL9] any range is that of the bytes, %s", async ([, makeWorld]) => {
    await using world = await makeWorld();
    await using opened = await world.open();
    for (const size of [0, 1, 5_000, 300_000, LARGE.length]) {
      const bytes = LARGE.subarray(0, size);
      const { ref } = await opened.blobs.put([bytes]);
      expect(equalBytes(await all(opened.blobs.read(ref)), bytes)).toBe(true);
      const place = fc.nat(size);
      await fc.assert(
        fc.asyncProperty(place, place, async (a, b) => {
          const [start, end] = [Math.min(a, b), Math.max(a, b)];
          const range = await all(opened.blobs.read(ref, { start, end }));
          expect(equalBytes(range, bytes.subarray(start, end))).toBe(true);
        }),
        { seed: 9, numRuns: 40 },
      );
      expect(equalBytes(await all(opened.blobs.read(ref, { start: size })), new Uint8Array())).toBe(
        true,
      );
    }
  });

  test("[BL9] touches the way to the range and the chunks in it, nothing else", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const { ref } = await opened.blobs.put([LARGE]);
    expect(ref.depth).toBe(2);
    const { blobs, read } = watched(opened);
    await all(blobs.read(ref, { start: 4_000_000, end: 4_000_001 }));
    // The root, one node, one chunk.
    expect(read.size).toBe(3);
    await all(blobs.read(ref, { start: 4_000_000, end: 4_300_000 }));
    expect(read.size).toBeLessThan(20);
    await blobs.close();
  });

  test("[BL9] is read ahead a little, and no further when it is left", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const { ref } = await opened.blobs.put([LARGE]);
    const { blobs, read } = watched(opened);
    for await (const piece of blobs.read(ref)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    // 256 KiB, and 512 KiB of the next batch.
    expect(read.size).toBeLessThan(45);
    await blobs.close();
  });

  test("[BL9] a range that is none, or not within the blob, is refused at once", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const { ref } = await opened.blobs.put([LARGE.subarray(0, 100)]);
    for (const range of [
      { start: -1 },
      { end: 101 },
      { start: 101 },
      { start: 5, end: 4 },
      { start: 0.5 },
      { end: Number.NaN },
    ])
      expect(() => opened.blobs.read(ref, range)).toThrow(RangeError);
    const tooLarge = new BlobRef({ root: ref.root, size: 2 ** 40, depth: 7, chunker: 1 });
    await rejectsNamed(opened.blobs.bytes(tooLarge), "RangeError");
  });

  test("[BL9] what is lacking ends it with a code, what is here is read all the same", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const { ref } = await opened.blobs.put([LARGE]);
    const root = await opened.blobs.node({ address: ref.root, size: ref.size, level: 2 });
    const [first, second] = root?.entries ?? [];
    await opened.chunks.delete(CONTENT, [second?.address as Uint8Array]);
    const size = first?.size as number;
    const beginning = await all(opened.blobs.read(ref, { end: size }));
    expect(equalBytes(beginning, LARGE.subarray(0, size))).toBe(true);
    await rejects(all(opened.blobs.read(ref)), "BLOB_NOT_HERE");
    await rejects(all(opened.blobs.read(ref, { start: size })), "BLOB_NOT_HERE");
    const isHere = (start: number, end: number): Promise<boolean> =>
      opened.blobs.isHere(ref, { start, end });
    expect(await opened.blobs.isHere(ref)).toBe(false);
    expect([await isHere(0, size), await isHere(0, size + 1)]).toEqual([true, false]);
    expect([await isHere(size, size), await isHere(size, size + 1)]).toEqual([true, false]);
    await expect(isHere(0, ref.size + 1)).rejects.toThrow(RangeError);
    await opened.chunks.delete(CONTENT, [ref.root]);
    await rejects(all(opened.blobs.read(ref)), "BLOB_NOT_HERE");
  });

  test("[BL16] a BlobRef or a recipe that lies is refused where it lies", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const { blobs, chunks } = opened;
    const { ref } = await blobs.put([LARGE]);
    const { root, size, depth } = ref;
    const lying = (fields: { size?: number; depth?: number; root?: Uint8Array }): BlobRef =>
      new BlobRef({ root, size, depth, chunker: 1, ...fields });
    for (const lie of [
      lying({ size: size - 1 }),
      lying({ size: size + 1 }),
      lying({ depth: 1 }),
      lying({ depth: 3 }),
      lying({ depth: 0, size: 5 }),
      lying({ depth: 0, size: 0 }),
      lying({ depth: 0 }),
    ]) {
      await rejects(all(blobs.read(lie)), "BLOB_INVALID");
      await rejects(blobs.isWhole(lie), "BLOB_INVALID");
      await rejects(blobs.status(lie), "BLOB_INVALID");
    }
    // A tree under true hashes: its chunks are shorter and longer than it says, so that the sum is right.
    const short = contentChunk(crypto, Uint8Array.of(1, 2, 3));
    await chunks.put([short]);
    const node = makeNode(crypto, 1, [
      { address: short.address, size: 2 },
      { address: short.address, size: 4 },
    ]);
    await blobs.addNodes([node]);
    const lie = new BlobRef({ root: node.address, size: 6, depth: 1, chunker: 1 });
    await rejects(all(blobs.read(lie)), "BLOB_INVALID");
    await rejects(blobs.isWhole(lie), "BLOB_INVALID");
    // What should be a node is a chunk of somebody's text.
    const upper = makeNode(crypto, 2, [{ address: short.address, size: 3 }]);
    await blobs.addNodes([upper]);
    const text = new BlobRef({ root: upper.address, size: 3, depth: 2, chunker: 1 });
    await rejects(all(blobs.read(text)), "BLOB_INVALID");
    await rejects(blobs.isWhole(text), "BLOB_INVALID");
  });

  test("[BL9] ends when aborted", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const { ref } = await opened.blobs.put([LARGE]);
    const ending = new AbortController();
    const reading = (async () => {
      for await (const _ of opened.blobs.read(ref, { signal: ending.signal }))
        ending.abort(new Error("seen enough"));
    })();
    await expect(reading).rejects.toThrow("seen enough");
  });
});
