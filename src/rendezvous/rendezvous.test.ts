import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ControlId } from "../access/index.ts";
import { type Clock, deviceIdOf, type DeviceId, type ScopeId, toHex } from "../base/index.ts";
import { FramedStream, NetError, type Transport } from "../net/index.ts";
import { nodeClock, nodeCrypto, nodeRandom } from "../node/index.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import {
  admit,
  alike,
  eventually,
  isConnected,
  shareTodos,
  SyncFlock,
} from "../testkit/sync-flock.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";
import { create, encode, RendezvousRequestSchema } from "../wire/index.ts";
import { REQUEST_MS, REQUESTS_AT_ONCE } from "./limits.ts";
import { RENDEZVOUS_PROTOCOL, RendezvousClient, RendezvousServer } from "./index.ts";
import { signRegistration, tokenOf } from "./registration.ts";
import { Visit } from "./visit.ts";

const crypto = nodeCrypto();
const HOUR = 3_600_000;
/** Waits for a clock that goes twenty times as fast: the pauses between visits are long. */
const hurried: Clock = {
  now: () => nodeClock().now(),
  monotonic: () => nodeClock().monotonic() * 20,
  sleep: (ms, signal) => nodeClock().sleep(ms / 20, signal),
};

interface Rendezvous {
  readonly peer: SyncPeer;
  readonly server: RendezvousServer;
  readonly address: string;
  readonly visits: DeviceId[];
}

let flock: SyncFlock;
let opened: AsyncDisposableStack;
beforeEach(() => {
  flock = new SyncFlock();
  opened = new AsyncDisposableStack();
});
afterEach(async () => {
  await opened.disposeAsync();
  await flock[Symbol.asyncDispose]();
});

async function rendezvous(): Promise<Rendezvous> {
  const peer = await flock.open("rendezvous");
  const server = new RendezvousServer({ clock: nodeClock(), crypto });
  const visits: DeviceId[] = [];
  peer.sync.serve(RENDEZVOUS_PROTOCOL, (stream, connection) => {
    visits.push(connection.peer);
    return server.serve(stream, connection);
  });
  return { peer, server, address: peer.transport.addresses()[0] as string, visits };
}

/** Brings `peer` to the rendezvous that are named, and to those of its groups' specs. */
function meet(peer: SyncPeer, ...addresses: readonly string[]): RendezvousClient {
  const deps = { clock: hurried, random: nodeRandom(), crypto, logger: () => {} };
  const { history, transport, sync } = peer;
  const now = (): number => Date.now();
  return opened.use(
    new RendezvousClient({ ...deps, history, transport, sync, now, rendezvous: addresses }),
  );
}

interface LostMembers {
  readonly a: SyncPeer;
  readonly b: SyncPeer;
  readonly group: ScopeId;
  /** From then on `b` says where it is. */
  readonly show: () => void;
}

/** Two members that have lost each other: what `a` knows of `b` is outdated, and `b` cannot dial `a`. */
async function lostMembers(): Promise<LostMembers> {
  const a = await flock.open("a");
  let isShown = false;
  const b = await flock.open("b", {
    transport: (device) => {
      const transport = flock.network.transport(device);
      const now = transport.addresses();
      const connect = transport.connect.bind(transport);
      return Object.assign(transport, {
        addresses: () => (isShown ? now : [`/memory/9999/p2p/${device}`]),
        connect: ((other, addresses, options) =>
          hasJoined && other === a.device
            ? Promise.reject(new NetError("NET_UNREACHABLE", "It is elsewhere now"))
            : connect(other, addresses, options)) satisfies Transport["connect"],
      });
    },
  });
  let hasJoined = false;
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  await alike([a, b]);
  hasJoined = true;
  flock.network.cut(a.device, b.device);
  await eventually(() => !isConnected(a, b.device));
  return { a, b, group: shared.group, show: () => void (isShown = true) };
}

describe("members", () => {
  test("[RV5] [RV6] [RV7] who has lost each other finds each other where both go, and syncs", async () => {
    const place = await rendezvous();
    const { a, b, show } = await lostMembers();
    meet(a, place.address);
    meet(b, place.address);
    await eventually(() => place.server.registrations.count === 2);
    expect(isConnected(a, b.device)).toBe(false);
    show();
    await eventually(() => isConnected(a, b.device));
    await (await a.database("notes")).collection("todos").put("milk", 1);
    await alike([a, b]);
    // The rendezvous is told neither what the group is nor anything of it, and is no peer of the members.
    expect(place.peer.history.databases()).toEqual([]);
    expect(a.sync.sharing.groups(place.peer.device)).toEqual([]);
  });

  test("[RV5] rendezvous that a group's spec names are used by its members", async () => {
    const place = await rendezvous();
    const a = await flock.open("a");
    const b = await flock.open("b");
    const shared = await shareTodos(a);
    await admit(a, b, shared);
    meet(a);
    meet(b);
    expect(place.server.registrations.count).toBe(0);
    const addresses = [place.address, "/ip4/192.0.2.1/tcp/1"];
    await a.sync.edits.setSpec(shared.group, { rendezvous: addresses });
    await eventually(() => place.server.registrations.count === 2);
  });

  test("[RV6] members that are connected are not looked for, and nobody comes back without a reason", async () => {
    const place = await rendezvous();
    const a = await flock.open("a");
    const b = await flock.open("b");
    await admit(a, b, await shareTodos(a));
    meet(a, place.address);
    meet(b, place.address);
    await eventually(() => place.server.registrations.count === 2);
    await alike([a, b]);
    expect(place.visits.toSorted()).toEqual([a.device, b.device].toSorted());
  });

  test("[RV7] what strangers say under the token of a group is not believed", async () => {
    const place = await rendezvous();
    const { a, b, group } = await lostMembers();
    const stranger = await flock.open("stranger");
    const founding = a.history.scope(group)?.access.founding as ControlId;
    const token = tokenOf(crypto, founding, place.peer.device);
    const { device, deviceSeed } = stranger.identity;
    const addresses = stranger.transport.addresses();
    const expires = Date.now() + HOUR;
    const own = await signRegistration(crypto, deviceSeed, { token, device, addresses, expires });
    const visit = await visitOf(stranger, place);
    expect(await visit.register(own, HOUR)).toBe(HOUR);
    visit.close();
    const asked = place.visits.length;
    const client = meet(a, place.address);
    // By the second visit what the first one brought has been looked at.
    await eventually(() => place.visits.length >= asked + 2);
    expect(client.addressesOf(device)).toEqual([]);
    expect(isConnected(a, stranger.device)).toBe(false);
    expect(isConnected(a, b.device)).toBe(false);
  });

  test("[RV7] of two registrations of a device the later one counts, and what is over or is never over does not", async () => {
    const places = [await rendezvous(), await rendezvous(), await rendezvous(), await rendezvous()];
    const { a, b, group } = await lostMembers();
    const founding = a.history.scope(group)?.access.founding as ControlId;
    const { device, deviceSeed } = b.identity;
    const now = Date.now();
    const said = { over: -HOUR, never: 100 * HOUR, late: HOUR, early: HOUR / 2 };
    for (const [i, [where, ms]] of Object.entries(said).entries()) {
      const place = places[i] as Rendezvous;
      const token = tokenOf(crypto, founding, place.peer.device);
      const addresses = [`/memory/${where}/p2p/${device}`];
      const fields = { token, device, addresses, expires: now + ms };
      const visit = await visitOf(b, place);
      await visit.register(await signRegistration(crypto, deviceSeed, fields), HOUR);
      visit.close();
    }
    const client = meet(a, ...places.map(({ address }) => address));
    client.noteUnreached(device);
    // By the second visit what the first one brought has been looked at.
    const isSeen = ({ visits }: Rendezvous): boolean =>
      visits.filter((visitor) => visitor === a.device).length > 1;
    await eventually(() => places.every(isSeen));
    expect(client.addressesOf(device)).toEqual([`/memory/late/p2p/${device}`]);
  });
});

function visitOf(peer: SyncPeer, { peer: { device }, address }: Rendezvous): Promise<Visit> {
  const deps = { clock: nodeClock(), crypto, transport: peer.transport };
  return Visit.open(deps, device, [address], new AbortController().signal);
}

describe("the rendezvous", () => {
  const token = new Uint8Array(32).fill(7);
  const fields = (peer: SyncPeer, changes: object = {}) => ({
    token,
    device: peer.device,
    addresses: peer.transport.addresses(),
    expires: Date.now() + HOUR,
    ...changes,
  });

  test("[RV2] who registers another device, another's address or what is not signed is disconnected and counted", async () => {
    const place = await rendezvous();
    const other = await flock.open("other");
    const seeds = { other: other.identity.deviceSeed };
    const wrongs = [
      (peer: SyncPeer) => signRegistration(crypto, seeds.other, fields(other, { unused: peer })),
      (peer: SyncPeer) => signRegistration(crypto, seeds.other, fields(peer)),
      (peer: SyncPeer) =>
        signRegistration(
          crypto,
          peer.identity.deviceSeed,
          fields(peer, { addresses: other.transport.addresses() }),
        ),
      async (peer: SyncPeer) => {
        const signed = await signRegistration(crypto, peer.identity.deviceSeed, fields(peer));
        return { ...signed, signature: signed.signature.map((byte) => byte ^ 1) };
      },
    ];
    for (const [i, wrong] of wrongs.entries()) {
      const peer = await flock.open(`wrong ${i}`);
      const visit = await visitOf(peer, place);
      await expect(visit.register(await wrong(peer), HOUR)).rejects.toThrow();
      await eventually(() => place.peer.sync.isBlocked(peer.device));
    }
    expect(place.server.registrations.count).toBe(0);
  });

  test("[RV4] what is asked for in bad form ends the stream, and a second visit at once is refused", async () => {
    const place = await rendezvous();
    const good = await flock.open("good");
    const visit = await visitOf(good, place);
    expect(await visit.discover(token)).toEqual([]);
    await expect((await visitOf(good, place)).discover(token)).rejects.toMatchObject({
      code: "RENDEZVOUS_BUSY",
    });
    const bad = await flock.open("bad");
    const connection = await bad.transport.connect(place.peer.device, [place.address]);
    const frames = new FramedStream({
      stream: await connection.open(RENDEZVOUS_PROTOCOL),
      clock: nodeClock(),
    });
    await frames.send(encode(RendezvousRequestSchema, create(RendezvousRequestSchema, {})));
    await expect(frames.receive()).rejects.toThrow();
    await eventually(() => place.peer.sync.isBlocked(bad.device));
    expect(await visit.discover(token)).toEqual([]);
  });

  test("[RV4] who asks on and on waits in its own stream", async () => {
    const clock = new FakeClock();
    const server = new RendezvousServer({ clock, crypto });
    const place = await flock.open("slow");
    let answered = 0;
    place.sync.serve(RENDEZVOUS_PROTOCOL, (stream, connection) => {
      const write = stream.write.bind(stream);
      stream.write = (bytes) => ((answered += 1), write(bytes));
      return server.serve(stream, connection);
    });
    const asker = await flock.open("asker");
    const address = place.transport.addresses()[0] as string;
    const visit = await visitOf(asker, { peer: place, server, address, visits: [] });
    for (let i = 0; i < REQUESTS_AT_ONCE; i++) await visit.discover(token);
    expect(answered).toBe(REQUESTS_AT_ONCE);
    const late = visit.discover(token);
    await nodeClock().sleep(20);
    expect(answered).toBe(REQUESTS_AT_ONCE);
    await clock.advance(REQUEST_MS);
    expect(await late).toEqual([]);
  });

  test("[RV1] [AC37] a token is another one at each rendezvous and for each group, and is not made of the group's name", async () => {
    const a = await flock.open("a");
    const one = await shareTodos(a, "one");
    const two = await shareTodos(a, "two");
    const [first, second] = [one, two].map(
      ({ group }) => a.history.scope(group)?.access.founding as ControlId,
    ) as [ControlId, ControlId];
    const places = [1, 2].map((byte) => deviceIdOf(new Uint8Array(32).fill(byte)));
    const tokens = [first, second].flatMap((founding) =>
      places.map((place) => toHex(tokenOf(crypto, founding, place))),
    );
    expect(new Set(tokens).size).toBe(4);
    const again = await flock.open("again");
    const same = await shareTodos(again, "one");
    expect(again.history.scope(same.group)?.access.founding).not.toBe(first);
    expect(a.history.scope(one.collection)?.access.founding).toBeUndefined();
  });
});
