import type { Clock, DeviceId, Random, ScopeId } from "../../base/index.ts";
import {
  type ChunkStore,
  memoryChunkFiles,
  openChunkStore,
  type VerifiedChunk,
  Wants,
} from "../../chunks/index.ts";
import type { Transport } from "../../net/index.ts";
import { nodeCrypto } from "../../node/index.ts";
import { PullNetworks } from "../../pullsync/index.ts";
import { openMemoryStore } from "../../store/index.ts";
import { namedUser } from "../control-world.ts";

/** The storage peers of a syncgroup, as all devices of a test know them: changed by the test. */
export type Members = Map<string, Set<DeviceId>>;

/** A syncgroup by its name. */
export function groupOf(name: string): ScopeId {
  return { database: "album", kind: "syncgroup", owner: namedUser("ada"), name };
}

/** A storage peer without a database: chunk store and pull-sync. */
export interface NetworkPeer extends AsyncDisposable {
  readonly transport: Transport;
  readonly networks: PullNetworks;
  readonly chunks: ChunkStore;
  /** Stores chunks as a fetch does, and places them. */
  put(group: ScopeId, chunks: readonly VerifiedChunk[]): Promise<void>;
}

export async function networkPeer(
  transport: Transport,
  deps: { readonly clock: Clock; readonly random: Random; readonly members: Members },
): Promise<NetworkPeer> {
  const { clock, random, members } = deps;
  const crypto = nodeCrypto();
  const store = await openMemoryStore({ clock, random });
  const chunks = await openChunkStore({ store, files: memoryChunkFiles(), crypto });
  const networks = new PullNetworks({
    store,
    chunks,
    wants: new Wants({ clock }),
    transport,
    clock,
    random,
    crypto,
    logger: () => {},
    members: ({ name }) => [...(members.get(name) ?? [])],
  });
  return {
    transport,
    networks,
    chunks,
    async put(group, added) {
      await chunks.put(added);
      await networks.place(
        group,
        added.map(({ address }) => address),
      );
    },
    async [Symbol.asyncDispose]() {
      await networks.close();
      await transport.close();
      await chunks.close();
      await store.close();
    },
  };
}
