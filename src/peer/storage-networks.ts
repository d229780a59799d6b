/** The storage networks of a peer: pull-sync for each syncgroup in which this device is a storage peer. */

import {
  type BlobRef,
  codeOf,
  type Crypto,
  type Logger,
  type ScopeId,
  scopeKeyOf,
  toHex,
} from "../base/index.ts";
import type { Blobs } from "../blobs/index.ts";
import { networkIdOf, PullNetworks, type PullNetworksDeps } from "../pullsync/index.ts";
import type { SyncService } from "../sync/index.ts";
import { STORED_NOTE_MS } from "./limits.ts";
import { type NetworkStatus, networkStatus } from "./network-status.ts";

export interface StorageNetworksDeps extends Omit<PullNetworksDeps, "members" | "unwrap"> {
  readonly blobs: Blobs;
  readonly sync: SyncService;
  readonly crypto: Crypto;
  readonly logger: Logger;
  /** Called when chunks have come by pull-sync: within `STORED_NOTE_MS`, once for all that have by then. */
  readonly onStored: () => void;
}

/** Keeps a network for each group that has this device as a storage peer, as groups and their members change. */
export class StorageNetworks implements AsyncDisposable {
  readonly #deps: StorageNetworksDeps;
  readonly #networks: PullNetworks;
  readonly #stop: () => void;
  /** Changes of networks, one after another. */
  #following: Promise<void> = Promise.resolve();
  #isDue = false;
  #isNoteDue = false;
  readonly #ending = new AbortController();

  constructor(deps: StorageNetworksDeps) {
    this.#deps = deps;
    this.#networks = new PullNetworks({
      ...deps,
      members: (group) => deps.sync.sharing.storagePeers(group),
      unwrap: () => this.#noteStored(),
    });
    this.#stop = deps.sync.onGroups(() => this.#onGroups());
    this.#onGroups();
  }

  /**
   * Gives every chunk of a whole blob its number in the group's network, so that the other storage peers get it. Once that is
   * durable a note saves doing it again.
   *
   * @throws {BlobError} `BLOB_NOT_HERE` when it is not whole; {PullSyncError} `PULLSYNC_CLOSED` when this device is no storage peer of
   *   the group any more; what the stores throw.
   */
  async place(group: ScopeId, ref: BlobRef): Promise<void> {
    await this.#following;
    if (await this.#networks.isPlaced(group, ref.root)) return;
    let last: readonly Uint8Array[] = [];
    let lacking = 0;
    for await (const page of this.#deps.blobs.addresses(ref)) {
      lacking += await this.#placePage(group, last);
      last = page;
    }
    // What was lost meanwhile comes again, and is placed when the blob is whole again.
    const done = lacking === 0 ? { root: ref.root } : undefined;
    await this.#networks.place(group, last, done);
  }

  /** Every network of this device. Goes through all numbers of each. */
  async status(): Promise<NetworkStatus[]> {
    await this.#following;
    const { sync, crypto, transport } = this.#deps;
    const connected = new Set(transport.connections().map(({ peer }) => peer));
    const networks = await this.#networks.status();
    return await Promise.all(
      networks.map(async (network) =>
        networkStatus(network, {
          id: toHex(networkIdOf(crypto, network.group)),
          members: sync.members(network.group),
          peers: sync.sharing
            .storagePeers(network.group)
            .filter((peer) => peer !== transport.device),
          connected,
          summary: await this.#networks.summary(network.group),
        }),
      ),
    );
  }

  /** Ends all networks. */
  async close(): Promise<void> {
    this.#stop();
    this.#ending.abort();
    await this.#following;
    await this.#networks.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #placePage(group: ScopeId, page: readonly Uint8Array[]): Promise<number> {
    if (page.length === 0) return 0;
    return (await this.#networks.place(group, page)).absent.length;
  }

  #noteStored(): void {
    if (this.#isNoteDue) return;
    this.#isNoteDue = true;
    const { clock, onStored } = this.#deps;
    clock.sleep(STORED_NOTE_MS, this.#ending.signal).then(
      () => {
        this.#isNoteDue = false;
        onStored();
      },
      () => {},
    );
  }

  #onGroups(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#following = this.#following.then(async () => {
      this.#isDue = false;
      try {
        await this.#follow();
      } catch (error) {
        this.#deps.logger("error", "peer.storage-network.failed", { code: codeOf(error) });
      }
    });
  }

  /** Begins and ends networks, so that they are those of the groups that have this device as a storage peer. */
  async #follow(): Promise<void> {
    const { sync, transport } = this.#deps;
    const groups = sync.sharing
      .allGroups()
      .filter((group) => sync.sharing.storagePeers(group).includes(transport.device));
    const keys = new Set(groups.map(scopeKeyOf));
    for (const group of this.#networks.groups)
      if (!keys.has(scopeKeyOf(group))) await this.#networks.remove(group);
    for (const group of groups) await this.#networks.add(group);
    this.#networks.membersChanged();
  }
}
