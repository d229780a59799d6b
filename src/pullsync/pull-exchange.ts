import type { Clock } from "../base/index.ts";
import { PullSyncError } from "./errors.ts";
import { PEER_STALL_MS } from "./limits.ts";
import type { PullStream } from "./ports.ts";

/**
 * One stream for one exchange, seen from either side: no wait for the peer is longer than `PEER_STALL_MS` unless it is for news, and
 * the caller's signal resets the stream. One timer for all waits: it looks at the latest when it is time. [PS9]
 */
export class PullExchange {
  readonly stream: PullStream;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.stream.reset();
  #deadline: number | undefined;
  #isWatched = false;
  #hasStalled = false;

  constructor(clock: Clock, stream: PullStream, signal?: AbortSignal) {
    this.stream = stream;
    this.#clock = clock;
    this.#signal = signal;
    if (signal?.aborted === true) stream.reset();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** The next frame. @throws {PullSyncError} `PULLSYNC_ENDED`, `PULLSYNC_TIMEOUT`; what the stream throws. */
  async receive(what: string): Promise<Uint8Array> {
    return this.taken(await this.inTime(this.stream.receive(), what), what);
  }

  /** The next frame, however long it takes: the peer waits for news. An abort of `wait` resets the stream and is what it rejects with. */
  async receiveNews(what: string, wait?: AbortSignal): Promise<Uint8Array> {
    if (wait?.aborted === true) this.#onAbort();
    wait?.addEventListener("abort", this.#onAbort, { once: true });
    try {
      return this.taken(await this.stream.receive(), what);
    } catch (error) {
      throw wait?.aborted === true ? wait.reason : this.#causeOf(error, what);
    } finally {
      wait?.removeEventListener("abort", this.#onAbort);
    }
  }

  /** `frame`, which is to be there. @throws {PullSyncError} `PULLSYNC_ENDED`. */
  taken(frame: Uint8Array | undefined, what: string): Uint8Array {
    if (frame === undefined)
      throw new PullSyncError("PULLSYNC_ENDED", `Cannot read ${what}: the peer ended the stream`);
    return frame;
  }

  /** Sends one frame. */
  async send(payload: Uint8Array | readonly Uint8Array[]): Promise<void> {
    await this.inTime(this.stream.send(payload), "room to send");
  }

  /** What `pending` resolves to. When that takes too long the stream is reset, which is to reject it. */
  async inTime<T>(pending: Promise<T>, what: string): Promise<T> {
    this.#deadline = this.#clock.monotonic() + PEER_STALL_MS;
    if (!this.#isWatched) void this.#watch();
    try {
      return await pending;
    } catch (error) {
      throw this.#causeOf(error, what);
    } finally {
      this.#deadline = undefined;
    }
  }

  /** Says that we send nothing more. Waits for nobody; a stream that is lost by now is no loss. */
  endSending(): void {
    this.stream.closeWrite().catch(() => {});
  }

  /** Ends a finished exchange in the background: ours is sent, nothing more is to come. */
  finish(): void {
    this.endSending();
    this.#release();
    this.inTime(this.stream.receive(), "the end").then(
      (frame) => {
        if (frame !== undefined) this.stream.reset();
      },
      () => this.stream.reset(),
    );
  }

  /** Ends an exchange that went wrong. */
  fail(): void {
    this.#release();
    this.stream.reset();
  }

  #release(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  #causeOf(error: unknown, what: string): unknown {
    if (this.#hasStalled)
      return new PullSyncError("PULLSYNC_TIMEOUT", `Cannot wait for ${what}: the peer stalls`);
    return this.#signal?.aborted === true ? this.#signal.reason : error;
  }

  async #watch(): Promise<void> {
    this.#isWatched = true;
    try {
      while (this.#deadline !== undefined) {
        const left = this.#deadline - this.#clock.monotonic();
        if (left <= 0) {
          this.#hasStalled = true;
          this.stream.reset();
          break;
        }
        await this.#clock.sleep(left, this.stream.ended);
      }
    } catch {
      // The stream has ended, which is what aborts the sleep.
    }
    this.#isWatched = false;
  }
}

/** What a syncer has done so far, by names near those of Bee's metrics. Plain numbers that only grow. */
export interface PullCounters {
  /** As a client: entries that peers offered. */
  chunksOffered: number;
  /** Of those, asked for. */
  chunksWanted: number;
  /** Of those, delivered, verified and stored here that were not here before. */
  chunksDelivered: number;
  /** Bytes of those. */
  bytesDelivered: number;
  /** Delivered chunks that were here when they were to be stored. */
  duplicateChunks: number;
  /** Wanted and not got, for whatever reason. */
  missingChunks: number;
  /** Empty deliveries: the peer had it no longer. */
  receivedZeroAddress: number;
  /** Deliveries that are not what their address says, or that the reserve does not take. */
  receivedInvalidChunks: number;
  /** Deliveries of what was not wanted, or for the second time. */
  unsolicitedChunks: number;
  /** Lacking, but claimed from another source already. */
  awaitedChunks: number;
  /** Offered entries that do not lie in the bin that was asked for. */
  wrongBinChunks: number;
  /** Puts into the reserve. */
  dbOps: number;
  /** Pages that ended as they should. */
  pagesPulled: number;
  /** Exchanges that failed. */
  pullErrors: number;

  /** As a server: entries offered, wanted, and delivered with their bytes. */
  chunksSentOffered: number;
  chunksSentWanted: number;
  chunksSent: number;
  bytesSent: number;
  /** Wanted, but not there any more. */
  chunksSentEmpty: number;
  /** Requests that shared the page of another. */
  pagesShared: number;
  /** Streams that were refused because the peer has too many. */
  exchangesRefused: number;
  /** Exchanges waiting or under way now. */
  exchangesServed: number;
}

export function newCounters(): PullCounters {
  return {
    chunksOffered: 0,
    chunksWanted: 0,
    chunksDelivered: 0,
    bytesDelivered: 0,
    duplicateChunks: 0,
    missingChunks: 0,
    receivedZeroAddress: 0,
    receivedInvalidChunks: 0,
    unsolicitedChunks: 0,
    awaitedChunks: 0,
    wrongBinChunks: 0,
    dbOps: 0,
    pagesPulled: 0,
    pullErrors: 0,
    chunksSentOffered: 0,
    chunksSentWanted: 0,
    chunksSent: 0,
    bytesSent: 0,
    chunksSentEmpty: 0,
    pagesShared: 0,
    exchangesRefused: 0,
    exchangesServed: 0,
  };
}
