import { randomBytes } from "node:crypto";
import { RELAY_V2_STOP_CODEC } from "@libp2p/circuit-relay-v2";
import { expect, test, vi } from "vitest";
import type { Transport } from "../net/index.ts";
import { openPeer } from "../peer/index.ts";
import { pattern, PROTOCOL, readPattern, seededRandom, serveEcho } from "../testkit/index.ts";
import { openLibp2pTransport, type Libp2pTransportOptions } from "./libp2p-transport.ts";
import { nodeClock } from "./ports.ts";

// Real handshakes on a busy machine: slow is not wrong.
vi.setConfig({ testTimeout: 60_000 });

const LOOPBACK = ["/ip4/127.0.0.1/tcp/0"];

function open(
  options: Partial<Libp2pTransportOptions>,
  seed = randomBytes(32),
): Promise<Transport> {
  const deps = { seed, clock: nodeClock(), logger: () => {} };
  return openLibp2pTransport(deps, { listen: [], ...options });
}

test("[NE32] a device that nobody can dial is reached through a relay, proven and encrypted, by streams as ever", async () => {
  await using relay = await open({ listen: LOOPBACK, isRelay: true });
  await using hidden = await open({ relays: relay.addresses() });
  await using dialler = await open({});
  serveEcho(hidden);
  const addresses = hidden.addresses();
  expect(addresses).toEqual([`${relay.addresses()[0]}/p2p-circuit/p2p/${hidden.device}`]);
  const connection = await dialler.connect(hidden.device, addresses);
  expect(connection.peer).toBe(hidden.device);
  expect(connection.remoteAddress).toContain("/p2p-circuit");
  const stream = await connection.open(PROTOCOL);
  const size = 3_000_000;
  const writing = (async () => {
    await stream.write(pattern(size));
    await stream.closeWrite();
  })();
  expect(await readPattern(stream)).toBe(size);
  await writing;
  // The relay sees both as peers of its own, and keeps them while it relays.
  expect(relay.connections().length).toBe(2);
  expect(relay.connections().every(({ isInUse }) => isInUse === true)).toBe(true);
  await connection.close();
});

test("[NE32] another device behind the relay than was named is not taken for it", async () => {
  await using relay = await open({ listen: LOOPBACK, isRelay: true });
  await using hidden = await open({ relays: relay.addresses() });
  await using other = await open({});
  const through = hidden.addresses()[0] as string;
  await expect(
    other.connect((await open({})).device, [through, `${relay.addresses()[0]}/p2p-circuit`]),
  ).rejects.toMatchObject({ code: "NET_UNREACHABLE" });
});

test("[NE33] a relay that is gone is found again, and no opening waits for one that is not there", async () => {
  const seed = randomBytes(32);
  const relay = await open({ listen: LOOPBACK, isRelay: true }, seed);
  const [address] = relay.addresses() as [string];
  await relay.close();
  await using hidden = await open({ relays: [address] });
  expect(hidden.addresses()).toEqual([]);
  await using again = await open(
    { listen: [address.slice(0, address.indexOf("/p2p/"))], isRelay: true },
    seed,
  );
  await expect.poll(() => hidden.addresses().length, { timeout: 30_000 }).toBe(1);
  expect(again.connections()[0]?.peer).toBe(hidden.device);
});

test("[NE33] who asked for no relay cannot be reached through one, and tells of none", async () => {
  await using relay = await open({ listen: LOOPBACK, isRelay: true });
  await using plain = await open({ listen: LOOPBACK });
  await using dialler = await open({});
  await plain.connect(relay.device, relay.addresses());
  expect(plain.addresses().length).toBe(1);
  const through = `${relay.addresses()[0]}/p2p-circuit/p2p/${plain.device}`;
  await expect(dialler.connect(plain.device, [through])).rejects.toMatchObject({
    code: "NET_UNREACHABLE",
  });
  expect(RELAY_V2_STOP_CODEC).toBe("/libp2p/circuit/relay/0.2.0/stop");
  await expect(
    (await plain.connect(relay.device, [])).open(RELAY_V2_STOP_CODEC),
  ).rejects.toMatchObject({ code: "NET_PROTOCOL_UNSUPPORTED" });
});

test.for(["nonsense", "/ip4/127.0.0.1/tcp/1", "/dns4/a/udp/1/p2p/x"])(
  "[NE33] %s is no relay",
  async (text) => {
    await expect(open({ relays: [text] })).rejects.toMatchObject({ code: "NET_ADDRESS_INVALID" });
  },
);

test("[PE14] rows and files travel through a relay, which is in no group and learns of none", async () => {
  await using relay = await openPeer({ name: "relay", listen: LOOPBACK, relay: true });
  const relays = (await relay.status()).addresses;
  await using ada = await openPeer({ name: "ada", listen: [], relays });
  await using ben = await openPeer({ name: "ben", listen: [] });
  const home = await ada.openDatabase("home");
  const album = home.collection<{ readonly picture: unknown }>("album");
  const bytes = seededRandom(26).bytes(700_000);
  const { ref } = await ada.blobs.put(bytes);
  await album.put("beach", { picture: ref });
  const group = await home.createSyncgroup("family", { collections: [album] });
  const joined = await (await ben.openDatabase("home")).joinSyncgroup(await group.invite());
  await joined.ready();
  await joined.collection("album").put("from ben", 1);
  await expect.poll(() => album.has("from ben"), { timeout: 20_000 }).toBe(true);
  let state = "";
  for await (const progress of ben.blobs.fetch(ref)) state = progress.state;
  expect(state).toBe("done");
  expect(Buffer.from(await ben.blobs.get(ref).bytes()).equals(bytes)).toBe(true);
  expect(ben.peers()[0]?.address).toContain("/p2p-circuit");
  expect(relay.peers()).toEqual([]);
  expect(relay.databases()).toEqual([]);
});
