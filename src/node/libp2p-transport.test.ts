import { randomBytes } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { deviceIdOf } from "../base/index.ts";
import { PROTOCOL, pattern, readPattern, rejects, transportRules } from "../testkit/index.ts";
import { libp2pWorld } from "../testkit/libp2p-world.ts";
import { openLibp2pTransport } from "./libp2p-transport.ts";
import { nodeClock, nodeCrypto } from "./ports.ts";

// Real handshakes on a busy machine: slow is not wrong.
vi.setConfig({ testTimeout: 60_000 });

describe("conformance", () => {
  // What takes minutes of silence is in the process tests, with less of it.
  test.for(transportRules.filter(({ id }) => id !== "NE17"))(
    "[$id] libp2p: $says",
    async (rule) => {
      await using world = libp2pWorld();
      await rule.check(world);
    },
  );
});

const SEED = randomBytes(32);

function open(listen: readonly string[], seed = randomBytes(32)) {
  return openLibp2pTransport({ seed, clock: nodeClock(), logger: () => {} }, { listen });
}

describe("addresses", () => {
  test("[NE31] are where it listens, with the port that the system chose and the device of the seed", async () => {
    await using transport = await open(["/ip4/127.0.0.1/tcp/0"], SEED);
    const device = deviceIdOf(await nodeCrypto().publicKey(SEED));
    expect(transport.device).toBe(device);
    const [address] = transport.addresses();
    expect(address).toMatch(new RegExp(`^/ip4/127.0.0.1/tcp/[1-9][0-9]*/p2p/${device}$`));
  });

  test("[NE31] are none for one that only dials", async () => {
    await using transport = await open([]);
    expect(transport.addresses()).toEqual([]);
  });

  test("[NE31] that another process listens at are taken, and nothing stays open", async () => {
    await using first = await open(["/ip4/127.0.0.1/tcp/0"]);
    const taken = first.addresses()[0]!.replace(/\/p2p.*/, "");
    await rejects(open([taken]), "NET_ADDRESS_IN_USE");
    await rejects(open(["/ip4/127.0.0.1/tcp/0", taken]), "NET_ADDRESS_IN_USE");
    await first.close();
    await using again = await open([taken]);
    expect(again.addresses()[0]).toContain(taken);
  });

  test.for([
    "",
    "127.0.0.1:4001",
    "/ip4/127.0.0.1",
    "/ip4/300.0.0.1/tcp/4001",
    "/ip4/127.0.0.1/tcp/70000",
    "/ip4/127.0.0.1/udp/4001",
    "/ip4/127.0.0.1/tcp/4001/ws",
    "/unix/%2Ftmp%2Fsocket",
    // Of nobody: set aside for documents.
    "/ip4/192.0.2.1/tcp/0",
  ])("[NE31] that cannot be listened at are refused: %s", async (address) => {
    await rejects(open([address]), "NET_ADDRESS_INVALID");
  });
});

test("[NE1] a seed of another size is a mistake of the caller's", async () => {
  await expect(open([], randomBytes(31))).rejects.toThrow("32 bytes");
});

test("[NE13] a peer that sends before anybody reads loses nothing", async () => {
  await using world = libp2pWorld();
  const [there, here] = [await world.open(), await world.open({ listen: false })];
  const size = 16 * 1024 * 1024;
  there.handle(PROTOCOL, (stream) => stream.write(pattern(size)));
  const connection = await here.connect(there.device, there.addresses());
  const streams = await Promise.all(Array.from({ length: 4 }, () => connection.open(PROTOCOL)));
  await world.breathe();
  expect(await Promise.all(streams.map((stream) => readPattern(stream)))).toEqual(
    Array(4).fill(size),
  );
});
