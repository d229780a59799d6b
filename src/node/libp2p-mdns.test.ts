import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { expect, test, vi } from "vitest";
import { type DeviceId, deviceIdOf } from "../base/index.ts";
import type { Transport } from "../net/index.ts";
import { FakeClock } from "../testkit/index.ts";
import { admit, eventually, isConnected, shareTodos, SyncFlock } from "../testkit/sync-flock.ts";
import {
  LOCAL_ADDRESSES_MAX,
  LOCAL_CHANGE_MS_MIN,
  LOCAL_DEVICES_MAX,
  LOCAL_PLACE_MS,
} from "./libp2p-limits.ts";
import { FoundPlaces } from "./libp2p-mdns.ts";
import { openLibp2pTransport } from "./libp2p-transport.ts";
import { nodeClock } from "./ports.ts";

// Real handshakes on a busy machine: slow is not wrong.
vi.setConfig({ testTimeout: 60_000 });

const deviceOf = (n: number) => deviceIdOf(new Uint8Array(32).fill(n));

test("[NE35] what the local network says is remembered for a while, told when new, and bounded", async () => {
  const clock = new FakeClock();
  const found = new FoundPlaces(clock);
  const told: string[] = [];
  found.onFound((device) => told.push(device));
  const [a, b] = [deviceOf(1), deviceOf(2)];
  const at = (n: number): string => `/ip4/192.168.2.${n}/tcp/4001`;
  found.note(a, [at(1)]);
  found.note(a, [at(1)]);
  found.note(b, [at(2), "x".repeat(300)]);
  found.note(a, ["x".repeat(300)]);
  expect([found.of(a), found.of(b)]).toEqual([[at(1)], [at(2)]]);
  found.note(a, [at(3)]);
  expect([told, found.of(a)]).toEqual([[a, b], [at(1)]]);
  await clock.advance(LOCAL_CHANGE_MS_MIN);
  found.note(a, [at(3)]);
  found.note(a, [at(4)]);
  expect([told, found.of(a)]).toEqual([[a, b, a], [at(3)]]);
  found.note(
    b,
    Array.from({ length: 50 }, (_, n) => at(n)),
  );
  expect(found.of(b).length).toBe(LOCAL_ADDRESSES_MAX);
  await clock.advance(LOCAL_PLACE_MS + 1);
  expect(found.of(a)).toEqual([]);
  for (let n = 0; n < LOCAL_DEVICES_MAX; n++)
    found.note(deviceIdOf(Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? n : 7))), [at(n)]);
  found.note(a, [at(1)]);
  expect(
    found.of(deviceIdOf(Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 0 : 7)))),
  ).toEqual([]);
  expect(found.of(a)).toEqual([at(1)]);
});

test("[NE35] whoever is on the local network has nobody dial elsewhere", () => {
  const found = new FoundPlaces(new FakeClock());
  const kept = [
    "/ip4/10.1.2.3/tcp/4001",
    "/ip4/127.0.0.1/tcp/4001",
    "/ip4/169.254.1.1/tcp/4001",
    "/ip4/172.31.0.1/tcp/4001",
    "/ip6/::1/tcp/4001",
    "/ip6/fd00::1/tcp/4001",
    "/ip6/fe80::1/tcp/4001",
  ];
  const elsewhere = [
    "/ip4/192.0.2.1/tcp/4001",
    "/ip4/172.32.0.1/tcp/4001",
    "/ip6/2001:db8::1/tcp/4001",
    "/ip6/::ffff:192.0.2.1/tcp/4001",
    "/dns4/example.org/tcp/4001",
    "/dns4/10.1.2.3/tcp/4001",
    "/ip4/example.org/tcp/4001",
    "10.1.2.3",
    "",
  ];
  found.note(deviceOf(1), [...elsewhere, ...kept, ...elsewhere]);
  expect(found.of(deviceOf(1))).toEqual(kept);
  found.note(deviceOf(2), elsewhere);
  expect(found.of(deviceOf(2))).toEqual([]);
});

/** Whether a datagram to the group of mDNS comes back on this machine. */
async function hasMulticast(): Promise<boolean> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once("error", () => resolve(false));
      socket.once("message", () => resolve(true));
      socket.bind(0, () => {
        try {
          socket.addMembership("224.0.0.251");
          socket.send("hello", socket.address().port, "224.0.0.251");
        } catch {
          resolve(false);
        }
      });
      setTimeout(() => resolve(false), 2000).unref();
    });
  } finally {
    socket.close();
  }
}

test("[NE34] devices that are to be found on the local network are, by their addresses of now, and others are not", async ({
  skip,
}) => {
  skip(!(await hasMulticast()), "no multicast on this machine");
  const open = (isLocal: boolean): Promise<Transport> =>
    openLibp2pTransport(
      { seed: randomBytes(32), clock: nodeClock(), logger: () => {} },
      { listen: ["/ip4/0.0.0.0/tcp/0"], isLocal },
    );
  await using first = await open(true);
  await using hidden = await open(false);
  await using second = await open(true);
  await expect.poll(() => second.found?.(first.device), { timeout: 20_000 }).not.toEqual([]);
  const places = second.found?.(first.device) ?? [];
  const connection = await second.connect(first.device, places);
  expect(connection.peer).toBe(first.device);
  expect([second.found?.(hidden.device), hidden.found?.(first.device)]).toEqual([[], []]);
});

test("[NE35] a link dials where the local network says that its device is, and nobody dials a stranger", async () => {
  await using flock = new SyncFlock();
  const told = new Map<DeviceId, readonly string[]>();
  const places: string[] = [];
  const listeners = new Set<(device: DeviceId) => void>();
  const a = await flock.open("a", {
    transport: (device) =>
      Object.assign(flock.network.transport(device), {
        found: (other: DeviceId) => told.get(other) ?? [],
        onFound: (listener: (device: DeviceId) => void) => {
          listeners.add(listener);
          return () => void listeners.delete(listener);
        },
      }),
  });
  // Reached nowhere by what its member record says: it listens, but tells no address.
  const b = await flock.open("b", {
    transport: (device) => {
      const transport = flock.network.transport(device);
      places.push(...transport.addresses());
      return Object.assign(transport, { addresses: () => [] });
    },
  });
  const stranger = await flock.open("stranger");
  await admit(a, b, await shareTodos(a));
  b.transport.connect = () => Promise.reject(new Error("this side dials nobody"));
  flock.network.cut(a.device, b.device);
  await eventually(() => !isConnected(a, b.device));
  told.set(b.device, places);
  told.set(stranger.device, stranger.transport.addresses());
  for (const device of told.keys()) for (const listener of listeners) listener(device);
  await eventually(() => isConnected(a, b.device));
  expect(isConnected(a, stranger.device)).toBe(false);
});
