import type { ChunkStore } from "../chunks/index.ts";
import { CONTENT } from "../chunks/index.ts";
import { MISSING_NODES_PAGE_MAX } from "./limits.ts";
import { chunksHere, loadNode, nodesBelow } from "./nodes.ts";
import type { Notes } from "./notes.ts";
import type { NodeName, RecipeEntry } from "./recipe.ts";
import { Seen, SeenLevels, unseen } from "./seen.ts";

/** Chunks of one node that are not here. */
export interface MissingChunks {
  /** The node that names them; `undefined` when the blob is one chunk and its BlobRef does. */
  readonly node: Uint8Array | undefined;
  /** In the node's order, each address once. */
  readonly entries: readonly RecipeEntry[];
}

interface WalkDeps {
  readonly chunks: ChunkStore;
  readonly notes: Notes;
}

/** Of `names`, which are of one level, each address once, those that are not noted as whole and were not met before. */
async function openOnes(
  { notes }: WalkDeps,
  seen: SeenLevels<true>,
  names: readonly NodeName[],
): Promise<NodeName[]> {
  const fresh = unseen(seen.at(names[0]?.level ?? 0), names);
  if (fresh.length === 0) return [];
  const areWhole = await notes.areWhole(fresh);
  return fresh.filter((_, i) => areWhole[i] !== true);
}

/** See `Blobs.missingNodes`. */
export async function* missingNodes(
  deps: WalkDeps,
  root: NodeName,
): AsyncGenerator<NodeName[], void, undefined> {
  const seen = new SeenLevels<true>();
  let page: NodeName[] = [];
  for await (const name of lackingBelow(deps, seen, [root])) {
    page.push(name);
    if (page.length < MISSING_NODES_PAGE_MAX) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** Nodes of these and below them that are not here, while what names them is. Goes as deep as a recipe: seven levels. */
async function* lackingBelow(
  deps: WalkDeps,
  seen: SeenLevels<true>,
  names: readonly NodeName[],
): AsyncGenerator<NodeName, void, undefined> {
  const open = await openOnes(deps, seen, names);
  const here = await deps.chunks.has(
    CONTENT,
    open.map(({ address }) => address),
  );
  for (const [i, name] of open.entries()) {
    if (here[i] === true && name.level === 1) continue;
    const node = here[i] === true ? await loadNode(deps.chunks, name) : undefined;
    if (node === undefined) yield name;
    else yield* lackingBelow(deps, seen, nodesBelow(node));
  }
}

/** See `Blobs.missingChunks`. */
export async function* missingChunks(
  deps: WalkDeps,
  root: NodeName,
): AsyncGenerator<MissingChunks, void, undefined> {
  const seenChunks = new Seen<true>();
  for await (const node of openLeaves(deps, new SeenLevels<true>(), [root])) {
    const here = await chunksHere(deps.chunks, node.entries);
    const lacking = node.entries.filter((_, i) => here[i] !== true);
    const entries = unseen(seenChunks, lacking);
    if (entries.length > 0) yield { node: node.address, entries };
  }
}

/** Nodes of level 1 that are here and not noted as whole, in the blob's order. */
async function* openLeaves(
  deps: WalkDeps,
  seen: SeenLevels<true>,
  names: readonly NodeName[],
): AsyncGenerator<NodeName & { readonly entries: readonly RecipeEntry[] }, void, undefined> {
  for (const name of await openOnes(deps, seen, names)) {
    const node = await loadNode(deps.chunks, name);
    if (node === undefined) continue;
    if (node.level === 1) yield node;
    else yield* openLeaves(deps, seen, nodesBelow(node));
  }
}

/** Bytes of the blob below a node that are here; none below a node that is not. */
export async function bytesHere(
  deps: WalkDeps,
  name: NodeName,
  known = new SeenLevels<number>(),
): Promise<number> {
  const before = known.at(name.level).get(name.address);
  if (before !== undefined) return before;
  const node = await loadNode(deps.chunks, name);
  let bytes = 0;
  if (node?.level === 1) {
    const here = await chunksHere(deps.chunks, node.entries);
    for (const [i, { size }] of node.entries.entries()) if (here[i] === true) bytes += size;
  } else if (node !== undefined) {
    const below = nodesBelow(node);
    const areWhole = await deps.notes.areWhole(below);
    for (const [i, child] of below.entries())
      bytes += areWhole[i] === true ? child.size : await bytesHere(deps, child, known);
  }
  known.at(name.level).set(name.address, bytes);
  return bytes;
}
