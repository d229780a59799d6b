import { describe, expect, test } from "vitest";
import { type BlobRef, concatBytes, equalBytes, toHex } from "../base/index.ts";
import { CONTENT, contentChunk, parentsOf } from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import {
  chunksIn,
  memoryBlobsWorld,
  openBlobsIn,
  type OpenBlobs,
  watched,
} from "../testkit/blobs/blobs-world.ts";
import { blocks } from "../testkit/chunker-inputs.ts";
import { damagePack, rejects, tempFolder } from "../testkit/index.ts";
import { contentName } from "./nodes.ts";
import { noteKey } from "./notes.ts";

const crypto = nodeCrypto();
const LARGE = blocks(8_000_000, 400_000);

async function notesIn({ store }: OpenBlobs): Promise<number> {
  let count = 0;
  for await (const _ of store.scan({ gte: Uint8Array.of(0x38), lt: Uint8Array.of(0x39) }))
    count += 1;
  return count;
}

/** A blob's chunks and nodes as pull-sync leaves them: nobody knows what they are. */
async function copyChunks(from: OpenBlobs, to: OpenBlobs, but: Uint8Array[] = []): Promise<void> {
  const left = new Set(but.map(toHex));
  for (const name of (await chunksIn(from)).keys()) {
    if (left.has(name)) continue;
    const bytes = await from.chunks.get(contentName(Buffer.from(name, "hex")));
    await to.chunks.put([contentChunk(crypto, bytes ?? new Uint8Array())]);
  }
}

async function someChunkOf({ blobs }: OpenBlobs, ref: BlobRef): Promise<Uint8Array> {
  for await (const { node } of blobs.recipe([
    { address: ref.root, size: ref.size, level: ref.depth },
  ]))
    if (node?.level === 1) return node.entries[5]?.address as Uint8Array;
  return expect.fail("there is a node of level 1");
}

describe("whole blobs", () => {
  test("[BL13] are noted when they are put, node by node", async () => {
    await using opened = await memoryBlobsWorld().open();
    const { ref } = await opened.blobs.put([LARGE]);
    expect(await opened.store.get(noteKey(ref.root))).toBeDefined();
    expect(await notesIn(opened)).toBeGreaterThan(1);
    expect(await opened.blobs.isWhole(ref)).toBe(true);
  });

  test("[BL13] that came by other ways are found by a walk, which notes them and writes their edges", async () => {
    await using from = await memoryBlobsWorld().open();
    await using to = await memoryBlobsWorld().open();
    const { ref } = await from.blobs.put([LARGE]);
    const chunk = await someChunkOf(from, ref);
    await copyChunks(from, to, [chunk]);
    expect(await to.blobs.isWhole(ref)).toBe(false);
    expect(await to.store.get(noteKey(ref.root))).toBe(undefined);
    await to.chunks.put([
      contentChunk(crypto, (await from.chunks.get(contentName(chunk))) as Uint8Array),
    ]);
    expect(await to.blobs.isWhole(ref)).toBe(true);
    expect(await notesIn(to)).toBe(await notesIn(from));
    for (const address of (await chunksIn(to)).keys()) {
      const parents = [];
      for await (const parent of parentsOf(to.store, contentName(Buffer.from(address, "hex"))))
        parents.push(parent);
      expect(parents.length > 0).toBe(address !== toHex(ref.root));
    }
    // The note is believed: the walk is not done again.
    const { blobs, read } = watched(to);
    expect(await blobs.isWhole(ref)).toBe(true);
    expect(read.size).toBe(0);
    await blobs.close();
  });

  test("[BL13] what two blobs share is not gone through again", async () => {
    await using from = await memoryBlobsWorld().open();
    await using to = await memoryBlobsWorld().open();
    const one = await from.blobs.put([LARGE]);
    await copyChunks(from, to);
    expect(await to.blobs.isWhole(one.ref)).toBe(true);
    const two = await from.blobs.put([concatBytes(LARGE, blocks(50_000, 1))]);
    await copyChunks(from, to);
    const { blobs, read } = watched(to);
    expect(await blobs.isWhole(two.ref)).toBe(true);
    // The root and the last node or two.
    expect(read.size).toBeLessThanOrEqual(3);
    await blobs.close();
  });

  test("[BL13] lose their notes, with all that stands above, when a chunk is found damaged", async () => {
    await using folder = await tempFolder();
    const longer = concatBytes(LARGE, blocks(500_000, 5));
    await using opened = await openBlobsIn(folder.path);
    const { blobs, chunks } = opened;
    const other = await blobs.put([blocks(1_000_000, 9_000)]);
    const { ref } = await blobs.put([LARGE]);
    const above = await blobs.put([longer]);
    const chunk = await someChunkOf(opened, ref);
    await damagePack(folder.at("chunks"), (await chunks.get(contentName(chunk))) as Uint8Array);
    await rejects(blobs.bytes(ref), "BLOB_NOT_HERE");
    // At once: the note is not believed while it is being taken back.
    const answers = await Promise.all([ref, above.ref, other.ref].map((one) => blobs.isWhole(one)));
    expect(answers).toEqual([false, false, true]);
    expect(await opened.store.get(noteKey(ref.root))).toBe(undefined);
    const { here } = await blobs.status(ref);
    expect(here).toBeGreaterThan(LARGE.length - 131_073);
    const lacking: string[] = [];
    for await (const { entries } of blobs.missingChunks(ref))
      lacking.push(...entries.map(({ address }) => toHex(address)));
    expect(lacking).toEqual([toHex(chunk)]);
    // The same bytes again make it whole.
    const again = await blobs.put([LARGE]);
    expect(again.newBytes).toBeGreaterThan(0);
    expect(await blobs.isWhole(above.ref)).toBe(true);
    expect(equalBytes(await blobs.bytes(above.ref), longer)).toBe(true);
  });

  test("[BL13] whose chunk is gone without a word are found out when they are read", async () => {
    await using opened = await memoryBlobsWorld().open();
    const { blobs, chunks } = opened;
    const { ref } = await blobs.put([LARGE]);
    const chunk = await someChunkOf(opened, ref);
    await chunks.delete(CONTENT, [chunk]);
    expect(await blobs.isWhole(ref)).toBe(true);
    await rejects(blobs.bytes(ref), "BLOB_NOT_HERE");
    expect(await blobs.isWhole(ref)).toBe(false);
    const node = (await blobs.node({ address: ref.root, size: ref.size, level: 2 }))?.entries[0];
    await blobs.put([LARGE]);
    expect(await blobs.isWhole(ref)).toBe(true);
    await chunks.delete(CONTENT, [node?.address as Uint8Array]);
    await blobs.noteMissing(node?.address as Uint8Array);
    expect(await blobs.isWhole(ref)).toBe(false);
    // Of what was not noted there is nothing to take back.
    await blobs.noteMissing(chunk);
  });

  test("[BL13] a chunk that is lost while a put goes on is not noted as here", async () => {
    await using folder = await tempFolder();
    await using opened = await openBlobsIn(folder.path);
    const { blobs, chunks } = opened;
    const { ref } = await blobs.put([LARGE]);
    const chunk = await someChunkOf(opened, ref);
    const bytes = (await chunks.get(contentName(chunk))) as Uint8Array;
    const source = (async function* () {
      yield LARGE.subarray(0, 7_000_000);
      // By now it has been found here.
      await damagePack(folder.at("chunks"), bytes);
      expect(await chunks.get(contentName(chunk))).toBe(undefined);
      yield LARGE.subarray(7_000_000);
      yield Uint8Array.of(1);
    })();
    const put = await blobs.put(source);
    expect(await blobs.isWhole(put.ref)).toBe(false);
    await blobs.put([LARGE]);
    expect(await blobs.isWhole(put.ref)).toBe(true);
  });
});
