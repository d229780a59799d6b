import { describe, expect, test } from "vitest";
import { BlobRef, toHex } from "../base/index.ts";
import { CHUNK_BYTES_MAX, contentChunk } from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { memoryBlobsWorld, watched } from "../testkit/blobs/blobs-world.ts";
import { entries } from "../testkit/blobs/recipes.ts";
import { rejects } from "../testkit/index.ts";
import { WALK_SEEN_MAX } from "./limits.ts";
import { noteKey } from "./notes.ts";
import { makeNode, type RecipeEntry, type VerifiedNode } from "./recipe.ts";
import { SeenLevels, unseen } from "./seen.ts";

const crypto = nodeCrypto();

const refOf = ({ address, size, level }: VerifiedNode): BlobRef =>
  new BlobRef({ root: address, size, depth: level, chunker: 1 });

/** Nodes of `level` over these entries, 256 in each. */
function nodesOver(level: number, below: readonly RecipeEntry[]): VerifiedNode[] {
  const nodes: VerifiedNode[] = [];
  for (let at = 0; at < below.length; at += 256)
    nodes.push(makeNode(crypto, level, below.slice(at, at + 256)));
  return nodes;
}

/** A node that names one node as often as a node can. */
function often(below: VerifiedNode): VerifiedNode {
  return makeNode(
    crypto,
    below.level + 1,
    Array.from({ length: 256 }, () => below),
  );
}

describe("recipes that are made to harm", () => {
  test("[BL16] a tree that names more than a walk remembers, again and again, is gone through once", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    // Nodes of level 1 that are nowhere, under nodes that are named 256 times 256 times.
    const lacking = entries(WALK_SEEN_MAX + 256).map(({ address }) => ({ address, size: 1 }));
    const second = nodesOver(2, lacking);
    const third = nodesOver(3, second);
    const [top] = nodesOver(4, third) as [VerifiedNode];
    const [fifth, sixth] = [often(top), often(often(top))];
    await opened.blobs.addNodes([...second, ...third, top, fifth, sixth]);
    const { blobs } = opened;
    let names = 0;
    for await (const page of blobs.missingNodes(refOf(sixth))) names += page.length;
    expect(names).toBe(lacking.length);
    expect(await blobs.status(refOf(sixth))).toMatchObject({ here: 0, isWhole: false });
  });

  test("[BL12] chunks that a walk has come by make it forget no nodes", () => {
    const seen = new SeenLevels<true>();
    const [node, ...chunks] = entries(WALK_SEEN_MAX + 2);
    expect(unseen(seen.at(1), [node as RecipeEntry])).toHaveLength(1);
    expect(unseen(seen.at(0), chunks)).toHaveLength(chunks.length);
    expect(unseen(seen.at(0), chunks.slice(0, 1))).toHaveLength(1);
    expect(unseen(seen.at(1), [node as RecipeEntry])).toHaveLength(0);
  });

  test("[BL9] [BL16] chunks that are larger than a recipe says are not read", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const chunks = Array.from({ length: 64 }, (_, i) =>
      contentChunk(crypto, new Uint8Array(CHUNK_BYTES_MAX).fill(i + 1)),
    );
    await opened.blobs.addChunks(chunks);
    const node = makeNode(
      crypto,
      1,
      chunks.map(({ address }) => ({ address, size: 1 })),
    );
    await opened.blobs.addNodes([node]);
    const { blobs, read } = watched(opened);
    await rejects(blobs.bytes(refOf(node)), "BLOB_INVALID");
    expect([...read]).toEqual([toHex(node.address)]);
  });

  test("[BL13] [BL16] a node that is named with two sizes makes no whole blob", async () => {
    await using world = memoryBlobsWorld();
    await using opened = await world.open();
    const chunk = contentChunk(crypto, Uint8Array.of(1, 2, 3));
    await opened.blobs.addChunks([chunk]);
    const node = makeNode(crypto, 1, [{ address: chunk.address, size: 3 }]);
    const root = makeNode(crypto, 2, [node, { address: node.address, size: 5 }]);
    await opened.blobs.addNodes([node, root]);
    await rejects(opened.blobs.isWhole(refOf(root)), "BLOB_INVALID");
    expect(await opened.store.get(noteKey(root.address))).toBeUndefined();
  });
});
