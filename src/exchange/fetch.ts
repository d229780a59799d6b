import {
  type BlobRef,
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  type Logger,
  type Random,
  spread,
} from "../base/index.ts";
import { type Blobs, rootOf } from "../blobs/index.ts";
import { ChunkError, type ChunkStore, type Wants } from "../chunks/index.ts";
import { type Connection, Wakeup } from "../net/index.ts";
import { isPeerFault } from "../sync/index.ts";
import { fetchFrom } from "./fetch-from.ts";
import type { HolderStream } from "./holder-stream.ts";
import { FAILED_HOLDER_REST_MS, LOCATE_RETRY_MAX_MS, LOCATE_RETRY_MIN_MS } from "./limits.ts";
import type { Locator } from "./locator.ts";

/** How far a fetch is. */
export interface FetchProgress {
  /** `pending`: nobody who is connected has all of it; it goes on when somebody has. */
  readonly state: "pending" | "locating" | "fetching" | "done";
  /** Bytes of the blob that are here, as far as that is known yet. */
  readonly received: number;
  /** Bytes of the blob. */
  readonly total: number;
  /** Bytes of those received that did not have to travel. */
  readonly fromLocal: number;
  /** Peers that it is being fetched from. */
  readonly peers: number;
}

export interface FetchDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly blobs: Blobs;
  readonly chunks: ChunkStore;
  readonly wants: Wants;
  readonly locator: Locator;
  readonly streamTo: (connection: Connection, signal: AbortSignal) => Promise<HolderStream>;
  readonly punish: (peer: DeviceId, error: unknown) => void;
  /** Wakes when a peer has connected or groups have changed: somebody may have the blob now. */
  readonly news: Wakeup;
  /** Aborted when the exchange closes. */
  readonly ending: AbortSignal;
}

/** The fetching of one blob, for all who want it. It goes on until it is here, or nobody wants it any more. [EX7] */
export class Fetch {
  readonly #deps: FetchDeps;
  readonly #ref: BlobRef;
  readonly #changed = new Wakeup();
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  /** Holders that are not asked for this blob until then, by the monotonic clock. */
  readonly #resting = new Map<DeviceId, number>();
  readonly done: Promise<void>;
  #progress: FetchProgress;
  /** Whether there is anything to tell: a blob that is here is told as done, and nothing before. */
  #hasBegun = false;
  #travelled = 0;
  #failure: { readonly error: unknown } | undefined;
  #wanted = 0;

  constructor(deps: FetchDeps, ref: BlobRef) {
    this.#deps = deps;
    this.#ref = ref;
    this.#signal = AbortSignal.any([this.#stopping.signal, deps.ending]);
    this.#progress = { state: "locating", received: 0, total: ref.size, fromLocal: 0, peers: 0 };
    this.done = this.#run().catch((error: unknown) => {
      this.#failure = { error };
      this.#changed.wake();
    });
  }

  /** Whether nobody may join it any more: it has ended, or is being stopped. */
  get isOver(): boolean {
    return this.#signal.aborted || this.#failure !== undefined || this.#progress.state === "done";
  }

  /** Progress as it comes, the latest where several have; ends after `done`. Whoever stops listening does not want it any more. */
  async *progress(signal?: AbortSignal): AsyncGenerator<FetchProgress, void, undefined> {
    this.#wanted += 1;
    const wake = (): void => this.#changed.wake();
    signal?.addEventListener("abort", wake, { once: true });
    try {
      for (let told: FetchProgress | undefined; ;) {
        signal?.throwIfAborted();
        if (this.#failure !== undefined) throw this.#failure.error;
        const progress = this.#progress;
        if (progress === told || !this.#hasBegun) {
          await this.#changed.wait();
          continue;
        }
        yield progress;
        if (progress.state === "done") return;
        told = progress;
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      this.#wanted -= 1;
      if (this.#wanted === 0) this.#stopping.abort(new Error("Nobody wants the blob any more"));
    }
  }

  #note(change: Partial<FetchProgress>): void {
    this.#progress = { ...this.#progress, ...change };
    this.#hasBegun = true;
    this.#changed.wake();
  }

  async #run(): Promise<void> {
    const { crypto, blobs, locator } = this.#deps;
    if (rootOf(crypto, this.#ref) !== undefined) this.#refuseTooLarge();
    let wait = LOCATE_RETRY_MIN_MS;
    while (!(await blobs.isWhole(this.#ref))) {
      this.#signal.throwIfAborted();
      // Asked for before looking, so that what happens meanwhile is not missed.
      const news = this.#deps.news.wait();
      if (this.#progress.state !== "pending") this.#note({ state: "locating", peers: 0 });
      const holder = await locator.find(this.#ref, (peer) => this.#isResting(peer), this.#signal);
      if (holder !== undefined && (await this.#fetchFrom(holder))) {
        wait = LOCATE_RETRY_MIN_MS;
        continue;
      }
      if (holder !== undefined) continue;
      this.#note({ state: "pending", peers: 0 });
      await this.#rest(wait, news);
      wait = Math.min(2 * wait, LOCATE_RETRY_MAX_MS);
    }
    const { size } = this.#ref;
    const fromLocal = Math.max(0, size - this.#travelled);
    this.#note({ state: "done", received: size, fromLocal, peers: 0 });
  }

  /** What can never be held is refused before anything is asked for. */
  #refuseTooLarge(): void {
    const { capacityBytes } = this.#deps.chunks.status();
    if (capacityBytes === undefined || this.#ref.size <= capacityBytes) return;
    throw new ChunkError(
      "CHUNKS_FULL",
      `Cannot fetch: the blob has ${this.#ref.size} bytes, and all chunks together may have ${capacityBytes}`,
    );
  }

  /** Whether it went through. Otherwise the holder is left alone for a while. @throws what is our own trouble. */
  async #fetchFrom(connection: Connection): Promise<boolean> {
    const { peer } = connection;
    this.#note({ state: "fetching", peers: 1 });
    try {
      const stream = await this.#deps.streamTo(connection, this.#signal);
      await fetchFrom(this.#deps, stream, this.#ref, this.#hooks, this.#signal);
      return true;
    } catch (error) {
      this.#signal.throwIfAborted();
      const code = codeOf(error);
      if (isOwnTrouble(code)) throw error;
      this.#deps.logger("info", "exchange.fetch.failed", { peer, code });
      if (isPeerFault(error)) this.#deps.punish(peer, error);
      // A lost connection says nothing of the holder: when it is back, it is asked again.
      if (!connection.closed.aborted || isPeerFault(error))
        this.#resting.set(peer, this.#deps.clock.monotonic() + FAILED_HOLDER_REST_MS);
      return false;
    }
  }

  get #hooks(): Parameters<typeof fetchFrom>[3] {
    return {
      onRecipe: (here) =>
        this.#note({ received: here, fromLocal: Math.max(0, here - this.#travelled) }),
      onStored: (bytes) => {
        this.#travelled += bytes;
        this.#note({ received: Math.min(this.#ref.size, this.#progress.received + bytes) });
      },
    };
  }

  #isResting(peer: DeviceId): boolean {
    return (this.#resting.get(peer) ?? Number.NEGATIVE_INFINITY) > this.#deps.clock.monotonic();
  }

  /** Waits, half of `LOCATE_RETRY_MIN_MS` at the least, and then until there is news or the time is over. */
  async #rest(ms: number, news: Promise<void>): Promise<void> {
    const { clock, random } = this.#deps;
    await clock.sleep(LOCATE_RETRY_MIN_MS / 2, this.#signal);
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#signal]);
    const slept = clock.sleep(spread(random, ms), signal).catch(() => {});
    await Promise.race([slept, news]);
    over.abort();
    this.#signal.throwIfAborted();
  }
}

/** What no other holder would change: our disk, or a BlobRef that lies. */
function isOwnTrouble(code: string | undefined): boolean {
  return (
    code === undefined ||
    code.startsWith("CHUNKS_") ||
    code.startsWith("STORE_") ||
    code === "BLOB_INVALID"
  );
}
