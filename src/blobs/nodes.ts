import { type ChunkName, type ChunkStore, CONTENT, nodeEdges } from "../chunks/index.ts";
import type { WriteOp } from "../store/index.ts";
import { BlobError, invalid } from "./errors.ts";
import { type NodeName, parseNode, type RecipeEntry, type RecipeNode } from "./recipe.ts";

/** A node that is here. */
export interface StoredNode extends RecipeNode {
  readonly bytes: Uint8Array;
}

export const contentName = (address: Uint8Array): ChunkName => ({ kind: CONTENT, address });

/**
 * A node that is here, held against the name that stands above it; `undefined` when it is not. Its hash was checked before
 * it was stored, its checksum now.
 *
 * @throws {BlobError} `BLOB_INVALID` when it is not what the name says.
 */
export async function loadNode(
  chunks: ChunkStore,
  name: NodeName,
): Promise<StoredNode | undefined> {
  const bytes = await chunks.get(contentName(name.address));
  if (bytes === undefined) return undefined;
  const { address, level, size } = name;
  return { address, level, size, entries: parseNode(name, bytes), bytes };
}

/** As `loadNode`. @throws {BlobError} `BLOB_NOT_HERE`, `BLOB_INVALID`. */
export async function needNode(chunks: ChunkStore, name: NodeName): Promise<StoredNode> {
  const node = await loadNode(chunks, name);
  if (node === undefined)
    throw new BlobError("BLOB_NOT_HERE", "Cannot read blob: part of its recipe is not here");
  return node;
}

/** The nodes that a node above level 1 names. */
export function nodesBelow({ level, entries }: RecipeNode): NodeName[] {
  return entries.map(({ address, size }) => ({ address, size, level: level - 1 }));
}

/** The edges from a node to each distinct chunk or node that it names. */
export function edgesOf(node: RecipeNode): WriteOp[] {
  const children = node.entries.map(({ address }) => contentName(address));
  return nodeEdges(node.address, children);
}

/**
 * Whether each chunk is here, in order.
 *
 * @throws {BlobError} `BLOB_INVALID` when one that is here is not as long as its node says.
 */
export async function chunksHere(
  chunks: ChunkStore,
  entries: readonly RecipeEntry[],
): Promise<boolean[]> {
  const addresses = entries.map(({ address }) => address);
  const found = await chunks.entries(CONTENT, addresses);
  return found.map((entry, i) => {
    if (entry !== undefined && entry.size !== entries[i]?.size)
      throw invalid("a chunk is not as long as it says");
    return entry !== undefined;
  });
}
