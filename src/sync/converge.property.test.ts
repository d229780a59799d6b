/** Devices that write, are cut off, restarted and healed in any order end with the same rows, sums and knowledge. */

import { afterAll, expect, test } from "vitest";
import type { DeviceId } from "../base/index.ts";
import { createMemoryMedium, type MemoryMedium, openMemoryStore } from "../store/index.ts";
import { type SeededRandom, seededRandom } from "../testkit/index.ts";
import {
  admit,
  alike,
  FLOCK_DATABASE,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import type { Identity } from "../history/index.ts";
import { nodeClock } from "../node/index.ts";

const SEEDS = 30;
const STEPS = 25;
const KEYS = ["a", "b", "c", "d", "e"];

interface Seat {
  readonly name: string;
  readonly identity: Identity;
  readonly medium: MemoryMedium;
  peer: SyncPeer;
}

class World {
  readonly flock = new SyncFlock();
  readonly seats: Seat[] = [];
  readonly random: SeededRandom;
  shared: SharedGroup | undefined;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  async begin(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const name = `device ${i}`;
      const identity = await makeIdentity(name);
      const medium = createMemoryMedium();
      const store = await openMemoryStore({ medium });
      this.seats.push({
        name,
        identity,
        medium,
        peer: await this.flock.open(name, { identity, store }),
      });
    }
    const [first, ...others] = this.seats as [Seat, ...Seat[]];
    this.shared = await shareTodos(first.peer);
    for (const { peer } of others) await admit(first.peer, peer, this.shared);
  }

  async step(): Promise<void> {
    const { random, seats } = this;
    const seat = random.pick(seats);
    const roll = random.below(100);
    if (roll < 55) await this.write(seat);
    else if (roll < 65) this.cut(seat.peer.device, random.pick(seats).peer.device);
    else if (roll < 73) this.partition();
    else if (roll < 83) this.flock.network.heal();
    else if (roll < 90) await this.restart(seat);
    else await nodeClock().sleep(random.below(15));
  }

  async write({ name, peer }: Seat): Promise<void> {
    const todos = await todosOf(peer, this.shared as SharedGroup);
    const key = this.random.pick(KEYS);
    if (this.random.chance(0.2)) return todos.delete(key);
    const database = await peer.database(FLOCK_DATABASE);
    const value = `${name} ${this.random.below(1000)}`;
    if (this.random.chance(0.5)) return todos.put(key, value);
    return database.batch((batch) => {
      for (const each of this.random.shuffled(KEYS).slice(0, 3)) batch.put(todos, each, value);
    });
  }

  cut(a: DeviceId, b: DeviceId): void {
    if (a !== b) this.flock.network.cut(a, b);
  }

  partition(): void {
    const devices = this.random.shuffled(this.seats.map(({ peer }) => peer.device));
    const at = this.random.below(devices.length);
    this.flock.network.partition(devices.slice(0, at), devices.slice(at));
  }

  async restart(seat: Seat): Promise<void> {
    await this.flock.close(seat.peer);
    const { name, identity, medium } = seat;
    seat.peer = await this.flock.open(name, { identity, store: await openMemoryStore({ medium }) });
  }

  /** Heals, and sees that all come to the same. */
  async end(): Promise<void> {
    this.flock.network.heal();
    const [hub, ...others] = this.seats.map(({ peer }) => peer) as [SyncPeer, ...SyncPeer[]];
    // Nobody is to wait for a back-off.
    for (const other of others)
      await hub.transport.connect(other.device, other.transport.addresses());
    await alike([hub, ...others]);
    const seen = new Set<string>();
    for (const { peer } of this.seats) seen.add(await this.rowsAt(peer));
    expect(seen.size).toBe(1);
    for (const { peer } of this.seats)
      for (const { faults } of peer.sync.peers()) expect(faults).toBe(0);
    const bad = this.flock.events.filter(
      ({ event }) => event === "sync.sums.differ" || event === "history.incarnation",
    );
    expect(bad).toEqual([]);
  }

  async rowsAt(peer: SyncPeer): Promise<string> {
    const todos = await todosOf(peer, this.shared as SharedGroup);
    const rows: unknown[] = [];
    for (const key of KEYS) {
      const conflicts = await todos.conflicts(key);
      rows.push([key, (await todos.get(key)) ?? null, conflicts.map(({ value }) => value ?? null)]);
    }
    return JSON.stringify(rows);
  }
}

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
process.on("unhandledRejection", note);
afterAll(() => void process.off("unhandledRejection", note));

test("[SY1] [SY7] [SY11] [SY21] devices converge whatever happens to them meanwhile", async () => {
  const running = new Set<Promise<void>>();
  const run = async (seed: number): Promise<void> => {
    const world = new World(seed);
    try {
      await world.begin(seed % 2 === 0 ? 3 : 4);
      for (let step = 0; step < STEPS; step++) await world.step();
      await world.end();
    } catch (cause) {
      throw new Error(`Seed ${seed} fails`, { cause });
    } finally {
      await world.flock[Symbol.asyncDispose]();
    }
  };
  // Side by side: most of the time somebody waits.
  for (let seed = 1; seed <= SEEDS; seed++) {
    const one = run(seed).finally(() => running.delete(one));
    running.add(one);
    if (running.size >= 6) await Promise.race(running);
  }
  await Promise.all(running);
  expect(unhandled).toEqual([]);
}, 60_000);
