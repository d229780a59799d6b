import { join } from "node:path";
import { type ChunkStore, openChunkStore } from "../../chunks/index.ts";
import {
  nodeClock,
  nodeCrypto,
  nodeRandom,
  openDiskStore,
  openNodeChunkFiles,
} from "../../node/index.ts";
import { Reserve } from "../../pullsync/index.ts";
import type { Store } from "../../store/index.ts";
import { PULL_NETWORK } from "./pull-world.ts";

/** A reserve on disk, as a process leaves it. */
export interface PulledFolder extends AsyncDisposable {
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly reserve: Reserve;
}

export async function openPulledFolder(path: string, overlay: Uint8Array): Promise<PulledFolder> {
  const random = nodeRandom();
  const store = await openDiskStore({ clock: nodeClock(), random }, join(path, "store"));
  const files = await openNodeChunkFiles(join(path, "chunks"));
  const chunks = await openChunkStore({ store, files, crypto: nodeCrypto() });
  const reserve = await Reserve.open(
    { store, chunks, random, logger: () => {} },
    { network: PULL_NETWORK, overlay },
  );
  return {
    store,
    chunks,
    reserve,
    async [Symbol.asyncDispose]() {
      await reserve.close();
      await chunks.close();
      await store.close();
    },
  };
}
