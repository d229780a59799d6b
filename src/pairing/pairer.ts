import { issueCertificate } from "../access/index.ts";
import {
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  KEY_SIZE,
  type Logger,
  type Random,
  toHex,
  type UserId,
  userIdOf,
} from "../base/index.ts";
import { inTime } from "../deltas/index.ts";
import { type Connection, FramedStream, type Stream } from "../net/index.ts";
import {
  create,
  decode,
  encode,
  type MessageInitShape,
  type PairRequest,
  PairRequestSchema,
  PairResponseSchema,
} from "../wire/index.ts";
import { PairError, toldCode } from "./errors.ts";
import { PAIRED_TICKETS_MAX, PAIRING_MS_MAX, PAIRING_TIMEOUT_MS, PAIRINGS_MAX } from "./limits.ts";
import { formatPairTicket } from "./pair-ticket.ts";
import { isPairProof, PAIR_NONCE_SIZE, pairSeed } from "./proof.ts";

export interface PairerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  /** This device. */
  readonly device: DeviceId;
  /** The seed of the user whose device this is; `undefined` where it does not lie here. */
  readonly userSeed: () => Promise<Uint8Array | undefined>;
  /** Texts of tickets to the user's syncgroups, for a new device. */
  readonly tickets: () => readonly string[];
}

interface Pairing {
  /** By the monotonic clock. */
  readonly ends: number;
  /** Who has come by it: may come again, should the answer have been lost. */
  device: DeviceId | undefined;
}

type Answer = NonNullable<MessageInitShape<typeof PairResponseSchema>["response"]>;

/** The side that has the user's key: gives out tickets, each for one device, and signs for who comes by them. */
export class Pairer {
  readonly #deps: PairerDeps;
  /** By the hex of the key that the secret makes. They end with the process. */
  readonly #pairings = new Map<string, Pairing>();

  constructor(deps: PairerDeps) {
    this.#deps = deps;
  }

  /**
   * A ticket for one device, good for `expiresInMs`. Whoever holds it becomes a device of this user: it is as secret as the user's key.
   *
   * @throws {PairError} `PAIR_NO_USER_KEY`; {RangeError} for an expiry over `PAIRING_MS_MAX`.
   */
  async ticket(addresses: readonly string[], expiresInMs: number): Promise<string> {
    const { crypto, random, clock } = this.#deps;
    if (!(expiresInMs > 0 && expiresInMs <= PAIRING_MS_MAX))
      throw new RangeError(`A pairing ticket is good for at most ${PAIRING_MS_MAX} ms`);
    const { user } = await this.#user();
    const secret = random.bytes(KEY_SIZE);
    const publicKey = await crypto.publicKey(await pairSeed(crypto, secret));
    const ends = clock.monotonic() + expiresInMs;
    this.#pairings.set(toHex(publicKey), { ends, device: undefined });
    for (const oldest of this.#pairings.keys()) {
      if (this.#pairings.size <= PAIRINGS_MAX) break;
      this.#pairings.delete(oldest);
    }
    return formatPairTicket({ user, addresses, secret }, crypto);
  }

  /** Answers one device on its stream. @throws a coded error when the peer broke the protocol. */
  async serve(stream: Stream, connection: Connection): Promise<void> {
    const { clock, random } = this.#deps;
    const frames = new FramedStream({ stream, clock });
    const nonce = random.bytes(PAIR_NONCE_SIZE);
    const send = (response: Answer): Promise<void> =>
      frames.send(encode(PairResponseSchema, create(PairResponseSchema, { response })));
    await send({ case: "welcome", value: { nonce } });
    const frame = await inTime(clock, frames.receive(), PAIRING_TIMEOUT_MS, "No request came");
    if (frame === undefined) return;
    const request = decode(PairRequestSchema, frame);
    await send(await this.#answer(request, nonce, connection.peer).catch(refusalOf));
    await stream.closeWrite();
  }

  async #answer(request: PairRequest, nonce: Uint8Array, device: DeviceId): Promise<Answer> {
    const { crypto, clock, logger, tickets } = this.#deps;
    const pairing = this.#pairings.get(toHex(request.publicKey));
    const { user, seed } = await this.#user();
    const binding = { nonce, device, answerer: this.#deps.device, user };
    const isProved = await isPairProof(crypto, request, binding);
    if (pairing === undefined || !isProved)
      throw new PairError("PAIR_REFUSED", "Cannot pair: no such ticket is good here");
    if (clock.monotonic() > pairing.ends)
      throw new PairError("PAIR_EXPIRED", "Cannot pair: the ticket has expired");
    if (pairing.device !== undefined && pairing.device !== device)
      throw new PairError("PAIR_USED", "Cannot pair: another device has used the ticket");
    pairing.device = device;
    const issued = Math.max(0, Math.floor(clock.now()));
    const { name } = request;
    const certificate = await issueCertificate({ crypto }, seed, { device, name, issued });
    logger("info", "pair.device.added", { device });
    return {
      case: "paired",
      value: { certificate, tickets: tickets().slice(0, PAIRED_TICKETS_MAX) },
    };
  }

  async #user(): Promise<{ readonly user: UserId; readonly seed: Uint8Array }> {
    const seed = await this.#deps.userSeed();
    if (seed === undefined)
      throw new PairError(
        "PAIR_NO_USER_KEY",
        "Cannot pair: the user's key is on the device that was their first, not on this one",
      );
    return { user: userIdOf(await this.#deps.crypto.publicKey(seed)), seed };
  }
}

function refusalOf(error: unknown): Answer {
  const code = toldCode(codeOf(error));
  const message = code === codeOf(error) && error instanceof Error ? error.message : "";
  return { case: "refused", value: { code, message } };
}
