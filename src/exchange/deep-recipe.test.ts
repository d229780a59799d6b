import { describe, expect, test } from "vitest";

import { BlobRef, toHex } from "../base/index.ts";
import { RecipeBuilder, type VerifiedNode } from "../blobs/index.ts";
import { contentChunk, type VerifiedChunk } from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import {
  admitBlobs,
  BlobFlock,
  type BlobPeer,
  noise,
  shareBlobs,
} from "../testkit/exchange/blob-flock.ts";
import { CHUNKS } from "../testkit/exchange/raw-exchange.ts";
import { eventually, isConnected, todosOf } from "../testkit/sync-flock.ts";

const crypto = nodeCrypto();
const CHUNK_BYTES = 24;
const COUNT = 9_000;

/** A blob of many tiny chunks, as another chunker might cut it: its recipe is deep, its bytes are few. */
async function putTiny(one: BlobPeer, bytes: Uint8Array): Promise<{ ref: BlobRef; nodes: number }> {
  const builder = new RecipeBuilder(crypto);
  const chunks: VerifiedChunk[] = [];
  const nodes: VerifiedNode[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const chunk = contentChunk(crypto, bytes.slice(at, at + CHUNK_BYTES));
    chunks.push(chunk);
    nodes.push(...builder.add({ address: chunk.address, size: chunk.bytes.length }));
  }
  const { root, size, depth, nodes: last } = builder.end();
  nodes.push(...last);
  for (let from = 0; from < chunks.length; from += 8_000)
    await one.blobs.addChunks(chunks.slice(from, from + 8_000));
  await one.blobs.addNodes(nodes);
  return { ref: new BlobRef({ root, size, depth, chunker: 1 }), nodes: nodes.length };
}

describe("deep recipes", () => {
  test("[EX3] [EX9] a recipe of three levels comes level by level, and after an edit one node a level", async () => {
    await using flock = new BlobFlock();
    const [ada, bob] = [await flock.open("ada"), await flock.open("bob")];
    const shared = await shareBlobs(ada);
    await admitBlobs(ada, bob, shared);
    await eventually(() => isConnected(bob.peer, ada.peer.device));
    const todos = await todosOf(ada.peer, shared);
    const bytes = noise(CHUNK_BYTES * COUNT, 3);
    const { ref, nodes } = await putTiny(ada, bytes);
    await todos.put("first", ref);
    expect(ref.depth).toBe(3);

    expect(await bob.exchange.fetchWhole(ref)).toMatchObject({ fromLocal: 0, received: ref.size });
    expect(bob.chunks.status().chunks).toBe(COUNT + nodes);

    const edited = bytes.slice();
    edited.set(noise(CHUNK_BYTES, 2), CHUNK_BYTES * (COUNT / 2));
    const { ref: second } = await putTiny(ada, edited);
    await todos.put("second", second);
    const before = { chunks: bob.chunks.status().chunks, wire: bob.meter.bytes(CHUNKS) };
    const last = await bob.exchange.fetchWhole(second);

    expect(last.total - last.fromLocal).toBe(CHUNK_BYTES);
    expect(bob.chunks.status().chunks - before.chunks).toBeLessThanOrEqual(1 + 2 * 3);
    expect(bob.meter.bytes(CHUNKS) - before.wire).toBeLessThan(6 * 10_000);
    const both = [await bob.blobs.bytes(second), edited].map((all) => toHex(crypto.sha256(all)));
    expect(both[0]).toBe(both[1]);
  });
});
