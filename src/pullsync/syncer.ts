import { Budget, type Clock, type Crypto, type Logger } from "../base/index.ts";
import { PullClient } from "./client.ts";
import type { DeliveriesDeps, SyncOptions, SyncResult } from "./deliveries.ts";
import type {
  PeerName,
  PullCursors,
  PullStorage,
  PullStream,
  PullWants,
  Streamer,
} from "./ports.ts";
import { PullSyncError } from "./errors.ts";
import { BINS, DELIVERIES_HELD_BYTES_MAX } from "./limits.ts";
import { type PullProfile, protocolsOf, ROOKERY_PROFILE } from "./profile.ts";
import { PullServer } from "./server.ts";
import { newCounters, type PullCounters } from "./pull-exchange.ts";

export interface SyncerDeps {
  readonly streamer: Streamer;
  readonly storage: PullStorage;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly logger?: Logger | undefined;
  /** Default: chunks are claimed from nobody, and two peers may be asked for one at the same time. */
  readonly wants?: PullWants | undefined;
  /** Told of each chunk that came, is valid, and is stored now. */
  readonly unwrap?: DeliveriesDeps["unwrap"];
  /** Whether a stamp is one for that chunk; default: what the profile accepts. */
  readonly validStamp?: DeliveriesDeps["validStamp"];
  /** Bytes that may be held unstored, shared by all syncers of a process. Default: one of its own. */
  readonly budget?: Budget | undefined;
}

export interface SyncerOptions {
  /** Default: `ROOKERY_PROFILE`. */
  readonly profile?: PullProfile | undefined;
}

/** The streams of a syncer, as peers open them. */
export interface PullProtocol {
  readonly name: string;
  readonly version: string;
  /** Protocol ids. */
  readonly streams: readonly string[];
}

/**
 * Pull-sync with one reserve: serves it to peers, and pulls pages of theirs into it. Which pages, and when, is the puller's business.
 * Rules: docs/spec/pullsync.md; `syncerRules` of the testkit check them.
 *
 * Every call of a closed one fails with `PULLSYNC_CLOSED`, but for `close`, `metrics` and `protocol`.
 */
export class Syncer implements AsyncDisposable {
  readonly profile: PullProfile;
  readonly #client: PullClient;
  readonly #server: PullServer;
  readonly #counters = newCounters();
  readonly #closing = new AbortController();
  readonly #working = new Set<Promise<unknown>>();
  readonly #unhandle: readonly (() => void)[];

  constructor(deps: SyncerDeps, options: SyncerOptions = {}) {
    const { profile = ROOKERY_PROFILE } = options;
    this.profile = profile;
    const { storage, clock, streamer } = deps;
    const shared = { storage, profile, clock, counters: this.#counters };
    this.#server = new PullServer(shared);
    this.#client = new PullClient({
      ...shared,
      streamer,
      crypto: deps.crypto,
      budget: deps.budget ?? new Budget(DELIVERIES_HELD_BYTES_MAX),
      wants: deps.wants,
      unwrap: deps.unwrap,
      validStamp: deps.validStamp,
    });
    const { signal } = this.#closing;
    const protocols = protocolsOf(profile);
    const serve =
      (how: (stream: PullStream, peer: PeerName) => Promise<void>) =>
      (stream: PullStream, peer: PeerName) =>
        this.#work(() => how(stream, peer));
    this.#unhandle = [
      streamer.handle(
        protocols.cursors,
        serve((stream, peer) => this.#server.serveCursors(stream, peer, signal)),
      ),
      streamer.handle(
        protocols.pull,
        serve((stream, peer) => this.#server.servePage(stream, peer, signal)),
      ),
    ];
  }

  /**
   * For each of a peer's bins the greatest BinID that it has given, and the epoch of its reserve. [PS10]
   *
   * @throws {PullSyncError} `PULLSYNC_ENDED`, `PULLSYNC_MALFORMED`, `PULLSYNC_TIMEOUT`; what the streamer throws.
   */
  getCursors(
    peer: PeerName,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<PullCursors> {
    return this.#work(() => this.#client.cursors(peer, this.#signal(options.signal)));
  }

  /**
   * Pulls the next page of a peer's bin from `start` on: what it offers and the reserve lacks is asked for, verified and stored. With
   * `to` the answer comes at once; without, when there is something. [PS11] to [PS23]
   *
   * @throws {PullSyncError} when no offer came that can be one; {WireError} likewise; the signal's reason; what the streamer throws.
   *   Later failures are in the result, with topmost 0.
   */
  sync(peer: PeerName, bin: number, start: bigint, options: SyncOptions = {}): Promise<SyncResult> {
    if (!Number.isInteger(bin) || bin < 0 || bin >= BINS)
      throw new RangeError(`A bin is 0 to ${BINS - 1}, not ${bin}`);
    const { to } = options;
    if (start < 0n || (to !== undefined && (to < start || to === 0n)))
      throw new RangeError("An interval begins at 0 or above and does not end before it begins");
    return this.#work(() =>
      this.#client.sync(peer, bin, start, options, this.#signal(options.signal)),
    );
  }

  /** The streams that this one serves and opens. */
  protocol(): PullProtocol {
    const { cursors, pull } = protocolsOf(this.profile);
    const { version } = this.profile.codec;
    return { name: "pullsync", version, streams: [cursors, pull] };
  }

  /** What was done so far: a copy. */
  metrics(): PullCounters {
    return { ...this.#counters };
  }

  /** Pages that are being made for peers now: of identical requests one. */
  get collections(): number {
    return this.#server.collections;
  }

  /** Ends all exchanges and waits until nothing of them is under way. Storage and streamer stay open. Idempotent. */
  async close(): Promise<void> {
    for (const unhandle of this.#unhandle) unhandle();
    this.#closing.abort(closed());
    await Promise.allSettled(this.#working);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #work<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw closed();
    const working = work();
    this.#working.add(working);
    try {
      return await working;
    } finally {
      this.#working.delete(working);
    }
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined
      ? this.#closing.signal
      : AbortSignal.any([signal, this.#closing.signal]);
  }
}

function closed(): PullSyncError {
  return new PullSyncError("PULLSYNC_CLOSED", "Cannot pull or serve: this side is closed");
}
