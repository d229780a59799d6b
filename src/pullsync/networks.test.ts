import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DeviceId, deviceIdOf, toHex } from "../base/index.ts";
import { CONTENT } from "../chunks/index.ts";
import { createMemoryNetwork, type MemoryNetwork } from "../net/index.ts";
import { FakeClock, rejects, seededRandom, settle } from "../testkit/index.ts";
import {
  groupOf,
  type Members,
  type NetworkPeer,
  networkPeer,
} from "../testkit/pullsync/network-peer.ts";
import { chunksOf } from "../testkit/pullsync/pull-world.ts";

const [PICTURES, MUSIC] = [groupOf("pictures"), groupOf("music")];

class World implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly network: MemoryNetwork = createMemoryNetwork({ clock: this.clock });
  readonly members: Members = new Map();
  readonly peers: NetworkPeer[] = [];

  async open(...groups: (typeof PICTURES)[]): Promise<NetworkPeer> {
    const number = this.peers.length + 1;
    const transport = this.network.transport(deviceIdOf(new Uint8Array(32).fill(number)));
    const { clock, members } = this;
    const peer = await networkPeer(transport, { clock, random: seededRandom(number), members });
    this.peers.push(peer);
    for (const group of groups) {
      this.enrol(group, transport.device);
      await peer.networks.add(group);
    }
    return peer;
  }

  enrol({ name }: { name: string }, device: DeviceId): void {
    this.members.set(name, new Set([...(this.members.get(name) ?? []), device]));
    for (const { networks } of this.peers) networks.membersChanged();
  }

  expel({ name }: { name: string }, device: DeviceId): void {
    this.members.get(name)?.delete(device);
    for (const { networks } of this.peers) networks.membersChanged();
  }

  async connect(a: NetworkPeer, b: NetworkPeer): Promise<void> {
    await a.transport.connect(b.transport.device, b.transport.addresses());
  }

  async until(isSo: () => Promise<boolean>): Promise<void> {
    for (let n = 0; n < 3000; n++) {
      if (await isSo()) return;
      await this.clock.advance(10);
    }
    expect.fail("it did not come about in time");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.peers) await peer[Symbol.asyncDispose]();
  }
}

const sumOf = async ({ networks }: NetworkPeer, group = PICTURES): Promise<string> => {
  const { chunks, sum } = await networks.summary(group);
  return `${chunks} ${toHex(sum)}`;
};

describe("storage networks", () => {
  test("[PS50] a chunk that is placed reaches the connected storage peers, and no other network", async () => {
    await using world = new World();
    const [a, b, c] = [
      await world.open(PICTURES, MUSIC),
      await world.open(PICTURES),
      await world.open(MUSIC),
    ];
    await world.connect(a, b);
    await world.connect(a, c);
    const chunks = chunksOf(100);
    await a.put(PICTURES, chunks);
    await world.until(async () => (await sumOf(b)) === (await sumOf(a)));
    expect(await sumOf(c, MUSIC)).toBe(`0 ${"00".repeat(32)}`);
    const [status] = await b.networks.status();
    expect(status?.counters.chunksDelivered).toBe(100);
    expect(status?.progress.peers.map(({ peer }) => peer)).toEqual([a.transport.device]);
    await a.put(MUSIC, chunks.slice(0, 10));
    await world.until(async () => (await sumOf(c, MUSIC)) === (await sumOf(a, MUSIC)));
    expect((await c.networks.status())[0]?.counters.chunksDelivered).toBe(10);
    expect(await c.chunks.has(CONTENT, [chunks[20]!.address])).toEqual([false]);
  });

  test("[PS50] who becomes a storage peer is pulled without a new connection, who is one no more is left alone", async () => {
    await using world = new World();
    const [a, b] = [await world.open(PICTURES), await world.open()];
    await world.connect(a, b);
    await a.put(PICTURES, chunksOf(30));
    await b.networks.add(PICTURES);
    await world.clock.advance(60_000);
    // It keeps the network, but nobody takes it for a member.
    expect(await sumOf(b)).toBe(`0 ${"00".repeat(32)}`);
    world.enrol(PICTURES, b.transport.device);
    await world.until(async () => (await sumOf(b)) === (await sumOf(a)));
    world.expel(PICTURES, b.transport.device);
    await a.put(PICTURES, chunksOf(30, 1));
    await world.clock.advance(60_000);
    expect((await b.networks.summary(PICTURES)).chunks).toBe(30);
    expect((await a.networks.status())[0]?.progress.peers).toEqual([]);
    world.enrol(PICTURES, b.transport.device);
    await world.until(async () => (await sumOf(b)) === (await sumOf(a)));
  });

  test("[PS36] who learns later that the other is a member is not waited for until the end of the back-off", async () => {
    await using world = new World();
    const [a, b] = [await world.open(PICTURES), await world.open()];
    await world.connect(a, b);
    await b.networks.add(PICTURES);
    await a.put(PICTURES, chunksOf(30));
    await world.clock.advance(10 * 60_000);
    // Nobody tells the second that the first knows it now: only that it is asked by it.
    world.members.get(PICTURES.name)?.add(b.transport.device);
    a.networks.membersChanged(PICTURES);
    await world.clock.advance(1_000);
    expect((await b.networks.summary(PICTURES)).chunks).toBe(30);
  });

  test("[PS50] a network comes and goes by itself, and is known again", async () => {
    await using world = new World();
    const [a, b] = [await world.open(PICTURES, MUSIC), await world.open(PICTURES, MUSIC)];
    await world.connect(b, a);
    await a.put(PICTURES, chunksOf(20));
    await world.until(async () => (await sumOf(b)) === (await sumOf(a)));
    await b.networks.remove(PICTURES);
    await b.networks.remove(PICTURES);
    expect(b.networks.groups).toEqual([MUSIC]);
    await rejects((async () => await b.networks.place(PICTURES, []))(), "PULLSYNC_CLOSED");
    await a.put(PICTURES, chunksOf(20, 1));
    await a.put(MUSIC, chunksOf(20, 2));
    await world.until(async () => (await sumOf(b, MUSIC)) === (await sumOf(a, MUSIC)));
    await b.networks.add(PICTURES);
    await b.networks.add(PICTURES);
    await world.until(async () => (await sumOf(b)) === (await sumOf(a)));
    const pictures = (await b.networks.status()).find(({ group }) => group === PICTURES);
    expect(pictures?.counters.chunksOffered).toBe(20);
  });

  test("[PS50] a line that is lost ends the pulling, the next one begins it where it was", async () => {
    await using world = new World();
    const [a, b] = [await world.open(PICTURES), await world.open(PICTURES)];
    await world.connect(a, b);
    await a.put(PICTURES, chunksOf(40));
    await world.until(async () => (await sumOf(b)) === (await sumOf(a)));
    world.network.cut(a.transport.device, b.transport.device);
    await settle();
    expect((await b.networks.status())[0]?.progress.peers).toEqual([]);
    await a.put(PICTURES, chunksOf(5, 1));
    await world.connect(b, a);
    await world.until(async () => (await sumOf(b)) === (await sumOf(a)));
    expect((await b.networks.status())[0]?.counters.chunksOffered).toBe(45);
  });

  test("[PS33] networks that together have more bins than may wait at a peer take turns, and each gets what comes", async () => {
    await using world = new World();
    const groups = Array.from({ length: 5 }, (_, i) => groupOf(`group ${i}`));
    const [a, b] = [await world.open(...groups), await world.open(...groups)];
    await world.connect(a, b);
    await world.clock.advance(30_000);
    for (const [i, group] of groups.entries()) await a.put(group, chunksOf(20, i));
    await world.clock.advance(60_000);
    for (const group of groups) expect(await sumOf(b, group)).toBe(await sumOf(a, group));
    const states = (await b.networks.status()).map(({ progress }) => progress.peers[0]);
    for (const state of states)
      expect(state).toMatchObject({ state: "live", lastError: undefined });
  });

  test("[PS42] a lost chunk that is brought again by another way gets a number, and reaches the others", async () => {
    await using world = new World();
    const [a, b] = [await world.open(PICTURES), await world.open(PICTURES)];
    const chunks = chunksOf(10);
    await a.put(PICTURES, chunks);
    await a.chunks.delete(CONTENT, [chunks[3]!.address]);
    expect(await a.networks.verify(PICTURES)).toBe(1);
    await world.until(async () => a.networks.missing(PICTURES).length === 1);
    await a.chunks.put([chunks[3]!]);
    expect((await a.networks.summary(PICTURES)).chunks).toBe(9);
    await world.connect(a, b);
    await world.until(async () => (await b.networks.summary(PICTURES)).chunks === 10);
    expect(a.networks.missing(PICTURES)).toEqual([]);
    expect(await sumOf(b)).toBe(await sumOf(a));
  });

  test("[PS44] [PS50] a network that is wiped is filled by the others, and they notice", async () => {
    await using world = new World();
    const [a, b] = [await world.open(PICTURES), await world.open(PICTURES)];
    await world.connect(a, b);
    const chunks = chunksOf(40);
    await a.put(PICTURES, chunks);
    await world.until(async () => (await sumOf(b)) === (await sumOf(a)));
    await b.networks.wipe(PICTURES);
    await world.until(async () => (await sumOf(b)) === (await sumOf(a)));
    const epoch = (await b.networks.status())[0]?.epoch;
    world.network.cut(a.transport.device, b.transport.device);
    await world.connect(a, b);
    await world.until(
      async () => (await a.networks.status())[0]?.progress.peers[0]?.epoch === epoch,
    );
  });

  test("[PS50] a closed one keeps nothing more", async () => {
    await using world = new World();
    const a = await world.open(PICTURES);
    await a.networks.close();
    await a.networks.close();
    await rejects(a.networks.add(MUSIC), "PULLSYNC_CLOSED");
  });
});

const SIZE = 4;

/** What may happen to four storage peers. */
const EVENT = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      put: fc.nat(SIZE - 1),
      count: fc.integer({ min: 1, max: 40 }),
      seed: fc.nat(5),
    }),
  },
  { weight: 3, arbitrary: fc.record({ cut: fc.nat(SIZE - 1), from: fc.nat(SIZE - 1) }) },
  { weight: 4, arbitrary: fc.record({ join: fc.nat(SIZE - 1), to: fc.nat(SIZE - 1) }) },
  { weight: 3, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ leave: fc.nat(SIZE - 1) }) },
);

describe("whatever is put where, and however often lines are cut", () => {
  test("[PS51] storage peers that are connected in the end hold the same", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(EVENT, { maxLength: 25 }), async (events) => {
        await using world = new World();
        for (let i = 0; i < SIZE; i++) await world.open(PICTURES);
        const peer = (i: number): NetworkPeer => world.peers[i] as NetworkPeer;
        for (const event of events) {
          if ("put" in event)
            await peer(event.put).put(PICTURES, chunksOf(event.count, event.seed));
          else if ("cut" in event && event.cut !== event.from)
            world.network.cut(peer(event.cut).transport.device, peer(event.from).transport.device);
          else if ("join" in event && event.join !== event.to)
            await world.connect(peer(event.join), peer(event.to));
          else if ("leave" in event) {
            await peer(event.leave).networks.remove(PICTURES);
            await peer(event.leave).networks.add(PICTURES);
          } else if ("wait" in event) await world.clock.advance(event.wait);
        }
        for (let i = 1; i < SIZE; i++) await world.connect(peer(i - 1), peer(i));
        await world.until(async () => {
          const sums = await Promise.all(world.peers.map((it) => sumOf(it)));
          return new Set(sums).size === 1;
        });
        const put = new Set(
          events.flatMap((event) =>
            "put" in event
              ? chunksOf(event.count, event.seed).map(({ address }) => toHex(address))
              : [],
          ),
        );
        expect((await peer(0).networks.summary(PICTURES)).chunks).toBe(put.size);
      }),
      { seed: 51, numRuns: 15 },
    );
  });
});
