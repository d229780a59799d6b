import { expect, test } from "vitest";
import { Tags } from "../access/index.ts";
import { CLOCK_AHEAD_MS_MAX, timestampMillis, utf8 } from "../base/index.ts";
import { ROW_SPACE } from "../history/index.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import {
  admit,
  eventually,
  knowledgeOf,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import { TrueTime } from "../time/index.ts";
import { CLOCK_INTERVAL_MS } from "./limits.ts";

const NOW = Date.UTC(2026, 0, 1);
const YEARS = 10 * 365 * 24 * 3_600_000;

interface Device {
  readonly peer: SyncPeer;
  readonly clock: FakeClock;
  readonly time: TrueTime;
}

/** A device whose clock is off by `errorMs`; of the user whose seed is given. */
async function open(
  flock: SyncFlock,
  name: string,
  errorMs: number,
  userSeed?: Uint8Array,
): Promise<Device> {
  const clock = new FakeClock(NOW + errorMs);
  const identity = await makeIdentity(name, userSeed);
  const { user } = identity.certified;
  const time = TrueTime.of({ clock, random: seededRandom(1), logger: () => {}, user: () => user });
  return { clock, time, peer: await flock.open(name, { clock, time, identity }) };
}

/** What NTP would do, without one. */
function hearNtp({ time, peer }: Device, truth: number): void {
  const offsetMs = truth - time.now();
  const claim = { lastNtp: truth, hops: 0, reboots: 0 };
  time.noteSample(
    { offsetMs, roundTripMs: 0, sent: truth, ...claim },
    peer.identity.certified.user,
  );
}

/** As `alike`, while time passes for all. */
async function allAlike(devices: readonly Device[]): Promise<void> {
  await eventually(async () => {
    for (const { clock } of devices) await clock.advance(500);
    return new Set(devices.map(({ peer }) => knowledgeOf(peer.history))).size === 1;
  });
}

/** Lets time pass for all, a little at a time. */
async function pass(devices: readonly Device[], ms: number): Promise<void> {
  for (let passed = 0; passed < 1.3 * ms; passed += 1000)
    await Promise.all(devices.map(({ clock }) => clock.advance(1000)));
}

async function stampOf({ peer }: Device, shared: SharedGroup, key: string): Promise<number> {
  const row = await peer.history.row(shared.collection, ROW_SPACE.rows, utf8(key));
  return timestampMillis(row.heads[0]?.timestamp ?? 0n);
}

test("[TI11] [TI7] a device whose clock is years off learns the time from another of its user's, and stamps by it", async () => {
  await using flock = new SyncFlock();
  const seed = seededRandom(5).bytes(32);
  const a = await open(flock, "a", 0, seed);
  const b = await open(flock, "b", YEARS, seed);
  const shared = await shareTodos(a.peer);
  hearNtp(a, NOW + 10_000);
  await admit(a.peer, b.peer, shared);
  await eventually(() => b.time.status().source === "peer");
  expect(b.time.status()).toMatchObject({ now: NOW + 10_000, offsetMs: 10_000 - YEARS, hops: 2 });
  await eventually(() => a.peer.sync.peers()[0]?.time !== undefined);
  expect(a.time.status().offsetMs).toBe(10_000);
});

test("[TI1] rows are stamped by the estimate", async () => {
  await using flock = new SyncFlock();
  const a = await open(flock, "a", YEARS);
  hearNtp(a, NOW + 10_000);
  const shared = await shareTodos(a.peer);
  await (await todosOf(a.peer, shared)).put("row", 1);
  expect(await stampOf(a, shared, "row")).toBe(NOW + 10_000);
});

test("[TI9] a member that lies about the time moves nobody's by more than the bound, and rows by none", async () => {
  await using flock = new SyncFlock();
  const victim = await open(flock, "victim", 0);
  const liar = await open(flock, "liar", 2 * YEARS);
  const shared = await shareTodos(victim.peer);
  await admit(victim.peer, liar.peer, shared);
  // By an honest mechanism: what it says, it says by GetTime and by its rows.
  for (let minutes = 4; minutes < 60; minutes += 4) {
    const claimed = victim.time.now() + minutes * 60_000;
    hearNtp(liar, claimed);
    await pass([victim, liar], CLOCK_INTERVAL_MS);
  }
  const { offsetMs } = victim.time.status();
  expect(offsetMs).toBeGreaterThan(0);
  expect(offsetMs).toBeLessThanOrEqual(CLOCK_AHEAD_MS_MAX);
  await (await todosOf(liar.peer, shared)).put("late", 1);
  await allAlike([victim, liar]);
  await (await todosOf(victim.peer, shared)).put("mine", 1);
  // The bound of timestamps, over the bound of the estimate.
  expect(await stampOf(victim, shared, "mine")).toBeLessThanOrEqual(
    victim.clock.now() + 2 * CLOCK_AHEAD_MS_MAX,
  );
});

test("[TI10] a call during which the clock is moved measures nothing, and the next one does", async () => {
  await using flock = new SyncFlock();
  const a = await open(flock, "a", 0);
  const b = await open(flock, "b", 0);
  await admit(a.peer, b.peer, await shareTodos(a.peer));
  const measured = (): number | undefined => a.peer.sync.peers()[0]?.time?.offsetMs;
  await eventually(() => measured() === 0);
  hearNtp(b, b.time.now() + 100_000);
  // b reads its clock when it answers: a's is moved in the middle of the call.
  const read = b.clock.now.bind(b.clock);
  let reads = 0;
  b.clock.now = () => {
    if (reads++ === 0) a.clock.jump(2000);
    return read();
  };
  while (reads === 0) await pass([a, b], 1000);
  await pass([a, b], 1000);
  expect(measured()).toBe(0);
  expect(a.time.status()).toMatchObject({ offsetMs: 0, source: "system" });
  while (measured() === 0) await pass([a, b], 1000);
  expect(a.time.status()).toMatchObject({ source: "peer", hops: 2 });
  // The fake clocks stand up to a second apart when one of them is read.
  expect(Math.abs(a.time.status().offsetMs - 98_000)).toBeLessThanOrEqual(1000);
});

test("[TI13] clocks ten years off, standing still and jumping: everything is written, arrives and comes to the same", async () => {
  await using flock = new SyncFlock();
  const random = seededRandom(20_261_127);
  const devices = [
    await open(flock, "right", 0),
    await open(flock, "ahead", YEARS),
    await open(flock, "behind", -YEARS),
    await open(flock, "frozen", 0),
    await open(flock, "nonsense", 0),
  ];
  const [first, ahead, , frozen, nonsense] = devices as [Device, Device, Device, Device, Device];
  const stopped = frozen.clock.now();
  frozen.clock.now = () => stopped;
  const nonsenses = [Number.NaN, -1, 1e300, Infinity, 0];
  nonsense.clock.now = () => nonsenses[random.below(nonsenses.length)] as number;
  const shared = await shareTodos(first.peer);
  for (const { peer } of devices.slice(1))
    await admit(first.peer, peer, shared, { role: "writer" });
  for (let round = 0; round < 12; round++) {
    for (const [i, { peer, clock }] of devices.entries()) {
      if (random.chance(0.3)) clock.jump((random.below(21) - 10) * 365 * 24 * 3_600_000);
      await (await todosOf(peer, shared)).put(`own ${i}`, round);
      await (await todosOf(peer, shared)).put("shared", `${i} ${round}`);
    }
  }
  await allAlike(devices);
  for (const { peer } of devices) {
    const todos = await todosOf(peer, shared);
    for (const i of devices.keys()) expect(await todos.get(`own ${i}`)).toBe(11);
  }
  // Whoever has seen a row writes over it, however late it says it is.
  await (await todosOf(ahead.peer, shared)).put("shared", "ahead");
  await allAlike(devices);
  await (await todosOf(frozen.peer, shared)).put("shared", "last");
  await allAlike(devices);
  for (const { peer } of devices)
    expect(await (await todosOf(peer, shared)).get("shared")).toBe("last");
  expect(first.peer.history.scope(shared.group)?.access.may(frozen.peer.device, Tags.READ)).toBe(
    true,
  );
});
