import {
  Budget,
  type Clock,
  concatBytes,
  type Crypto,
  type DeviceId,
  type Logger,
  type Random,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  utf8,
} from "../base/index.ts";
import type { ChunkStore } from "../chunks/index.ts";
import type { Connection, Transport } from "../net/index.ts";
import type { Store } from "../store/index.ts";
import { encodeScopeId } from "../wire/index.ts";
import { PullSyncError } from "./errors.ts";
import { HelloGate, type NetworkStreamer } from "./hello-gate.ts";
import { DELIVERIES_HELD_BYTES_MAX } from "./limits.ts";
import { Turns, WaitingPlaces } from "./pace.ts";
import type { PeerName, PullWants } from "./ports.ts";
import { ROOKERY_PROFILE } from "./profile.ts";
import { Puller, type PullerProgress } from "./puller.ts";
import { Reserve } from "./reserve.ts";
import type { Placing } from "./reserve-bins.ts";
import { Syncer, type SyncerDeps } from "./syncer.ts";
import type { PullCounters } from "./pull-exchange.ts";

export interface PullNetworksDeps {
  readonly store: Store;
  /** Over the same store. */
  readonly chunks: ChunkStore;
  readonly wants: PullWants;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  /**
   * Devices that are storage peers of this syncgroup now: current members of type server whose user holds Read; our own may be among
   * them. Asked at each stream and whenever members may have changed: it answers at once.
   */
  readonly members: (group: ScopeId) => readonly DeviceId[];
  /** Told of each chunk that came, is valid, and is stored now. */
  readonly unwrap?: SyncerDeps["unwrap"];
}

/** One storage network as it is kept here. */
export interface PullNetworkStatus {
  readonly group: ScopeId;
  /** For each bin the greatest number given. */
  readonly cursors: readonly bigint[];
  readonly epoch: bigint;
  readonly progress: PullerProgress;
  /** Since the network was opened: `chunksDelivered` is how many chunks pull-sync has brought here. */
  readonly counters: PullCounters;
}

/** The parts of one network. */
interface Network {
  readonly group: ScopeId;
  readonly reserve: Reserve;
  readonly streamer: NetworkStreamer;
  readonly syncer: Syncer;
  readonly puller: Puller;
  /** Members when last looked at, as one text. */
  members: string;
}

/** The id of a syncgroup's storage network, 32 bytes: names it to peers and says nothing to others. [PS6] */
export function networkIdOf(crypto: Crypto, group: ScopeId): Uint8Array {
  return crypto.sha256(concatBytes(utf8("rookery network 1\n"), encodeScopeId(group)));
}

/**
 * Pull-sync for all syncgroups that this device is a storage peer of, over one transport and one chunk store.
 *
 * Serves both protocols as soon as it is open; a network is served, and pulled from its connected storage peers, from `add` until
 * `remove`. It dials nobody. Chunks get numbers, and so reach the other storage peers, by `place`, or by coming through pull-sync.
 */
export class PullNetworks implements AsyncDisposable {
  readonly #deps: PullNetworksDeps;
  readonly #gate: HelloGate;
  readonly #budget = new Budget(DELIVERIES_HELD_BYTES_MAX);
  readonly #networks = new Map<ScopeKey, Network>();
  readonly #places = new Map<PeerName, WaitingPlaces>();
  /** Networks come and go one after another. */
  readonly #turns = new Turns();
  readonly #unlisten: () => void;
  #isClosed = false;

  constructor(deps: PullNetworksDeps) {
    this.#deps = deps;
    this.#gate = new HelloGate(deps, ROOKERY_PROFILE);
    this.#unlisten = deps.transport.onConnection((connection) => this.#onConnection(connection));
    for (const connection of deps.transport.connections()) this.#onConnection(connection);
  }

  /** Syncgroups whose networks are kept now. */
  get groups(): readonly ScopeId[] {
    return Array.from(this.#networks.values(), ({ group }) => group);
  }

  /**
   * Begins to keep a syncgroup's chunks: this device has become a storage peer of it. Once it is kept already: nothing.
   *
   * @throws {PullSyncError} `PULLSYNC_CLOSED`, `PULLSYNC_CORRUPT`; what the stores throw.
   */
  async add(group: ScopeId): Promise<void> {
    await this.#turns.take(async () => {
      if (this.#isClosed)
        throw new PullSyncError("PULLSYNC_CLOSED", "Cannot keep network: pull-sync is closed");
      const key = scopeKeyOf(group);
      if (this.#networks.has(key)) return;
      const network = await this.#open(group);
      this.#networks.set(key, network);
      this.#connectAll(network);
    });
  }

  /** Keeps a syncgroup's chunks no more. What is here stays, and is known again when it is added again. */
  async remove(group: ScopeId): Promise<void> {
    await this.#turns.take(async () => {
      const network = this.#networks.get(scopeKeyOf(group));
      this.#networks.delete(scopeKeyOf(group));
      if (network !== undefined) await close(network);
    });
  }

  /** Members of a syncgroup, or of any, may have changed: ends streams of those who are none any more, pulls from new ones. [PS7] */
  membersChanged(group?: ScopeId): void {
    const only = group && scopeKeyOf(group);
    for (const [key, network] of this.#networks) {
      if (only !== undefined && key !== only) continue;
      network.streamer.recheck();
      for (const peer of network.puller.peers)
        if (!this.#isPeer(network, peer as DeviceId)) network.puller.remove(peer);
      this.#connectAll(network);
      const members = this.#deps.members(network.group).toSorted().join();
      // Who refused us may know us now.
      if (members !== network.members) network.puller.urge();
      network.members = members;
    }
  }

  /** What rests after failures is tried now. */
  urge(): void {
    for (const { puller } of this.#networks.values()) puller.urge();
  }

  /**
   * Gives numbers to chunks that are here, so that the network's storage peers get them: 250 addresses at a time do well. Again is
   * harmless. With `done` notes, if all of these are here, that the blob of that root is placed: give it with the last ones. [PS43]
   *
   * @throws {PullSyncError} `PULLSYNC_CLOSED` when the network is not kept; what the stores throw.
   */
  place(
    group: ScopeId,
    addresses: readonly Uint8Array[],
    done?: { readonly root: Uint8Array },
  ): Promise<Placing> {
    return this.#network(group).reserve.place(addresses, done);
  }

  /** Whether all chunks of the blob with this root were placed. @throws as `place`. */
  isPlaced(group: ScopeId, root: Uint8Array): Promise<boolean> {
    return this.#network(group).reserve.isPlaced(root);
  }

  /** How many chunks a network has here, and the sum of their addresses: equal where the sets are. Reads all its numbers. */
  summary(group: ScopeId): Promise<{ readonly chunks: number; readonly sum: Uint8Array }> {
    return this.#network(group).reserve.summary();
  }

  /** Looks for chunks that have a number and are not here: answers how many are missing since now. */
  verify(group: ScopeId): Promise<number> {
    return this.#network(group).reserve.verify();
  }

  /** Addresses of chunks that are missing, as hexadecimal texts. */
  missing(group: ScopeId): string[] {
    return this.#network(group).puller.missing();
  }

  /** All networks, with their progress by peer and bin, and what was done. */
  async status(): Promise<PullNetworkStatus[]> {
    return await Promise.all(
      Array.from(this.#networks.values(), async ({ group, reserve, puller, syncer }) => ({
        group,
        cursors: await reserve.cursors(),
        epoch: await reserve.epoch(),
        progress: puller.progress(),
        counters: syncer.metrics(),
      })),
    );
  }

  /** Makes a network's reserve anew: nothing has a number, and peers are pulled from the beginning. [PS44] */
  async wipe(group: ScopeId): Promise<void> {
    const { reserve } = this.#network(group);
    await this.remove(group);
    await reserve.wipe();
    await this.add(group);
  }

  /** Ends all networks. Stores and transport stay open. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unlisten();
    await this.#turns.take(async () => {
      await Promise.all(Array.from(this.#networks.values(), close));
      this.#networks.clear();
    });
    this.#gate.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(group: ScopeId): Promise<Network> {
    const { crypto, transport, members } = this.#deps;
    const id = networkIdOf(crypto, group);
    const overlay = ROOKERY_PROFILE.overlay(crypto, transport.device);
    const reserve = await Reserve.open(this.#deps, { network: id, overlay });
    const streamer = this.#gate.streamer(id, (device) => members(group).includes(device));
    const shared = { ...this.#deps, streamer, storage: reserve };
    const syncer = new Syncer({ ...shared, budget: this.#budget });
    try {
      const puller = await Puller.open(
        {
          ...shared,
          syncer,
          placesAt: (peer) => this.#placesAt(peer),
          neighbours: () => members(group).filter((device) => device !== transport.device),
        },
        { network: reserve.number },
      );
      streamer.onServed = (device) => puller.noteAsked(device);
      return { group, reserve, streamer, syncer, puller, members: "" };
    } catch (error) {
      await syncer.close();
      streamer.close();
      await reserve.close();
      throw error;
    }
  }

  /** All networks share what may wait at a peer: they share its connection. */
  #placesAt(peer: PeerName): WaitingPlaces {
    const places = this.#places.get(peer) ?? new WaitingPlaces(this.#deps.clock);
    this.#places.set(peer, places);
    return places;
  }

  #network(group: ScopeId): Network {
    const network = this.#networks.get(scopeKeyOf(group));
    if (network === undefined)
      throw new PullSyncError("PULLSYNC_CLOSED", "Cannot use network: it is not kept here");
    return network;
  }

  #isPeer({ group }: Network, device: DeviceId): boolean {
    return device !== this.#deps.transport.device && this.#deps.members(group).includes(device);
  }

  #connectAll(network: Network): void {
    for (const { peer, closed } of this.#deps.transport.connections())
      if (!closed.aborted && this.#isPeer(network, peer)) network.puller.add(peer);
  }

  #onConnection({ peer, closed }: Connection): void {
    for (const network of this.#networks.values())
      if (this.#isPeer(network, peer)) network.puller.add(peer);
    closed.addEventListener("abort", () => this.#onLoss(peer), { once: true });
  }

  #onLoss(peer: DeviceId): void {
    const isThere = this.#deps.transport
      .connections()
      .some((other) => other.peer === peer && !other.closed.aborted);
    if (isThere) return;
    for (const { puller } of this.#networks.values()) puller.remove(peer);
  }
}

/** Ends what is built on what is ended after it. */
async function close({ puller, syncer, streamer, reserve }: Network): Promise<void> {
  await puller.close();
  await syncer.close();
  streamer.close();
  await reserve.close();
}
