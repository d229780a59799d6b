import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { codeOf, type DeviceId, fromHex, userIdOf } from "../base/index.ts";
import { createMemoryNetwork, FramedStream, type Transport } from "../net/index.ts";
import { nodeClock, nodeCrypto } from "../node/index.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { makeIdentity } from "../testkit/sync-peer.ts";
import {
  create,
  decode,
  encode,
  type MessageInitShape,
  PairRequestSchema,
  PairResponseSchema,
} from "../wire/index.ts";
import { askToPair, formatPairTicket, PAIR_PROTOCOL, Pairer, parsePairTicket } from "./index.ts";
import { PAIRING_MS, PAIRINGS_MAX } from "./limits.ts";
import { pairSeed, provePair } from "./proof.ts";

const crypto = nodeCrypto();
const USER_SEED = new Uint8Array(32).fill(7);
const NEVER = new AbortController().signal;

interface World {
  readonly clock: FakeClock;
  readonly pairer: Pairer;
  readonly first: Transport;
  readonly others: readonly Transport[];
  hasKey: boolean;
}

let world: World;

beforeEach(async () => {
  const network = createMemoryNetwork({ clock: nodeClock() });
  const open = async (): Promise<Transport> =>
    network.transport((await makeIdentity("device")).device);
  const first = await open();
  const clock = new FakeClock();
  const pairer = new Pairer({
    clock,
    crypto,
    random: seededRandom(3),
    logger: () => {},
    device: first.device,
    userSeed: () => Promise.resolve(world.hasKey ? USER_SEED : undefined),
    tickets: () => ["rookery:one"],
  });
  first.handle(PAIR_PROTOCOL, (stream, connection) => pairer.serve(stream, connection));
  world = { clock, pairer, first, others: [await open(), await open()], hasKey: true };
});

afterEach(async () => {
  for (const transport of [world.first, ...world.others]) await transport.close();
});

async function ticket(expiresInMs = PAIRING_MS): Promise<string> {
  return world.pairer.ticket(world.first.addresses(), expiresInMs);
}

function link(text: string, device = 0) {
  const transport = world.others[device] as Transport;
  const deps = { clock: nodeClock(), crypto, transport };
  return askToPair(deps, parsePairTicket(text, crypto), "phone", NEVER);
}

async function codeOfLink(text: string, device?: number): Promise<string | undefined> {
  return link(text, device).then(
    () => "linked",
    (error: unknown) => codeOf(error),
  );
}

describe("tickets", () => {
  const user = userIdOf(new Uint8Array(32).fill(0x61));
  const secret = new Uint8Array(32).fill(0x62);
  const addresses = ["/ip4/192.0.2.1/tcp/4001/p2p/x"];
  test("[PR1] what is cut or altered anywhere is refused, and not repeated", () => {
    const text = formatPairTicket({ user, addresses, secret }, crypto);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom("", "A", "-", "é"), (at, by) => {
        const altered = text.slice(0, at) + by + text.slice(at + 1);
        if (altered === text) return;
        try {
          parsePairTicket(altered, crypto);
          expect.unreachable();
        } catch (error) {
          expect(codeOf(error)).toBe("PAIR_TICKET_INVALID");
          expect(String(error)).not.toContain(altered.slice(20));
        }
      }),
    );
    expect(() => parsePairTicket(`rookery:${text.slice(13)}`, crypto)).toThrow(
      "an invite to a syncgroup",
    );
    expect(() => parsePairTicket("x".repeat(10_000), crypto)).toThrow("longer");
    expect(parsePairTicket(`  ${text}\n`, crypto)).toEqual({ user, addresses, secret });
  });

  test("[PR1] a ticket that names two devices, or this one, is for nobody", async () => {
    const two = [...world.first.addresses(), ...(world.others[1] as Transport).addresses()];
    for (const places of [two, (world.others[0] as Transport).addresses(), []])
      expect(await codeOfLink(formatPairTicket({ user, addresses: places, secret }, crypto))).toBe(
        "PAIR_TICKET_INVALID",
      );
  });
});

test("[PR2] [PR4] who has the ticket is given the user's certificate for their own device, and tickets to the groups", async () => {
  const { certified, tickets } = await link(await ticket());
  expect(certified.user).toBe(userIdOf(await crypto.publicKey(USER_SEED)));
  expect(certified.device).toBe(world.others[0]?.device);
  expect(certified.name).toBe("phone");
  expect(tickets).toEqual(["rookery:one"]);
});

test("[PR3] it is good for one device, which may come again", async () => {
  const text = await ticket();
  expect(await codeOfLink(text)).toBe("linked");
  expect(await codeOfLink(text, 1)).toBe("PAIR_USED");
  expect(await codeOfLink(text)).toBe("linked");
});

test("[PR3] it expires, and is pushed out by later ones", async () => {
  const text = await ticket(5000);
  await world.clock.advance(5001);
  expect(await codeOfLink(text)).toBe("PAIR_EXPIRED");
  for (let i = 0; i < PAIRINGS_MAX; i++) await ticket();
  expect(await codeOfLink(text)).toBe("PAIR_REFUSED");
  await expect(ticket(86_400_001)).rejects.toThrow(RangeError);
  await expect(ticket(0)).rejects.toThrow(RangeError);
});

test("[PR7] a device without the user's key gives out none, and honours none", async () => {
  const text = await ticket();
  world.hasKey = false;
  await expect(ticket()).rejects.toMatchObject({ code: "PAIR_NO_USER_KEY" });
  expect(await codeOfLink(text)).toBe("PAIR_NO_USER_KEY");
});

test("[PR2] [PR3] a proof of another stream, device, user or secret is refused alike, and the ticket stays good", async () => {
  const text = await ticket();
  const { secret, user } = parsePairTicket(text, crypto);
  const { first, others } = world;
  const [device, other] = others.map((one) => one.device) as [DeviceId, DeviceId];
  const publicKey = await crypto.publicKey(await pairSeed(crypto, secret));
  const transport = others[0] as Transport;
  const right = { device, answerer: first.device, user };
  const wrongs = [
    { binding: { ...right, nonce: new Uint8Array(32) }, secret },
    { binding: { ...right, device: other }, secret },
    { binding: { ...right, answerer: other }, secret },
    { binding: { ...right, user: userIdOf(new Uint8Array(32).fill(9)) }, secret },
    { binding: right, secret: new Uint8Array(32) },
    { binding: right, secret: new Uint8Array(32), publicKey },
  ];
  for (const wrong of wrongs) {
    const connection = await transport.connect(first.device, first.addresses());
    const stream = await connection.open(PAIR_PROTOCOL);
    const frames = new FramedStream({ stream, clock: nodeClock() });
    const welcome = decode(PairResponseSchema, (await frames.receive()) as Uint8Array).response;
    const nonce = welcome.case === "welcome" ? welcome.value.nonce : new Uint8Array(32);
    const proof = await provePair(crypto, wrong.secret, { nonce, ...wrong.binding });
    const request = create(PairRequestSchema, {
      ...proof,
      ...(wrong.publicKey !== undefined && { publicKey: wrong.publicKey }),
    });
    await frames.send(encode(PairRequestSchema, request));
    const answer = decode(PairResponseSchema, (await frames.receive()) as Uint8Array).response;
    expect(answer).toMatchObject({ case: "refused", value: { code: "PAIR_REFUSED" } });
    stream.reset();
  }
  expect(await codeOfLink(text)).toBe("linked");
});

test("[PR4] a device that answers with another's certificate, or nonsense, is not believed", async () => {
  const [joiner, liar] = world.others as [Transport, Transport];
  const user = userIdOf(await crypto.publicKey(USER_SEED));
  const { certified } = await makeIdentity("other", USER_SEED);
  type Answer = NonNullable<MessageInitShape<typeof PairResponseSchema>["response"]>;
  const answers: readonly Answer[] = [
    { case: "paired", value: { certificate: certified.bytes, tickets: [] } },
    { case: "paired", value: { certificate: fromHex("0a00") as Uint8Array, tickets: [] } },
    { case: "welcome", value: { nonce: new Uint8Array(32) } },
  ];
  let next: Answer = answers[0] as Answer;
  liar.handle(PAIR_PROTOCOL, async (stream) => {
    const frames = new FramedStream({ stream, clock: nodeClock() });
    const send = (message: MessageInitShape<typeof PairResponseSchema>): Promise<void> =>
      frames.send(encode(PairResponseSchema, create(PairResponseSchema, message)));
    await send({ response: { case: "welcome", value: { nonce: new Uint8Array(32) } } });
    await frames.receive();
    await send({ response: next });
  });
  const text = formatPairTicket(
    { user, addresses: liar.addresses(), secret: new Uint8Array(32) },
    crypto,
  );
  for (next of answers) expect(await codeOfLink(text)).toBe("PAIR_FAILED");
  await liar.close();
  expect(await codeOfLink(text)).toBe("PAIR_FAILED");
  expect(joiner.connections().length).toBeLessThan(2);
});
