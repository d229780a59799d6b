import { toHex } from "../../base/index.ts";
import {
  makeNode,
  type NodeName,
  type RecipeEntry,
  RecipeBuilder,
  type VerifiedNode,
} from "../../blobs/index.ts";
import { nodeCrypto } from "../../node/index.ts";
import { block } from "../chunker-inputs.ts";

/** `count` entries that name nothing: addresses are SHA-256 of numbers from `first` on, sizes 1, 2, 3, … */
export function entries(count: number, first = 0): RecipeEntry[] {
  return Array.from({ length: count }, (_, i) => ({ address: block(first + i), size: i + 1 }));
}

/** A recipe with all its nodes. */
export interface WholeRecipe {
  readonly root: Uint8Array;
  readonly size: number;
  readonly depth: number;
  /** By address in hexadecimal digits. */
  readonly nodes: ReadonlyMap<string, VerifiedNode>;
}

export function recipeOf(chunks: readonly RecipeEntry[]): WholeRecipe {
  const builder = new RecipeBuilder(nodeCrypto());
  const nodes = chunks.flatMap((chunk) => builder.add(chunk));
  const { root, size, depth, nodes: last } = builder.end();
  const all = [...nodes, ...last].map((node) => [toHex(node.address), node] as const);
  return { root, size, depth, nodes: new Map(all) };
}

/** A recipe of three levels, three entries in each node: as another writer may cut it. */
export function smallRecipe(): WholeRecipe {
  const nodes = new Map<string, VerifiedNode>();
  let row: RecipeEntry[] = entries(27);
  for (let level = 1; level <= 3; level++) {
    const next: RecipeEntry[] = [];
    for (let at = 0; at < row.length; at += 3) {
      const node = makeNode(nodeCrypto(), level, row.slice(at, at + 3));
      nodes.set(toHex(node.address), node);
      next.push(node);
    }
    row = next;
  }
  const [root] = row as [RecipeEntry];
  return { root: root.address, size: root.size, depth: 3, nodes };
}

/** The nodes from the one with this address down, in pre-order. */
export function* preOrderOf(
  { nodes }: WholeRecipe,
  address: Uint8Array,
  levels = Number.POSITIVE_INFINITY,
): Generator<VerifiedNode> {
  const node = nodes.get(toHex(address));
  if (node === undefined || levels === 0) return;
  yield node;
  for (const entry of node.entries)
    yield* preOrderOf({ nodes } as WholeRecipe, entry.address, levels - 1);
}

/** The root of a recipe with at least one node, as its BlobRef names it. */
export function rootName({ root, size, depth }: WholeRecipe): NodeName {
  return { address: root, size, level: depth };
}
