import type { Clock, Crypto, Logger, Random } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import { MissingList } from "./missing-list.ts";
import { WaitingPlaces } from "./pace.ts";
import { type PeerProgress, PeerPuller } from "./peer-puller.ts";
import type { PeerName, PullStorage } from "./ports.ts";
import type { Syncer } from "./syncer.ts";

export interface PullerDeps {
  readonly syncer: Syncer;
  /** The syncer's. */
  readonly storage: PullStorage;
  /** Where intervals and missing chunks are kept: what the storage's seals write to. */
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  /** All peers that could have a chunk of ours, connected or not. */
  readonly neighbours: () => readonly PeerName[];
  /** Places for requests that wait at a peer, shared with other networks' pullers. Default: the puller's own. */
  readonly placesAt?: ((peer: PeerName) => WaitingPlaces) | undefined;
}

export interface PullerOptions {
  /** The network's number in the store. Default 1. */
  readonly network?: number | undefined;
}

/** All that a puller does, and how far it is. */
export interface PullerProgress {
  readonly peers: readonly PeerProgress[];
  /** Chunks that are to be here and are not. */
  readonly missing: number;
}

/**
 * Keeps a reserve up with those of its neighbours: pulls every bin of each connected one, remembers over restarts what is done, and
 * goes after what is missing. Rules: docs/spec/pullsync.md.
 */
export class Puller implements AsyncDisposable {
  readonly #deps: PullerDeps;
  readonly #network: number;
  readonly #missing: MissingList;
  readonly #peers: Map<PeerName, PeerPuller>;
  readonly #ending = new Map<PeerName, Promise<void>>();
  #isClosed = false;

  private constructor(
    deps: PullerDeps,
    network: number,
    missing: MissingList,
    peers: Map<PeerName, PeerPuller>,
  ) {
    this.#peers = peers;
    this.#deps = deps;
    this.#network = network;
    this.#missing = missing;
  }

  /** @throws {PullSyncError} `PULLSYNC_CORRUPT`; {StoreError}. */
  static async open(deps: PullerDeps, options: PullerOptions = {}): Promise<Puller> {
    const { network = 1 } = options;
    const peers = new Map<PeerName, PeerPuller>();
    const missing = await MissingList.open(deps, network, () => {
      for (const peer of peers.values()) peer.urgeMissing();
    });
    return new Puller(deps, network, missing, peers);
  }

  /** A peer has connected. One that is pulled already is not begun anew. */
  add(peer: PeerName): void {
    if (this.#isClosed || this.#peers.has(peer)) return;
    const { syncer, crypto } = this.#deps;
    const neighbours = (): Uint8Array[] =>
      this.#deps.neighbours().map((other) => syncer.profile.overlay(crypto, other));
    const onBroken = (): void => {
      for (const other of this.#peers.values()) other.urgeMissing();
    };
    const [missing, network] = [this.#missing, this.#network];
    const places = this.#deps.placesAt?.(peer) ?? new WaitingPlaces(this.#deps.clock);
    const deps = { ...this.#deps, missing, network, neighbours, onBroken, places };
    // What it was doing before is over first: nothing of it is written over what begins now.
    this.#peers.set(peer, new PeerPuller(deps, peer, this.#ending.get(peer)));
  }

  /** A peer is gone, or a neighbour no more. What is known of it stays for the next time. */
  remove(peer: PeerName): void {
    const puller = this.#peers.get(peer);
    if (puller === undefined) return;
    this.#peers.delete(peer);
    const ending = puller.close().finally(() => {
      if (this.#ending.get(peer) === ending) this.#ending.delete(peer);
    });
    this.#ending.set(peer, ending);
  }

  /** Something has changed: what rests after failures is tried now. */
  urge(): void {
    for (const peer of this.#peers.values()) peer.urge();
  }

  /** A peer asks us: where it refused us before, it may serve us now. */
  noteAsked(peer: PeerName): void {
    this.#peers.get(peer)?.noteAsked();
  }

  /** Peers that are pulled now. */
  get peers(): readonly PeerName[] {
    return [...this.#peers.keys()];
  }

  progress(): PullerProgress {
    const peers = Array.from(this.#peers.values(), (peer) => peer.progress());
    return { peers, missing: this.#missing.size };
  }

  /** Addresses of missing chunks, as hexadecimal texts. */
  missing(): string[] {
    return this.#missing.keys();
  }

  /** Ends all work. What is sealed stays; storage, syncer and store stay open. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const peer of [...this.#peers.keys()]) this.remove(peer);
    await Promise.all(this.#ending.values());
    await this.#missing[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
