import { describe, expect, test } from "vitest";

import { makeNode, type RecipeEntry, type VerifiedNode } from "../blobs/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { memoryBlobsWorld, type OpenBlobs } from "../testkit/blobs/blobs-world.ts";
import { entries } from "../testkit/blobs/recipes.ts";
import { RECIPE_NAMES_MAX, RECIPE_WALK_NODES_MAX } from "./limits.ts";
import { ServedRecipes } from "./served-recipes.ts";

const crypto = nodeCrypto();

/** Nodes of `level` over these entries, `count` in each. */
function nodesOver(level: number, below: readonly RecipeEntry[], count = 256): VerifiedNode[] {
  const nodes: VerifiedNode[] = [];
  for (let at = 0; at < below.length; at += count)
    nodes.push(makeNode(crypto, level, below.slice(at, at + count)));
  return nodes;
}

/** Serves what is here, and counts the nodes that are read for it. */
function counted({ chunks }: OpenBlobs): { recipes: ServedRecipes; reads: () => number } {
  let reads = 0;
  const counting = {
    get: (...args: Parameters<typeof chunks.get>) => {
      reads += 1;
      return chunks.get(...args);
    },
  } as typeof chunks;
  return { recipes: new ServedRecipes({ crypto, chunks: counting }), reads: () => reads };
}

describe("what lies in recipes that are made to harm", () => {
  test("[EX3] many who ask at once for what is nowhere share a walk, though part of the recipe is lacking", async () => {
    await using opened = await memoryBlobsWorld().open();
    const leaves = nodesOver(1, entries(500), 1);
    const second = nodesOver(2, leaves, 1);
    const lacking = makeNode(crypto, 2, entries(1, 1_000));
    const [top, other] = nodesOver(3, [...second, lacking]) as [VerifiedNode, VerifiedNode];
    const root = makeNode(crypto, 4, [top, other]);
    await opened.blobs.addNodes([...second, top, other, root]);
    const { recipes, reads } = counted(opened);
    const nowhere = entries(50, 5_000);
    const found = await Promise.all(nowhere.map(({ address }) => recipes.find(root, address)));
    expect(found.every((one) => one === undefined)).toBe(true);
    expect(reads()).toBeLessThan(3 * (second.length + 4));
    // What was named and is not here lies in it all the same, and what comes later is seen.
    expect(await recipes.find(root, lacking.address)).toMatchObject({ level: 2 });
    const [below] = lacking.entries as [RecipeEntry];
    expect(await recipes.find(root, below.address)).toBeUndefined();
    await opened.blobs.addNodes([lacking]);
    expect(await recipes.find(root, below.address)).toMatchObject({ level: 1 });
  });

  test("[EX3] a recipe of more nodes than are read for one request is read so far and no further", async () => {
    await using opened = await memoryBlobsWorld().open();
    const second = nodesOver(2, entries(RECIPE_WALK_NODES_MAX + 512), 1);
    const third = nodesOver(3, second);
    const [root] = nodesOver(4, third) as [VerifiedNode];
    await opened.blobs.addNodes([...second, ...third, root]);
    const { recipes, reads } = counted(opened);
    expect(await recipes.find(root, entries(1, 9_000)[0]!.address)).toBeUndefined();
    expect(reads()).toBeLessThanOrEqual(RECIPE_WALK_NODES_MAX);
    expect(await recipes.find(root, entries(1, 9_001)[0]!.address)).toBeUndefined();
    expect(reads()).toBeLessThanOrEqual(RECIPE_WALK_NODES_MAX);
  });

  test("[EX3] of a recipe with more nodes than are remembered each is found", async () => {
    await using opened = await memoryBlobsWorld().open();
    const leaves = entries(RECIPE_NAMES_MAX + 512).map(({ address }) => ({ address, size: 1 }));
    const second = nodesOver(2, leaves);
    const third = nodesOver(3, second);
    const [root] = nodesOver(4, third) as [VerifiedNode];
    await opened.blobs.addNodes([...second, ...third, root]);
    const { recipes } = counted(opened);
    for (const { address } of [leaves[0]!, leaves.at(-1)!, leaves[300]!, leaves.at(-2)!])
      expect(await recipes.find(root, address)).toMatchObject({ size: 1, level: 1 });
    const { address } = entries(1, 100_000)[0]!;
    expect(await recipes.find(root, address)).toBeUndefined();
  });
});
