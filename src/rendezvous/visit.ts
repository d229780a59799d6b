/** One visit of a rendezvous: a connection, a stream, requests one after another. */

import { type Clock, type Crypto, type DeviceId } from "../base/index.ts";
import { inTime } from "../deltas/index.ts";
import { FramedStream, type Transport } from "../net/index.ts";
import {
  create,
  decode,
  encode,
  type RendezvousResponse,
  RendezvousRequestSchema,
  RendezvousResponseSchema,
} from "../wire/index.ts";
import { RendezvousError } from "./errors.ts";
import { ANSWER_TIMEOUT_MS, FOUND_PAGES_MAX } from "./limits.ts";
import { RENDEZVOUS_PROTOCOL } from "./protocols.ts";
import type { RequestInit, SignedBytes } from "./registration.ts";

export interface VisitDeps {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly transport: Transport;
}

type Answer = RendezvousResponse["response"];

export class Visit {
  readonly #clock: Clock;
  readonly #frames: FramedStream;

  private constructor(clock: Clock, frames: FramedStream) {
    this.#clock = clock;
    this.#frames = frames;
  }

  /** @throws {NetError}; {SyncError} `SYNC_TIMEOUT`; the signal's reason. */
  static async open(
    { clock, transport }: VisitDeps,
    rendezvous: DeviceId,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<Visit> {
    const late = new AbortController();
    const opening = (async () => {
      const options = { signal: AbortSignal.any([signal, late.signal]) };
      const connection = await transport.connect(rendezvous, addresses, options);
      return new FramedStream({
        stream: await connection.open(RENDEZVOUS_PROTOCOL, options),
        clock,
      });
    })();
    try {
      const why = "The rendezvous did not answer in time";
      return new Visit(clock, await inTime(clock, opening, ANSWER_TIMEOUT_MS, why));
    } catch (error) {
      late.abort(error);
      throw error;
    }
  }

  /** Answers for how many milliseconds it is kept. @throws {RendezvousError}, {NetError}. */
  async register(registration: SignedBytes, ttlMs: number): Promise<number> {
    const answer = await this.#ask({ case: "register", value: { registration, ttlMs } });
    if (answer.case !== "registered") throw failed("it answered something else");
    return answer.value.ttlMs;
  }

  /** All that lies under a token, as far as a rendezvous may hold of one. @throws {RendezvousError}, {NetError}. */
  async discover(token: Uint8Array): Promise<readonly SignedBytes[]> {
    const found: SignedBytes[] = [];
    let cursor = 0n;
    for (let page = 0; page < FOUND_PAGES_MAX; page++) {
      const answer = await this.#ask({ case: "discover", value: { token, cursor } });
      if (answer.case !== "found") throw failed("it answered something else");
      found.push(...answer.value.registrations);
      if (answer.value.cursor === undefined) break;
      cursor = answer.value.cursor;
    }
    return found;
  }

  close(): void {
    this.#frames.reset();
  }

  async #ask(request: RequestInit): Promise<Answer> {
    const message = create(RendezvousRequestSchema, { request });
    await this.#frames.send(encode(RendezvousRequestSchema, message));
    const why = "The rendezvous did not answer in time";
    const frame = await inTime(this.#clock, this.#frames.receive(), ANSWER_TIMEOUT_MS, why);
    if (frame === undefined) throw failed("it ended the stream");
    const { response } = decode(RendezvousResponseSchema, frame);
    if (response.case !== "refused") return response;
    const code = response.value.code === "RENDEZVOUS_FULL" ? "RENDEZVOUS_FULL" : "RENDEZVOUS_BUSY";
    throw new RendezvousError(code, `Rendezvous refused: ${response.value.message}`);
  }
}

function failed(how: string): RendezvousError {
  return new RendezvousError("RENDEZVOUS_FAILED", `Cannot use rendezvous: ${how}`);
}
