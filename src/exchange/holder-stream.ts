/**
 * The asker's side of the chunks stream: many requests under way, answers in any order, each frame handed to whoever asked.
 */

import { Budget, type Clock, codeOf } from "../base/index.ts";
import { type Connection, FramedStream } from "../net/index.ts";
import {
  type BlobAnswer,
  BlobAnswerSchema,
  BlobRequestSchema,
  create,
  decode,
  encode,
  type MessageInitShape,
} from "../wire/index.ts";
import { type BlobId, blobKeyOf } from "./blob-access.ts";
import { ExchangeError, holderFault } from "./errors.ts";
import {
  PEER_WINDOW_BYTES,
  REQUESTS_IN_FLIGHT_MAX,
  STALL_BYTES,
  STALL_MS,
  STREAM_BLOBS_MAX,
} from "./limits.ts";
import { CHUNKS_PROTOCOL } from "./protocols.ts";

export interface HolderStreamDeps {
  readonly clock: Clock;
  /** Bytes that may be under way, shared by all streams of the process. */
  readonly window: Budget;
}

/** A request and what becomes of its answers. */
export interface Asking {
  readonly blob: BlobId;
  readonly request: Exclude<MessageInitShape<typeof BlobRequestSchema>["request"], undefined>;
  /** Bytes that the answers will bring, as far as one can tell. */
  readonly bytes: number;
  /**
   * Takes one answer; the stream is not read on before it resolves. An `ExchangeError` `EXCHANGE_PROTOCOL` ends the stream
   * for all, anything else that it throws ends this request alone.
   */
  readonly take: (answer: BlobAnswer) => Promise<void> | void;
}

/** A request under way. */
interface Asked {
  readonly asking: Asking;
  readonly done: PromiseWithResolvers<void>;
  /** Nobody waits for it any more: its answers are thrown away, but it is under way until the last of them. */
  isGivenUp: boolean;
}

export class HolderStream {
  readonly #clock: Clock;
  readonly #frames: FramedStream;
  readonly #shared: Budget;
  readonly #own = new Budget(PEER_WINDOW_BYTES);
  readonly #slots = new Budget(REQUESTS_IN_FLIGHT_MAX);
  readonly #asked = new Map<number, Asked>();
  readonly #blobs = new Map<string, number>();
  #number = 0;
  #arrived = 0;
  #expected = 0;
  /** Another one whenever the first of some requests is sent. */
  #period: object | undefined;
  #isTaking = false;
  #isRetired = false;
  #failure: unknown;

  private constructor(deps: HolderStreamDeps, frames: FramedStream) {
    this.#clock = deps.clock;
    this.#shared = deps.window;
    this.#frames = frames;
    void this.#readAll();
    void this.#watch();
  }

  static async open(
    deps: HolderStreamDeps,
    connection: Connection,
    signal: AbortSignal,
  ): Promise<HolderStream> {
    const stream = await connection.open(CHUNKS_PROTOCOL, { signal });
    return new HolderStream(deps, new FramedStream({ stream, clock: deps.clock }));
  }

  /** Whether one more blob can be asked for on it. */
  get isOpen(): boolean {
    return !this.#frames.ended.aborted && this.#blobs.size < STREAM_BLOBS_MAX;
  }

  /** Resolves when that much more may be asked for. Rejects with the signal's reason. To be given back by `ask`. */
  async room(bytes: number, signal: AbortSignal): Promise<void> {
    await this.#slots.take(1, signal);
    try {
      await this.#own.take(bytes, signal);
      try {
        await this.#shared.take(bytes, signal);
      } catch (error) {
        this.#own.give(bytes);
        throw error;
      }
    } catch (error) {
      this.#slots.give(1);
      throw error;
    }
  }

  /**
   * Asks, and resolves when the last answer has been taken. `room` for its bytes was waited for before.
   *
   * @throws {ExchangeError} `EXCHANGE_PROTOCOL`, `EXCHANGE_STALLED`, `EXCHANGE_LACKING` when the stream ended; a coded error
   *   of the network or of the wire; what `take` threw; the signal's reason.
   */
  async ask(asking: Asking, signal: AbortSignal): Promise<void> {
    const asked: Asked = { asking, done: Promise.withResolvers<void>(), isGivenUp: false };
    // Nobody else hears of a failure that comes while the request is being sent.
    asked.done.promise.catch(() => {});
    const giveUp = (): void => this.#giveUp(asked, signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      if (signal.aborted || this.#frames.ended.aborted) {
        this.#giveBack(asked);
        throw signal.aborted ? signal.reason : this.#end();
      }
      await this.#frames.send(this.#encode(asked)).catch((error: unknown) => {
        throw this.#failure === undefined ? error : this.#end();
      });
      await asked.done.promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Nothing more is asked on it: it ends when what is under way is answered. */
  retire(): void {
    this.#isRetired = true;
    if (this.#asked.size === 0) this.close();
  }

  close(): void {
    this.#frames.reset();
  }

  #encode(asked: Asked): Uint8Array {
    const { blob, request, bytes } = asked.asking;
    this.#number += 1;
    this.#asked.set(this.#number, asked);
    this.#period ??= {};
    this.#expected += bytes;
    const key = blobKeyOf(blob);
    const known = this.#blobs.get(key);
    const number = known ?? this.#blobs.size + 1;
    this.#blobs.set(key, number);
    const name = { root: blob.root, size: BigInt(blob.size), depth: blob.depth };
    return encode(
      BlobRequestSchema,
      create(BlobRequestSchema, {
        number: this.#number,
        blob: number,
        ...(known === undefined && { name }),
        request,
      }),
    );
  }

  /** It is under way no more. */
  #giveBack({ asking }: Asked): void {
    this.#slots.give(1);
    this.#own.give(asking.bytes);
    this.#shared.give(asking.bytes);
  }

  #giveUp(asked: Asked, reason: unknown): void {
    asked.isGivenUp = true;
    asked.done.reject(reason);
    // There is no word for "no more": when nobody wants any of what is under way, the stream ends.
    if ([...this.#asked.values()].every(({ isGivenUp }) => isGivenUp)) this.#frames.reset();
  }

  async #readAll(): Promise<void> {
    try {
      for (
        let frame = await this.#frames.receive();
        frame !== undefined;
        frame = await this.#frames.receive()
      ) {
        this.#arrived += frame.length;
        await this.#take(decode(BlobAnswerSchema, frame));
      }
    } catch (error) {
      this.#failure ??= error;
    }
    this.#frames.reset();
    for (const asked of this.#asked.values()) {
      asked.done.reject(this.#end());
      this.#giveBack(asked);
    }
    this.#asked.clear();
  }

  async #take(answer: BlobAnswer): Promise<void> {
    const { number, nodes, chunks, absent, isLast } = answer;
    const asked = this.#asked.get(number);
    if (asked === undefined) throw holderFault("an answer to nothing that was asked");
    if (!isLast && nodes.length + chunks.length + absent.length === 0)
      throw holderFault("an answer that brings nothing");
    if (!asked.isGivenUp) {
      this.#isTaking = true;
      try {
        await asked.asking.take(answer);
      } catch (error) {
        if (codeOf(error) === "EXCHANGE_PROTOCOL") throw error;
        this.#giveUp(asked, error);
      } finally {
        this.#isTaking = false;
      }
    }
    if (!isLast) return;
    this.#asked.delete(number);
    this.#giveBack(asked);
    this.#expected -= asked.asking.bytes;
    if (this.#asked.size === 0) this.#period = undefined;
    asked.done.resolve();
    if (this.#isRetired) this.retire();
  }

  /** Why the stream has ended. */
  #end(): Error {
    return this.#failure instanceof Error ? this.#failure : streamEnded();
  }

  /** Ends the stream of a holder that brings too little of what it was asked for. Our own slowness is not counted. */
  async #watch(): Promise<void> {
    try {
      for (;;) {
        const [period, arrived, expected] = [this.#period, this.#arrived, this.#expected];
        await this.#clock.sleep(STALL_MS, this.#frames.ended);
        const brought = this.#arrived - arrived;
        const isSame = period !== undefined && period === this.#period && !this.#isTaking;
        if (!isSame || brought >= Math.min(STALL_BYTES, expected)) continue;
        this.#failure ??= new ExchangeError(
          "EXCHANGE_STALLED",
          "Cannot fetch: the holder brings next to nothing of what it was asked for",
        );
        return this.#frames.reset();
      }
    } catch {
      // The stream has ended, which is what aborts the sleep.
    }
  }
}

function streamEnded(): ExchangeError {
  return new ExchangeError("EXCHANGE_LACKING", "Cannot fetch: the holder ended the stream");
}
