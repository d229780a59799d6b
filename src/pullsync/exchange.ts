import type { Clock } from "../base/index.ts";
import { PullSyncError } from "./errors.ts";
import { PEER_STALL_MS } from "./limits.ts";
import type { PullStream } from "./ports.ts";

/**
 * One stream for one exchange, seen from either side: no wait for the peer is longer than `PEER_STALL_MS` unless it is for news, and
 * the caller's signal resets the stream. One timer for all waits: it looks at the latest when it is time. [PS9]
 */
export class Exchange {
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

  /** The next frame, however long it takes: the peer waits for news. */
  async receiveNews(what: string): Promise<Uint8Array> {
    try {
      return this.taken(await this.stream.receive(), what);
    } catch (error) {
      throw this.#causeOf(error, what);
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
