import {
  assert,
  type Clock,
  codeOf,
  concatBytes,
  FRAME_BYTES_MAX,
  FrameDecoder,
  frameHeader,
} from "../base/index.ts";
import { NetError, type NetErrorCode } from "./errors.ts";
import {
  FRAME_BATCH_BYTES,
  FRAME_COPY_BYTES,
  FRAME_QUEUE_BYTES_MAX,
  FRAME_TIMEOUT_MS,
} from "./limits.ts";
import type { Stream } from "./transport.ts";

export interface FramedStreamDeps {
  readonly stream: Stream;
  readonly clock: Clock;
}

export interface FramedStreamOptions {
  /** Bytes of a frame at most, sent and received. Default `FRAME_BYTES_MAX`. */
  readonly frameBytesMax?: number | undefined;
}

/** A frame on its way out, and who waits for it. */
interface Sending {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What the decoder's refusals are for a stream. */
const CODES: ReadonlyMap<string | undefined, NetErrorCode> = new Map([
  ["FRAME_TOO_LARGE", "NET_FRAME_TOO_LARGE"],
  ["FRAME_MALFORMED", "NET_FRAME_MALFORMED"],
]);

/**
 * Whole messages over a stream: each is sent with its length before it and received at once or not at all. Rules:
 * docs/spec/net.md, [NE24] to [NE29].
 */
export class FramedStream {
  readonly stream: Stream;
  readonly #clock: Clock;
  readonly #frameBytesMax: number;
  readonly #decoder: FrameDecoder;
  #queue: Sending[] = [];
  #queueBytes = 0;
  #flushing: Promise<void> | undefined;
  /** When the frame that is being received began, by the monotonic clock. */
  #began: number | undefined;
  #isWatched = false;
  /** Why nothing more can be received: what follows a frame that was refused is no frame. */
  #refusal: NetError | undefined;
  #hasTimedOut = false;

  constructor(deps: FramedStreamDeps, options: FramedStreamOptions = {}) {
    this.stream = deps.stream;
    this.#clock = deps.clock;
    this.#frameBytesMax = options.frameBytesMax ?? FRAME_BYTES_MAX;
    this.#decoder = new FrameDecoder(this.#frameBytesMax);
  }

  /** Bytes received and sent so far, lengths included. */
  get bytesIn(): number {
    return this.stream.bytesIn;
  }

  get bytesOut(): number {
    return this.stream.bytesOut;
  }

  /** Aborted when the stream has ended. */
  get ended(): AbortSignal {
    return this.stream.ended;
  }

  /**
   * Sends one frame, given whole or in parts. Several tasks may send: frames go out in the order of the calls, never
   * mixed, and those of one tick together, in writes of up to `FRAME_BATCH_BYTES`. Resolves when the sender has room
   * again. The bytes are not to be changed afterwards: long ones are sent without a copy.
   *
   * @throws {NetError} `NET_FRAME_TOO_LARGE`, and nothing is sent; whatever the stream's `write` throws.
   */
  send(payload: Uint8Array | readonly Uint8Array[]): Promise<void> {
    const parts = payload instanceof Uint8Array ? [payload] : payload;
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    if (size > this.#frameBytesMax) {
      const limit = this.#frameBytesMax;
      return Promise.reject(
        new NetError(
          "NET_FRAME_TOO_LARGE",
          `Cannot send frame: ${size} bytes are over the limit of ${limit}`,
        ),
      );
    }
    const header = frameHeader(size);
    const bytes = header.length + size;
    assert(
      this.#queueBytes + bytes <= FRAME_QUEUE_BYTES_MAX,
      "who sends waits for it before sending more",
    );
    this.#queueBytes += bytes;
    const sent = new Promise<void>((resolve, reject) => {
      this.#queue.push({ parts: [header, ...parts], bytes, resolve, reject });
    });
    // A tick later, so that what is sent meanwhile goes along.
    this.#flushing ??= Promise.resolve().then(() => this.#flush());
    return sent;
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch();
      try {
        for (const bytes of joined(batch)) await this.stream.write(bytes);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#flushing = undefined;
  }

  /** The next frames that fit one write together, at least one. */
  #takeBatch(): Sending[] {
    let count = 0;
    let bytes = 0;
    for (const sending of this.#queue) {
      if (count > 0 && bytes + sending.bytes > FRAME_BATCH_BYTES) break;
      count++;
      bytes += sending.bytes;
    }
    this.#queueBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  /**
   * The next frame, or `undefined` when the peer has closed its side after a whole one. It may share its memory with
   * others: copy what is kept for long.
   *
   * @throws {NetError} `NET_FRAME_TOO_LARGE`, `NET_FRAME_MALFORMED` (its length is no shortest varint),
   *   `NET_FRAME_TRUNCATED` (it ends in the middle, or takes longer than `FRAME_TIMEOUT_MS`), and the stream is reset;
   *   whatever the stream's `read` throws.
   */
  async receive(): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = this.#next();
      if (frame !== undefined) return frame;
      const piece = await this.#read();
      if (piece !== undefined) this.#decoder.push(piece);
      else if (this.#decoder.isWithinFrame) throw this.#refuse(truncated("it ends in the middle"));
      else return undefined;
    }
  }

  #next(): Uint8Array | undefined {
    if (this.#refusal !== undefined) throw this.#refusal;
    let frame: Uint8Array | undefined;
    try {
      frame = this.#decoder.next();
    } catch (error) {
      const code = CODES.get(codeOf(error));
      if (code === undefined) throw error;
      throw this.#refuse(new NetError(code, (error as Error).message, { cause: error }));
    }
    if (frame !== undefined) this.#began = undefined;
    return frame;
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#decoder.isWithinFrame && this.#began === undefined) {
      this.#began = this.#clock.monotonic();
      if (!this.#isWatched) void this.#watch();
    }
    try {
      return await this.stream.read();
    } catch (error) {
      if (this.#hasTimedOut) throw this.#refuse(truncated("it takes too long"));
      throw error;
    }
  }

  /** Ends the stream when a frame takes too long. One timer for many frames: it looks at the latest when it is time. */
  async #watch(): Promise<void> {
    this.#isWatched = true;
    try {
      while (this.#began !== undefined) {
        const left = this.#began + FRAME_TIMEOUT_MS - this.#clock.monotonic();
        if (left <= 0) {
          this.#hasTimedOut = true;
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

  #refuse(refusal: NetError): NetError {
    this.#refusal = refusal;
    this.stream.reset();
    return refusal;
  }

  /** Ends our side after the frames sent so far. */
  async closeWrite(): Promise<void> {
    await this.#flushing;
    await this.stream.closeWrite();
  }

  /** Ends both sides at once. */
  reset(): void {
    this.stream.reset();
  }
}

function truncated(why: string): NetError {
  return new NetError("NET_FRAME_TRUNCATED", `Cannot read frame: ${why}`);
}

/**
 * The bytes of `batch` in few pieces: short parts are copied together, into pieces of at most `FRAME_BATCH_BYTES`; long
 * ones go out as they are, after as much of them as fills up what stands before.
 */
function* joined(batch: readonly Sending[]): Generator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for (let part of batch.flatMap((sending) => sending.parts)) {
    if (part.length >= FRAME_COPY_BYTES) {
      const rest = FRAME_COPY_BYTES - (bytes % FRAME_COPY_BYTES);
      yield concatBytes(...parts, part.subarray(0, rest));
      part = part.subarray(rest);
      parts = [];
      bytes = 0;
      for (let at = 0; at < part.length; at += FRAME_BATCH_BYTES)
        yield part.subarray(at, at + FRAME_BATCH_BYTES);
      continue;
    }
    if (bytes + part.length > FRAME_BATCH_BYTES) {
      yield concatBytes(...parts);
      parts = [];
      bytes = 0;
    }
    parts.push(part);
    bytes += part.length;
  }
  if (bytes > 0) yield concatBytes(...parts);
}
