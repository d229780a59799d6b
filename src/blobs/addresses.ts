import type { ChunkStore } from "../chunks/index.ts";
import { ADDRESS_PAGE_MAX } from "./limits.ts";
import { needNode, nodesBelow } from "./nodes.ts";
import type { NodeName } from "./recipe.ts";
import { SeenLevels, unseen } from "./seen.ts";

/** See `Blobs.addresses`. */
export async function* addressPages(
  chunks: ChunkStore,
  root: NodeName,
): AsyncGenerator<Uint8Array[], void, undefined> {
  let page: Uint8Array[] = [];
  for await (const address of addressesBelow(chunks, new SeenLevels<true>(), [root])) {
    page.push(address);
    if (page.length < ADDRESS_PAGE_MAX) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** These, which are of one level, and all below them, but for those met before. As deep as a recipe: seven levels. */
async function* addressesBelow(
  chunks: ChunkStore,
  seen: SeenLevels<true>,
  names: readonly NodeName[],
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const name of unseen(seen.at(names[0]?.level ?? 0), names)) {
    yield name.address;
    if (name.level > 0)
      yield* addressesBelow(chunks, seen, nodesBelow(await needNode(chunks, name)));
  }
}
