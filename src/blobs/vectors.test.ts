import { describe, expect, test } from "vitest";
import { toHex } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { entries, recipeOf } from "../testkit/blobs/recipes.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs, twoWays } from "../testkit/golden.ts";
import { noteOf, readNote } from "./notes.ts";
import {
  checkNode,
  makeNode,
  type NodeName,
  type RecipeEntry,
  type VerifiedNode,
} from "./recipe.ts";

const crypto = nodeCrypto();

/** A node of chunks whose addresses are SHA-256 of the numbers from 0 on, four bytes each, big-endian; sizes 1, 2, 3, … */
function nodeCase(name: string, level: number, list: readonly RecipeEntry[]): GoldenCase {
  const { address, size } = makeNode(crypto, level, list);
  const write = (): Uint8Array => makeNode(crypto, level, list).chunk.bytes;
  const read = (bytes: Uint8Array): unknown =>
    readable(checkNode(crypto, { address, size, level }, bytes));
  return twoWays("node", name, readable(makeNode(crypto, level, list)), write, read);
}

const readable = ({ address, level, size, entries: list }: VerifiedNode): unknown => ({
  address,
  level,
  size,
  entries: list,
});

/** What a BlobRef says of a blob of that many such chunks, and how many nodes its recipe has. */
function recipeCase(count: number): GoldenCase {
  const { root, size, depth, nodes } = recipeOf(entries(count));
  const output = `root ${toHex(root)} size ${size} depth ${depth} nodes ${nodes.size}`;
  return { record: "recipe", name: `${count} chunks`, value: { chunks: count }, output };
}

const largest = (size: number): RecipeEntry[] => [{ address: new Uint8Array(32).fill(0xff), size }];

/** The key and value by which a node is known to be whole. */
function noteCases(name: string, node: NodeName): GoldenCase[] {
  const op = noteOf(node);
  const value = op.type === "put" ? op.value : new Uint8Array();
  const { level, size } = node;
  return [
    { record: "note key", name, value: node.address, output: op.key },
    twoWays("note", name, { level, size }, () => value, readNote),
  ];
}

const SEVENS = new Uint8Array(32).fill(7);

const PAIRS = goldenPairs("blobs", [
  nodeCase("one chunk of one byte", 1, entries(1)),
  nodeCase("three chunks", 1, entries(3)),
  nodeCase("64 nodes", 2, entries(64)),
  nodeCase("the largest chunk", 1, largest(128 * 1024)),
  nodeCase("the largest blob", 7, largest(2 ** 53 - 1)),
  ...[0, 1, 2, 63, 64, 65, 256, 257, 20_000].map(recipeCase),
  ...noteCases("least", { address: new Uint8Array(32), level: 1, size: 1 }),
  ...noteCases("usual", { address: SEVENS, level: 2, size: 5_000_000 }),
  ...noteCases("greatest", { address: new Uint8Array(32).fill(0xff), level: 7, size: 2 ** 53 - 1 }),
]);

describe("what blobs are made of", () => {
  test.for(PAIRS)("[FO3] $name", ({ written, committed, readAgain }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  });

  test("the deep one is deep", () => {
    expect(recipeOf(entries(20_000)).depth).toBe(3);
  });
});
