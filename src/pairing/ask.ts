import { type Certified, verifyCertificate } from "../access/index.ts";
import { type Clock, type Crypto, type DeviceId, deviceInAddress } from "../base/index.ts";
import { inTime } from "../deltas/index.ts";
import { type Connection, FramedStream, type Transport } from "../net/index.ts";
import {
  create,
  decode,
  encode,
  PairRequestSchema,
  type PairResponse,
  PairResponseSchema,
} from "../wire/index.ts";
import { PairError, toldCode } from "./errors.ts";
import { PAIRING_TIMEOUT_MS } from "./limits.ts";
import type { PairTicket } from "./pair-ticket.ts";
import { PAIR_PROTOCOL } from "./protocols.ts";
import { provePair } from "./proof.ts";

export interface AskDeps {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly transport: Transport;
}

/** What a device has become by a ticket. */
export interface PairedAs {
  readonly certified: Certified;
  /** Texts of tickets to the user's syncgroups. */
  readonly tickets: readonly string[];
}

/**
 * Asks the device of a ticket for its user's certificate for this device, which is to be called `name`.
 *
 * @throws {PairError} `PAIR_REFUSED`, `PAIR_EXPIRED`, `PAIR_USED` as it answers; `PAIR_FAILED` when it cannot be reached, does not answer, or not as it should.
 */
export async function askToPair(
  deps: AskDeps,
  ticket: PairTicket,
  name: string,
  signal: AbortSignal,
): Promise<PairedAs> {
  const answerer = answererOf(ticket);
  if (answerer === undefined || answerer === deps.transport.device)
    throw new PairError("PAIR_TICKET_INVALID", "Cannot pair: the ticket names no other device");
  try {
    const connection = await deps.transport.connect(answerer, ticket.addresses, { signal });
    const asking = ask(deps, connection, ticket, name, signal);
    const why = "Cannot pair: the other device did not answer in time";
    return await inTime(deps.clock, asking, PAIRING_TIMEOUT_MS, why);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof PairError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PairError("PAIR_FAILED", `Cannot pair with the other device: ${why}`, { cause });
  }
}

async function ask(
  { clock, crypto, transport }: AskDeps,
  connection: Connection,
  ticket: PairTicket,
  name: string,
  signal: AbortSignal,
): Promise<PairedAs> {
  const { user, secret } = ticket;
  const { device } = transport;
  const stream = await connection.open(PAIR_PROTOCOL, { signal });
  const abort = (): void => stream.reset();
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    const frames = new FramedStream({ stream, clock });
    const welcome = await receive(frames);
    if (welcome.case !== "welcome") throw wrong("it did not say welcome");
    const binding = { nonce: welcome.value.nonce, device, answerer: connection.peer, user };
    const proof = await provePair(crypto, secret, binding);
    await frames.send(encode(PairRequestSchema, create(PairRequestSchema, { ...proof, name })));
    const answer = await receive(frames);
    if (answer.case === "refused") {
      const code = toldCode(answer.value.code);
      throw new PairError(code, answer.value.message || "Cannot pair: the other device refused");
    }
    if (answer.case !== "paired") throw wrong("it answered something else");
    const certified = await verifyCertificate({ crypto }, answer.value.certificate);
    if (certified.device !== device || certified.user !== user)
      throw wrong("what it signed is not for this device and its user");
    return { certified, tickets: answer.value.tickets };
  } finally {
    signal.removeEventListener("abort", abort);
    stream.reset();
  }
}

async function receive(frames: FramedStream): Promise<PairResponse["response"]> {
  const frame = await frames.receive();
  if (frame === undefined) throw wrong("it ended the stream");
  return decode(PairResponseSchema, frame).response;
}

function wrong(how: string): PairError {
  return new PairError("PAIR_FAILED", `Cannot pair with the other device: ${how}`);
}

/** The one device that all addresses of a ticket name. */
function answererOf({ addresses }: PairTicket): DeviceId | undefined {
  const devices = addresses.map(deviceInAddress);
  return devices.every((device) => device === devices[0]) ? devices[0] : undefined;
}
