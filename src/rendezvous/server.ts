import { type Clock, codeOf, type Crypto } from "../base/index.ts";
import { inTime } from "../deltas/index.ts";
import { type Connection, FramedStream, type Stream } from "../net/index.ts";
import {
  create,
  decode,
  encode,
  type MessageInitShape,
  type RendezvousRequest,
  RendezvousRequestSchema,
  RendezvousResponseSchema,
} from "../wire/index.ts";
import { RendezvousError } from "./errors.ts";
import { REQUEST_MS, REQUEST_TIMEOUT_MS, REQUESTS_AT_ONCE } from "./limits.ts";
import { readRegistration } from "./registration.ts";
import { Registry } from "./registry.ts";

export interface RendezvousServerDeps {
  readonly clock: Clock;
  readonly crypto: Crypto;
}

type Answer = NonNullable<MessageInitShape<typeof RendezvousResponseSchema>["response"]>;

/** What goes on with one connection. */
interface Visitor {
  isHere: boolean;
  /** When all its requests would have come at the steady pace, by the monotonic clock. */
  paidUntil: number;
}

/** The side that is always on: keeps what devices register, and tells who asks by the token. */
export class RendezvousServer {
  readonly #deps: RendezvousServerDeps;
  readonly #registry: Registry;
  readonly #visitors = new WeakMap<Connection, Visitor>();

  constructor(deps: RendezvousServerDeps) {
    this.#deps = deps;
    this.#registry = new Registry(deps.clock);
  }

  /** What it keeps now, at most. */
  get registrations(): { readonly count: number; readonly bytes: number } {
    return { count: this.#registry.size, bytes: this.#registry.bytes };
  }

  /** Answers one device on its stream, until it ends it. @throws a coded error when the peer broke the protocol. */
  async serve(stream: Stream, connection: Connection): Promise<void> {
    const { clock } = this.#deps;
    const frames = new FramedStream({ stream, clock });
    const visitor = this.#visitors.get(connection) ?? { isHere: false, paidUntil: 0 };
    this.#visitors.set(connection, visitor);
    // One visit at a time, or the pace of each would be no pace of theirs.
    if (visitor.isHere) return send(frames, refusal(busy()));
    visitor.isHere = true;
    try {
      for (;;) {
        const late = "No request came";
        const frame = await inTime(clock, frames.receive(), REQUEST_TIMEOUT_MS, late);
        if (frame === undefined) return;
        await this.#pace(visitor, stream);
        const request = decode(RendezvousRequestSchema, frame);
        await send(frames, await this.#answer(request, connection).catch(refusal));
      }
    } finally {
      visitor.isHere = false;
    }
  }

  async #answer({ request }: RendezvousRequest, { peer }: Connection): Promise<Answer> {
    if (request.case === "register") {
      const { ttlMs } = request.value;
      const signed = request.value.registration;
      if (signed === undefined) throw broken("it registers nothing");
      const { registration, signature } = signed;
      const { token, device } = await readRegistration(this.#deps.crypto, signed);
      if (device !== peer) throw broken("it registers another device");
      // Frames share memory with others: what is kept is copied.
      const kept = { registration: registration.slice(), signature: signature.slice() };
      const ttl = this.#registry.keep(token, peer, kept, ttlMs);
      return { case: "registered", value: { ttlMs: ttl } };
    }
    if (request.case === "discover") {
      const { token, cursor } = request.value;
      const page = this.#registry.page(token, Number(cursor));
      const registrations = [...page.registrations];
      return {
        case: "found",
        value: {
          registrations,
          ...(page.cursor !== undefined && { cursor: BigInt(page.cursor) }),
        },
      };
    }
    throw broken("it asks nothing");
  }

  /** Lets who asks more than its share wait: the requests behind this one wait in the stream. */
  async #pace(visitor: Visitor, stream: Stream): Promise<void> {
    const now = this.#deps.clock.monotonic();
    visitor.paidUntil = Math.max(visitor.paidUntil, now) + REQUEST_MS;
    const wait = visitor.paidUntil - now - REQUESTS_AT_ONCE * REQUEST_MS;
    if (wait > 0) await this.#deps.clock.sleep(wait, stream.ended);
  }
}

function send(frames: FramedStream, response: Answer): Promise<void> {
  return frames.send(
    encode(RendezvousResponseSchema, create(RendezvousResponseSchema, { response })),
  );
}

/** What is told of an error; what breaks the protocol, or is trouble of ours, goes on to who serves the stream. */
function refusal(error: unknown): Answer {
  const code = codeOf(error);
  if (code !== "RENDEZVOUS_FULL" && code !== "RENDEZVOUS_BUSY") throw error;
  return { case: "refused", value: { code, message: (error as Error).message } };
}

function busy(): RendezvousError {
  return new RendezvousError("RENDEZVOUS_BUSY", "Cannot register: another visit is under way");
}

function broken(why: string): RendezvousError {
  return new RendezvousError("RENDEZVOUS_PROTOCOL", `Cannot answer request: ${why}`);
}
