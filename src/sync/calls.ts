/**
 * The call stream: requests by number, answered in any order. One is opened by each side for its own calls.
 */

import { type Clock, type Random, codeOf } from "../base/index.ts";
import { type Connection, FramedStream, type Stream } from "../net/index.ts";
import {
  type CallRequest,
  CallRequestSchema,
  type CallResponse,
  CallResponseSchema,
  create,
  decode,
  encode,
  type MessageInitShape,
} from "../wire/index.ts";
import { refusalError, SyncError, isCallFault, isPeerFault, inTime } from "../deltas/index.ts";
import { CALL_TIMEOUT_MS, CALLS_IN_FLIGHT_MAX } from "./limits.ts";
import { CALL_PROTOCOL } from "./protocols.ts";

/** Size in bytes of the nonce that a stream begins with. */
const NONCE_SIZE = 32;

export type Request = CallRequest["request"];
export type Response = CallResponse["response"];
/** What the peer answered, when it did not refuse. */
export type Answer = Exclude<Response, { case: "refused" }>;
export type RequestInit = Exclude<MessageInitShape<typeof CallRequestSchema>["request"], undefined>;
export type ResponseInit = Exclude<
  MessageInitShape<typeof CallResponseSchema>["response"],
  undefined
>;

/** Our side of the stream on which we ask. */
export class CallClient {
  readonly #clock: Clock;
  readonly #frames: FramedStream;
  readonly #waiting = new Map<number, PromiseWithResolvers<Response>>();
  #number = 0;
  #sending: Promise<void> = Promise.resolve();
  #failure: unknown;
  /** What the peer began the stream with: a joiner signs it. 32 bytes. */
  readonly nonce: Uint8Array;

  private constructor(clock: Clock, frames: FramedStream, nonce: Uint8Array) {
    this.#clock = clock;
    this.#frames = frames;
    this.nonce = nonce;
    void this.#readAll();
  }

  /** Opens the stream and takes the peer's welcome. */
  static async open(
    clock: Clock,
    connection: Connection,
    signal?: AbortSignal,
  ): Promise<CallClient> {
    const stream = await connection.open(CALL_PROTOCOL, { signal });
    const abort = (): void => stream.reset();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      signal?.throwIfAborted();
      const frames = new FramedStream({ stream, clock });
      const first = await within(clock, frames.receive());
      const response = first === undefined ? undefined : decode(CallResponseSchema, first).response;
      if (response?.case !== "welcome")
        throw new SyncError("SYNC_PROTOCOL", "Cannot call: the peer did not welcome us");
      return new CallClient(clock, frames, response.value.nonce);
    } catch (error) {
      stream.reset();
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  get isOpen(): boolean {
    return !this.#frames.stream.ended.aborted;
  }

  /**
   * The peer's answer.
   *
   * @throws {SyncError} its refusal, `SYNC_TIMEOUT`, or `SYNC_OFFLINE` when the stream ended; what the peer broke when it
   *   answered no answer; the signal's reason.
   */
  async call(request: RequestInit, signal?: AbortSignal): Promise<Answer> {
    signal?.throwIfAborted();
    this.#number += 1;
    const number = this.#number;
    const answer = Promise.withResolvers<Response>();
    // Nobody else hears of a failure that comes while the request is being sent.
    answer.promise.catch(() => {});
    this.#waiting.set(number, answer);
    const abort = (): void => answer.reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const message = encode(CallRequestSchema, create(CallRequestSchema, { number, request }));
      this.#sending = this.#sending.then(() => this.#frames.send(message));
      await this.#sending;
      if (!this.isOpen) answer.reject(this.#failure ?? streamEnded());
      const response = await within(this.#clock, answer.promise);
      if (response.case === "refused")
        throw refusalError(response.value.code, response.value.message);
      return response;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#waiting.delete(number);
    }
  }

  close(): void {
    this.#frames.stream.reset();
  }

  async #readAll(): Promise<void> {
    try {
      for (
        let frame = await this.#frames.receive();
        frame !== undefined;
        frame = await this.#frames.receive()
      ) {
        const { number, response } = decode(CallResponseSchema, frame);
        // An answer to what nobody waits for any more is late, not wrong.
        this.#waiting.get(number)?.resolve(response);
      }
    } catch (error) {
      // Told to all who wait, now and later: whoever asks learns that the peer is at fault.
      if (isPeerFault(error)) this.#failure = error;
    }
    this.#frames.stream.reset();
    for (const { reject } of this.#waiting.values()) reject(this.#failure ?? streamEnded());
  }
}

function streamEnded(): SyncError {
  return new SyncError("SYNC_OFFLINE", "Cannot call: the peer ended the stream");
}

/** What answers a peer's requests: an answer, or a coded error that becomes a refusal. */
export type CallHandler = (
  request: Request,
  call: { readonly connection: Connection; readonly nonce: Uint8Array },
) => Promise<ResponseInit>;

/** Serves one call stream until the peer ends it. @throws a coded error when the peer is at fault. */
export async function serveCalls(
  deps: { readonly random: Random; readonly clock: Clock },
  handler: CallHandler,
  stream: Stream,
  connection: Connection,
): Promise<void> {
  const frames = new FramedStream({ stream, clock: deps.clock });
  const nonce = deps.random.bytes(NONCE_SIZE);
  let sending = frames.send(
    encode(
      CallResponseSchema,
      create(CallResponseSchema, { response: { case: "welcome", value: { nonce } } }),
    ),
  );
  // A peer that resets at once has nobody waiting for the welcome: the loop below meets the end.
  sending.catch(() => {});
  const inFlight = new Set<Promise<void>>();
  let fault: { readonly error: unknown } | undefined;
  let last = 0;

  const answer = async ({ number, request }: CallRequest): Promise<void> => {
    const response = await handler(request, { connection, nonce }).catch((error: unknown) => {
      if (isCallFault(error)) fault ??= { error };
      return refusalOf(error);
    });
    if (fault !== undefined) return stream.reset();
    const message = encode(CallResponseSchema, create(CallResponseSchema, { number, response }));
    sending = sending.then(() => frames.send(message));
    await sending;
  };

  try {
    for (let frame = await frames.receive(); frame !== undefined; frame = await frames.receive()) {
      const request = decode(CallRequestSchema, frame);
      if (request.number <= last)
        throw new SyncError("SYNC_PROTOCOL", "Cannot answer: a request's number does not ascend");
      last = request.number;
      // A failure to send ends the stream, which the loop then meets.
      const one = answer(request)
        .catch(() => stream.reset())
        .finally(() => inFlight.delete(one));
      inFlight.add(one);
      while (inFlight.size >= CALLS_IN_FLIGHT_MAX) await Promise.race(inFlight);
    }
  } catch (error) {
    throw fault === undefined ? error : fault.error;
  } finally {
    await Promise.all(inFlight);
  }
  if (fault !== undefined) throw fault.error;
}

/** Our own trouble is not the peer's business: it learns the code of a Sync error, and of others only that we are busy. */
function refusalOf(error: unknown): ResponseInit {
  const code = codeOf(error);
  const isForPeer = code?.startsWith("SYNC_") === true;
  const message =
    isForPeer && error instanceof Error ? error.message : "The peer could not do this now";
  return { case: "refused", value: { code: isForPeer ? code : "SYNC_BUSY", message } };
}

/** `answer`, unless it takes longer than a call may. */
function within<T>(clock: Clock, answer: Promise<T>): Promise<T> {
  return inTime(clock, answer, CALL_TIMEOUT_MS, "Cannot call: the peer did not answer in time");
}
