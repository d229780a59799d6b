/**
 * The call stream: requests by number, answered in any order. One is opened by each side for its own calls.
 */

import type { Clock, Random } from "../base/index.ts";
import { codeOf } from "../base/index.ts";
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
import { refusalError, SyncError } from "./errors.ts";
import { CALL_TIMEOUT_MS, CALLS_IN_FLIGHT_MAX } from "./limits.ts";
import { CALL_PROTOCOL } from "./protocols.ts";

/** Size in bytes of the nonce that a stream begins with. */
const NONCE_SIZE = 32;

export type Request = CallRequest["request"];
export type Response = CallResponse["response"];
type RequestInit = Exclude<MessageInitShape<typeof CallRequestSchema>["request"], undefined>;
export type ResponseInit = Exclude<
  MessageInitShape<typeof CallResponseSchema>["response"],
  undefined
>;

/** Our side of the stream on which we ask. */
export class CallClient {
  readonly #clock: Clock;
  readonly #frames: FramedStream;
  readonly #waiting = new Map<number, (response: Response | undefined) => void>();
  #number = 0;
  #sending: Promise<void> = Promise.resolve();
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
    try {
      const frames = new FramedStream({ stream, clock });
      const first = await within(clock, frames.receive());
      const response = first === undefined ? undefined : decode(CallResponseSchema, first).response;
      if (response?.case !== "welcome")
        throw new SyncError("SYNC_PROTOCOL", "Cannot call: the peer did not welcome us");
      return new CallClient(clock, frames, response.value.nonce);
    } catch (error) {
      stream.reset();
      throw error;
    }
  }

  get isOpen(): boolean {
    return !this.#frames.stream.ended.aborted;
  }

  /**
   * The peer's answer.
   *
   * @throws {SyncError} its refusal, `SYNC_TIMEOUT`, or `SYNC_OFFLINE` when the stream ended.
   */
  async call(request: RequestInit): Promise<Exclude<Response, { case: "refused" }>> {
    this.#number += 1;
    const number = this.#number;
    const answer = new Promise<Response | undefined>((resolve) =>
      this.#waiting.set(number, resolve),
    );
    try {
      const message = encode(CallRequestSchema, create(CallRequestSchema, { number, request }));
      this.#sending = this.#sending.then(() => this.#frames.send(message));
      await this.#sending;
      const response = await within(this.#clock, answer);
      if (response === undefined)
        throw new SyncError("SYNC_OFFLINE", "Cannot call: the peer ended the stream");
      if (response.case === "refused")
        throw refusalError(response.value.code, response.value.message);
      return response;
    } finally {
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
        this.#waiting.get(number)?.(response);
      }
    } catch {
      // Told below to all who wait: they have no answer.
    }
    this.#frames.stream.reset();
    for (const resolve of this.#waiting.values()) resolve(undefined);
  }
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
  const inFlight = new Set<Promise<void>>();
  let last = 0;

  const answer = async ({ number, request }: CallRequest): Promise<void> => {
    const response = await handler(request, { connection, nonce }).catch(refusalOf);
    const message = encode(CallResponseSchema, create(CallResponseSchema, { number, response }));
    sending = sending.then(() => frames.send(message));
    await sending;
  };

  for (let frame = await frames.receive(); frame !== undefined; frame = await frames.receive()) {
    const request = decode(CallRequestSchema, frame);
    if (request.number <= last)
      throw new SyncError("SYNC_PROTOCOL", "Cannot answer: a request's number does not ascend");
    last = request.number;
    while (inFlight.size >= CALLS_IN_FLIGHT_MAX) await Promise.race(inFlight);
    // A failure to send ends the stream, which the loop then meets.
    const one = answer(request)
      .catch(() => stream.reset())
      .finally(() => inFlight.delete(one));
    inFlight.add(one);
  }
  await Promise.all(inFlight);
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
async function within<T>(clock: Clock, answer: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = clock.sleep(CALL_TIMEOUT_MS, timer.signal).then(
    () => {
      throw new SyncError("SYNC_TIMEOUT", "Cannot call: the peer did not answer in time");
    },
    // Called off: the answer came first.
    () => answer,
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.abort();
  }
}
