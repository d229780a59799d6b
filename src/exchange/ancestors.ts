import { toHex } from "../base/index.ts";
import { type ChunkName, parentsOf } from "../chunks/index.ts";
import type { Store } from "../store/index.ts";
import { ANCESTORS_MAX } from "./limits.ts";

/**
 * A chunk or node and all nodes here that are above it, each once: among them the roots of the blobs that it is part of.
 * `ANCESTORS_MAX` at most: what is beyond is found lacking at the latest when the storage peer starts anew.
 */
export async function ancestorsOf(store: Store, chunk: ChunkName): Promise<Uint8Array[]> {
  const found = new Map([[toHex(chunk.address), chunk.address]]);
  // A map goes on with what is added while it is walked through.
  for (const address of found.values()) {
    for await (const parent of parentsOf(store, { kind: chunk.kind, address })) {
      if (found.size >= ANCESTORS_MAX) return [...found.values()];
      found.set(toHex(parent), parent);
    }
  }
  return [...found.values()];
}
