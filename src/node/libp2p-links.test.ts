import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import type { Transport } from "../net/index.ts";
import { aborted, FakeClock, pattern, PROTOCOL, readPattern, serveEcho } from "../testkit/index.ts";
import { Relay } from "../testkit/libp2p-world.ts";
import { DIAL_STAGGER_MS, LINK_IDLE_MS, LINK_JOIN_MS } from "./libp2p-limits.ts";
import { openLibp2pTransport } from "./libp2p-transport.ts";

// Real handshakes on a busy machine: slow is not wrong.
vi.setConfig({ testTimeout: 60_000 });

/** A device with a relay before it, and time that stands still but for what a test lets pass. */
async function openDevice(clock: FakeClock, seed = randomBytes(32)) {
  const events: string[] = [];
  const transport = await openLibp2pTransport(
    { seed, clock, logger: (_, event) => events.push(event) },
    { listen: ["/ip4/127.0.0.1/tcp/0"] },
  );
  const relay = await Relay.open(transport.addresses()[0] as string);
  return {
    transport,
    relay,
    isLinkedTwice: () => events.includes("net.peer.linked"),
    addresses: [`/ip4/127.0.0.1/tcp/${relay.port}`],
    async [Symbol.asyncDispose]() {
      await transport.close();
      await relay.close();
    },
  };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(5);
}

async function echoes(from: Transport, to: Transport): Promise<void> {
  const connection = await from.connect(to.device, []);
  const stream = await connection.open(PROTOCOL);
  await stream.write(pattern(1000));
  await stream.closeWrite();
  expect(await readPattern(stream)).toBe(1000);
}

test("[NE4] of two links that were dialled at once, the superfluous one is closed once it is idle", async () => {
  const clock = new FakeClock();
  await using a = await openDevice(clock);
  await using b = await openDevice(clock);
  serveEcho(a.transport);
  serveEcho(b.transport);
  const [there, back] = await Promise.all([
    a.transport.connect(b.transport.device, b.addresses),
    b.transport.connect(a.transport.device, a.addresses),
  ]);
  await until(() => a.isLinkedTwice() && b.isLinkedTwice());
  await echoes(a.transport, b.transport);
  await echoes(b.transport, a.transport);
  const open = await there.open(PROTOCOL);

  await clock.advance(LINK_IDLE_MS);
  // The link of the device with the smaller name stays, on both sides.
  const [kept, closed] =
    a.transport.device < b.transport.device ? [b.relay, a.relay] : [a.relay, b.relay];
  await until(() => closed.socketCount === 0);
  await clock.advance(10 * LINK_IDLE_MS);
  expect(kept.socketCount).toBe(2);
  expect([there.closed.aborted, back.closed.aborted, open.ended.aborted]).toEqual([
    false,
    false,
    false,
  ]);
  await echoes(a.transport, b.transport);
  await echoes(b.transport, a.transport);
});

test("[NE4] one of two links may be lost: the connection goes on with the other", async () => {
  const clock = new FakeClock();
  await using a = await openDevice(clock);
  await using b = await openDevice(clock);
  serveEcho(a.transport);
  serveEcho(b.transport);
  const [there, back] = await Promise.all([
    a.transport.connect(b.transport.device, b.addresses),
    b.transport.connect(a.transport.device, a.addresses),
  ]);
  await until(() => a.isLinkedTwice() && b.isLinkedTwice());
  const preferred = a.transport.device < b.transport.device ? b.relay : a.relay;
  preferred.cut();
  await until(() => preferred.socketCount === 0);
  await echoes(a.transport, b.transport);
  await echoes(b.transport, a.transport);
  expect([there.closed.aborted, back.closed.aborted]).toEqual([false, false]);
});

test("[NE21] a device that comes back over a new line replaces the connection that it has lost", async () => {
  const clock = new FakeClock();
  await using server = await openDevice(clock);
  serveEcho(server.transport);
  const seed = randomBytes(32);
  await using before = await openDevice(clock, seed);
  await before.transport.connect(server.transport.device, server.addresses);
  await until(() => server.transport.connections().length === 1);
  const [lost] = server.transport.connections();
  server.relay.freeze();
  await clock.advance(LINK_JOIN_MS + 1);

  await using after = await openDevice(clock, seed);
  await after.transport.connect(server.transport.device, server.transport.addresses());
  await aborted(lost!.closed);
  await until(() => server.transport.connections().length === 1);
  expect(server.transport.connections()[0]).not.toBe(lost);
  await echoes(after.transport, server.transport);
});

test("[NE3] an address that swallows packets does not hold up the next one", async () => {
  const clock = new FakeClock();
  await using there = await openDevice(clock);
  await using here = await openDevice(clock);
  const dead = await Relay.open(there.transport.addresses()[0] as string);
  dead.freezeNew();
  const connecting = here.transport.connect(there.transport.device, [
    `/ip4/127.0.0.1/tcp/${dead.port}`,
    ...there.addresses,
  ]);
  await until(() => dead.socketCount > 0);
  expect(there.relay.socketCount).toBe(0);
  await clock.advance(DIAL_STAGGER_MS);
  const connection = await connecting;
  expect(connection.remoteAddress).toContain(String(there.relay.port));
  // The dial that lost is given up: only the relay's own socket is left.
  await until(() => dead.socketCount === 1);
  await dead.close();
});
