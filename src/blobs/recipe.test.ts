import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlobRef, concatBytes, equalBytes, toHex } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import {
  entries,
  preOrderOf,
  recipeOf,
  rootName,
  smallRecipe,
  type WholeRecipe,
} from "../testkit/blobs/recipes.ts";
import { block } from "../testkit/chunker-inputs.ts";
import { rawNumber, rawSized, rawTag, rawVarint } from "../testkit/wire/wire-raw.ts";
import {
  checkChunk,
  checkNode,
  makeNode,
  type NodeName,
  type RecipeEntry,
  type RecipeNode,
  rootOf,
  type VerifiedNode,
} from "./recipe.ts";
import { RecipeVerifier } from "./recipe-verifier.ts";

const crypto = nodeCrypto();
const KIB_128 = 128 * 1024;

/** Bytes of a node as a liar writes them, under the address that is truly theirs. */
function lie(
  level: number,
  addresses: readonly Uint8Array[],
  sizes: readonly number[],
): Uint8Array {
  const list = concatBytes(...sizes.map((size) => rawVarint(size)));
  return concatBytes(
    rawNumber(1, level),
    rawSized(2, concatBytes(...addresses)),
    rawSized(3, list),
  );
}

const nameOf = (bytes: Uint8Array, level: number, size: number): NodeName => ({
  address: crypto.sha256(bytes),
  level,
  size,
});

/** A node with its first entry changed. */
function changed(node: RecipeNode, change: (entry: RecipeEntry) => RecipeEntry): RecipeNode {
  return { ...node, entries: node.entries.map((entry, i) => (i === 0 ? change(entry) : entry)) };
}

/** A recipe from a node down in pre-order, with one node changed and the addresses above it true again. */
function retold(
  recipe: WholeRecipe,
  from: Uint8Array,
  chosen: Uint8Array,
  change: (node: RecipeNode) => RecipeNode,
): { address: Uint8Array; pieces: Uint8Array[] } {
  const known = recipe.nodes.get(toHex(from));
  if (known === undefined) return { address: from, pieces: [] };
  const below: Uint8Array[] = [];
  const list = known.entries.map(({ address, size }) => {
    const child = retold(recipe, address, chosen, change);
    below.push(...child.pieces);
    return { address: child.address, size };
  });
  const isOther =
    equalBytes(from, chosen) ||
    list.some(({ address }, i) => address !== known.entries[i]?.address);
  if (!isOther) return { address: from, pieces: [known.chunk.bytes, ...below] };
  const { level, size } = known;
  const node = { address: from, level, size, entries: list };
  const told = equalBytes(from, chosen) ? change(node) : node;
  const sizes = told.entries.map((entry) => entry.size);
  const bytes = lie(
    told.level,
    told.entries.map(({ address }) => address),
    sizes,
  );
  return { address: crypto.sha256(bytes), pieces: [bytes, ...below] };
}

const sum = (sizes: readonly number[]): number => sizes.reduce((all, size) => all + size, 0);

describe("nodes", () => {
  test("[BL1] are read as they were made, and are chunks by their bytes", () => {
    const entry = fc.record({
      address: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      size: fc.integer({ min: 1, max: KIB_128 }),
    });
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 256 }), (list) => {
        const node = makeNode(crypto, 1, list);
        expect(node.address).toEqual(crypto.sha256(node.chunk.bytes));
        expect(node.size).toBe(sum(list.map(({ size }) => size)));
        const read = checkNode(
          crypto,
          { address: node.address, level: 1, size: node.size },
          node.chunk.bytes,
        );
        expect(read.entries.map(({ address, size }) => [toHex(address), size])).toEqual(
          list.map(({ address, size }) => [toHex(address), size]),
        );
      }),
      { seed: 1 },
    );
  });

  const some = entries(3).map(({ address }) => address);
  const many = Array.from({ length: 257 }, (_, i) => block(i));
  const lies: readonly (readonly [string, Uint8Array, number, number])[] = [
    ["another level than the one below", lie(2, some, [1, 2, 3]), 1, 6],
    ["level 0", lie(0, some, [1, 2, 3]), 0, 6],
    ["a level over 7", lie(8, some, [1, 2, 3]), 8, 6],
    ["sizes that are more than its name says", lie(1, some, [1, 2, 3]), 1, 5],
    ["sizes that are less", lie(1, some, [1, 2, 3]), 1, 7],
    ["no entry", lie(1, [], []), 1, 0],
    [
      "257 entries",
      lie(
        1,
        many,
        many.map(() => 1),
      ),
      1,
      257,
    ],
    ["a size too few", lie(1, some, [3, 3]), 1, 6],
    ["a size too many", lie(1, some, [1, 2, 2, 1]), 1, 6],
    ["an address that is cut", lie(1, [...some, new Uint8Array(31)], [1, 1, 1, 1]), 1, 4],
    ["a size of nothing", lie(1, some, [3, 0, 3]), 1, 6],
    ["a chunk over 128 KiB", lie(1, some, [1, KIB_128 + 1, 1]), 1, KIB_128 + 3],
    ["more below a node than fits", lie(2, some, [1, 256 * KIB_128 + 1, 1]), 2, 256 * KIB_128 + 3],
    ["sizes over 2^53", lie(7, some, [2 ** 53 - 1, 2 ** 53 - 1, 1]), 7, 2 ** 53 - 1],
    [
      "fields in another order",
      concatBytes(lie(1, some, [1, 2, 3]).subarray(2), rawNumber(1, 1)),
      1,
      6,
    ],
    ["a field that no node has", concatBytes(lie(1, some, [1, 2, 3]), rawNumber(4, 1)), 1, 6],
    [
      "a varint longer than it need be",
      concatBytes(rawTag(1, 0), rawVarint(1, 2), lie(1, some, [1, 2, 3]).subarray(2)),
      1,
      6,
    ],
    ["nothing of a node", new TextEncoder().encode("a photograph"), 1, 6],
  ];

  test.for(lies)("[BL4] with %s are refused", ([, bytes, level, size]) => {
    expect(() => checkNode(crypto, nameOf(bytes, level, size), bytes)).toThrow(
      expect.objectContaining({ code: "BLOB_INVALID" }),
    );
  });

  test("[BL4] the honest one beside those lies is taken", () => {
    const bytes = lie(1, some, [1, KIB_128, 3]);
    expect(checkNode(crypto, nameOf(bytes, 1, KIB_128 + 4), bytes).entries.length).toBe(3);
    const upper = lie(2, some, [1, 256 * KIB_128, 3]);
    expect(checkNode(crypto, nameOf(upper, 2, 256 * KIB_128 + 4), upper).level).toBe(2);
  });

  test("[BL4] of which any bit is wrong are refused", () => {
    const { chunk, ...name } = makeNode(crypto, 1, entries(5));
    fc.assert(
      fc.property(fc.nat(chunk.bytes.length - 1), fc.nat(7), (at, bit) => {
        const bytes = chunk.bytes.slice();
        bytes[at] = (bytes[at] as number) ^ (1 << bit);
        expect(() => checkNode(crypto, { ...name, address: chunk.address }, bytes)).toThrow(
          "not those of its address",
        );
      }),
      { seed: 4 },
    );
  });

  test("[BL5] a chunk of another size or address is refused", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const address = crypto.sha256(bytes);
    expect(checkChunk(crypto, { address, size: 3 }, bytes).bytes).toBe(bytes);
    for (const [size, given] of [
      [2, bytes],
      [4, bytes],
      [3, Uint8Array.of(1, 2, 4)],
      [3, new Uint8Array()],
      [KIB_128 + 1, new Uint8Array(KIB_128 + 1)],
    ] as const)
      expect(() => checkChunk(crypto, { address, size }, given)).toThrow(
        expect.objectContaining({ code: "BLOB_INVALID" }),
      );
  });
});

describe("building", () => {
  test("[BL2] cuts each level where its addresses say, and ends with one address", () => {
    for (const count of [1, 2, 63, 64, 65, 128, 255, 256, 257, 1_000, 20_000]) {
      const chunks = entries(count, 7 * count);
      const recipe = recipeOf(chunks);
      let level = chunks.map(({ address }) => address);
      let depth = 0;
      while (level.length > 1) {
        depth += 1;
        const next: Uint8Array[] = [];
        let from = 0;
        for (let i = 0; i < level.length; i++) {
          const length = i + 1 - from;
          const isEnd = length >= 64 && ((level[i] as Uint8Array)[28] as number) % 64 === 0;
          if (!isEnd && length < 256 && i + 1 < level.length) continue;
          const named = level.slice(from, i + 1).map(toHex);
          const node = [...recipe.nodes.values()].find(
            (one) =>
              one.level === depth && toHex((one.entries[0] as NodeName).address) === named[0],
          );
          expect(node?.entries.map(({ address }) => toHex(address))).toEqual(named);
          next.push((node as NodeName).address);
          from = i + 1;
        }
        level = next;
      }
      expect([toHex(recipe.root), recipe.depth]).toEqual([toHex(level[0] as Uint8Array), depth]);
      expect(recipe.size).toBe((count * (count + 1)) / 2);
    }
  });

  test("[BL2] an edit changes few nodes", () => {
    const chunks = entries(20_000);
    const before = recipeOf(chunks);
    expect(before.depth).toBe(3);
    const after = recipeOf([
      ...chunks.slice(0, 9_000),
      ...entries(1, 1_000_000),
      ...chunks.slice(9_000),
    ]);
    const fresh = [...after.nodes.keys()].filter((address) => !before.nodes.has(address));
    expect(fresh.length).toBeLessThanOrEqual(6);
  });

  test("[BL2] equal addresses side by side make nodes of 64 or of 256", () => {
    for (const [last, size] of [
      [64, 64],
      [65, 256],
    ] as const) {
      const address = new Uint8Array(32).fill(1).fill(last, 28, 29);
      const recipe = recipeOf(Array.from({ length: 1024 }, () => ({ address, size: 9 })));
      const level1 = [...recipe.nodes.values()].filter(({ level }) => level === 1);
      expect(level1.map((node) => node.entries.length)).toEqual([size]);
    }
  });

  test("[BL3] nothing has depth 0 and the hash of nothing, one chunk depth 0 and its address", () => {
    const none = recipeOf([]);
    expect([toHex(none.root), none.size, none.depth, none.nodes.size]).toEqual([
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      0,
      0,
      0,
    ]);
    const [chunk] = entries(1, 3);
    const one = recipeOf(chunk === undefined ? [] : [chunk]);
    expect([one.root, one.size, one.depth, one.nodes.size]).toEqual([chunk?.address, 1, 0, 0]);
    expect(recipeOf(entries(2)).depth).toBe(1);
  });

  test("[BL3] a BlobRef that no blob can have is refused, any other names its root", () => {
    const nothing = crypto.sha256(new Uint8Array());
    const ref = (size: number, depth: number, root = block(1)): BlobRef =>
      new BlobRef({ root, size, depth, chunker: 1 });
    for (const lying of [
      ref(0, 0),
      ref(0, 1),
      ref(KIB_128 + 1, 0),
      ref(256 * KIB_128 + 1, 1),
      ref(2 ** 53 - 1, 4),
    ])
      expect(() => rootOf(crypto, lying)).toThrow(
        expect.objectContaining({ code: "BLOB_INVALID" }),
      );
    expect(rootOf(crypto, ref(0, 0, nothing))).toBe(undefined);
    expect(rootOf(crypto, ref(KIB_128, 0))).toEqual({ address: block(1), size: KIB_128, level: 0 });
    expect(rootOf(crypto, ref(2 ** 53 - 1, 7))?.level).toBe(7);
  });
});

describe("pre-order", () => {
  const recipe = recipeOf(entries(20_000, 40));
  const inOrder = [...preOrderOf(recipe, recipe.root)].map(({ chunk }) => chunk.bytes);
  /** The same on a small scale. */
  const small = smallRecipe();
  const top = rootName(small);
  const few = [...preOrderOf(small, small.root)].map(({ chunk }) => chunk.bytes);
  const refused = expect.objectContaining({ code: "BLOB_INVALID" });

  function verify(pieces: readonly Uint8Array[], ...starts: readonly NodeName[]): number {
    const verifier = new RecipeVerifier(crypto, starts.length === 0 ? [rootName(recipe)] : starts);
    for (const bytes of pieces) verifier.take(bytes);
    verifier.end();
    return pieces.length;
  }

  test("[BL6] a whole tree of three levels is taken", () => {
    expect(recipe.depth).toBe(3);
    expect(inOrder.length).toBe(recipe.nodes.size);
    expect(verify(inOrder)).toBeGreaterThan(150);
  });

  test("[BL6] with a node left out, doubled, swapped, from elsewhere or one too many is refused", () => {
    const at = fc.nat(few.length - 1);
    const other = makeNode(crypto, 1, entries(3, 999)).chunk.bytes;
    fc.assert(
      fc.property(at, at, (i, j) => {
        const node = few[i] as Uint8Array;
        expect(() => verify(few.toSpliced(i, 1), top)).toThrow(refused);
        expect(() => verify(few.toSpliced(j, 0, node), top)).toThrow(refused);
        expect(() => verify(few.with(i, other), top)).toThrow(refused);
        expect(() => verify(few.slice(0, i), top)).toThrow(refused);
        if (i !== j)
          expect(() => verify(few.with(i, few[j] as Uint8Array).with(j, node), top)).toThrow(
            refused,
          );
      }),
      { seed: 6, numRuns: 200 },
    );
    expect(() => verify([...few, other], top)).toThrow(refused);
  });

  test("[BL6] nodes that are held are left out with all below, others are not", () => {
    const below = recipe.nodes.get(toHex(recipe.root))?.entries ?? [];
    const held = new Set(below.slice(1).map(({ address }) => toHex(address)));
    const isHeld = (address: Uint8Array): boolean => held.has(toHex(address));
    const verifier = new RecipeVerifier(crypto, [rootName(recipe)], { isHeld });
    verifier.take(inOrder[0] as Uint8Array);
    const first = [...preOrderOf(recipe, (below[0] as RecipeEntry).address)];
    for (const { chunk } of first) verifier.take(chunk.bytes);
    verifier.end();
    expect(verifier.next).toBe(undefined);
    expect(first.length).toBeLessThan(inOrder.length - 1);
  });

  test("[BL6] levels are counted from each start", () => {
    const starts = (recipe.nodes.get(toHex(recipe.root))?.entries ?? []).map((entry) => ({
      ...entry,
      level: 2,
    }));
    expect(starts.length).toBeGreaterThan(1);
    for (const levels of [1, 2, 0]) {
      const verifier = new RecipeVerifier(crypto, starts, { levels });
      const pieces = starts.flatMap(({ address }) => [
        ...preOrderOf(recipe, address, levels === 0 ? 9 : levels),
      ]);
      for (const { chunk } of pieces) verifier.take(chunk.bytes);
      verifier.end();
      expect(pieces.length).toBe(levels === 1 ? starts.length : recipe.nodes.size - 1);
    }
    expect(() => new RecipeVerifier(crypto, []).take(inOrder[0] as Uint8Array)).toThrow(refused);
  });

  test("[BL4] [BL6] a tree that lies anywhere is refused, though every hash in it is true", () => {
    // Every node above the one that lies names it by its true address, and by the size that it should have.
    const lies: Record<string, (node: RecipeNode) => RecipeNode> = {
      "a level up": (node) => ({ ...node, level: node.level + 1 }),
      "a level down": (node) => ({ ...node, level: node.level === 1 ? 3 : node.level - 1 }),
      "a byte more": (node) => changed(node, (entry) => ({ ...entry, size: entry.size + 1 })),
      "an entry less": (node) => ({ ...node, entries: node.entries.slice(1) }),
      "an entry twice": (node) => ({
        ...node,
        entries: [...node.entries, ...node.entries.slice(-1)].slice(-256),
      }),
      "another level's node": (node) =>
        changed(node, (entry) => ({ ...entry, address: small.root })),
    };
    const all = [...small.nodes.values()];
    const kinds = fc.constantFrom(...Object.keys(lies));
    fc.assert(
      fc.property(kinds, fc.nat(all.length - 1), (kind, i) => {
        const chosen = all[i] as VerifiedNode;
        // Below level 1 there are chunks, whose bytes are not in the recipe.
        if (kind === "another level's node" && chosen.level === 1) return;
        const lie = lies[kind] as (node: RecipeNode) => RecipeNode;
        const { address, pieces } = retold(small, small.root, chosen.address, lie);
        const name = { ...rootName(small), address };
        expect(() => verify(pieces, name)).toThrow(refused);
      }),
      { seed: 46, numRuns: 300 },
    );
    const { address, pieces } = retold(small, small.root, small.root, (node) => node);
    expect(address).toEqual(small.root);
    expect(verify(pieces, top)).toBe(few.length);
  });

  test("[BL6] a tree whose lower node lies under true hashes is refused where it lies", () => {
    const chunks = entries(3).map(({ address }) => address);
    const lower = lie(1, chunks, [1, 2, 3]);
    // The root is true to what it names, but for the size.
    const root = lie(2, [crypto.sha256(lower), crypto.sha256(lower)], [6, 7]);
    const verifier = new RecipeVerifier(crypto, [nameOf(root, 2, 13)]);
    verifier.take(root);
    verifier.take(lower);
    expect(() => verifier.take(lower)).toThrow("do not add up");
  });
});
