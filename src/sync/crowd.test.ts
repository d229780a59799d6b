import { setImmediate } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { type DeviceId, deviceOfLog, type ScopeId } from "../base/index.ts";
import { AUTHOR_GRACE_MS, GATHER_MS, HELD_BACK_MS } from "../deltas/index.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import {
  admit,
  FLOCK_DATABASE,
  knowledgeOf,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";

/** Milliseconds that pass in one step. */
const STEP_MS = 100;

/** Lets time pass until `condition` holds. */
async function until(clock: FakeClock, condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await clock.advance(STEP_MS);
    await setImmediate();
  }
}

/** What `work` comes to, while time passes. */
async function during<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let isOver = false;
  const over = (): void => void (isOver = true);
  work.then(over, over);
  await until(clock, () => isOver);
  return work;
}

const isAlike = (peers: readonly SyncPeer[]): boolean =>
  new Set(peers.map(({ history }) => knowledgeOf(history))).size === 1;

interface Crowd {
  readonly clock: FakeClock;
  readonly peers: SyncPeer[];
  readonly shared: { readonly group: ScopeId; readonly collection: ScopeId };
}

const MEMBERS = 10;
const flock = new SyncFlock();
let made: Promise<Crowd> | undefined;

afterAll(() => flock[Symbol.asyncDispose]());

/** One crowd for all tests here: most of their time is that its members join. */
function crowd(): Promise<Crowd> {
  return (made ??= makeCrowd());
}

/** Members who pull from each other, all from all. */
async function makeCrowd(): Promise<Crowd> {
  const clock = new FakeClock();
  const owner = await flock.open("owner", { clock });
  const shared = await shareTodos(owner);
  const peers = [owner];
  for (let i = 1; i < MEMBERS; i++) {
    const member = await flock.open(`member ${i}`, { clock });
    await during(clock, admit(owner, member, shared, { role: "writer" }));
    peers.push(member);
  }
  const isLive = (peer: SyncPeer): boolean =>
    peer.sync.peers().filter(({ pulls }) => pulls[FLOCK_DATABASE]?.state === "live").length ===
    MEMBERS - 1;
  await until(clock, () => peers.every(isLive) && isAlike(peers));
  // Until all has been told and published that comes of joining.
  await clock.advance(60_000);
  await until(clock, () => isAlike(peers));
  return { clock, peers, shared };
}

/** What a device takes from others from now on. */
interface Taken {
  pages: number;
  /** Parts with rows of the application, as often as they come. */
  readonly parts: { readonly author: DeviceId; readonly from: DeviceId }[];
  turns: number;
  storeWrites: number;
}

function takenBy(peer: SyncPeer): Taken {
  const taken: Taken = { pages: 0, parts: [], turns: 0, storeWrites: 0 };
  const receive = peer.history.receive.bind(peer.history);
  peer.history.receive = (database, delivery) => {
    taken.pages += 1;
    for (const { log, rows } of delivery.parts)
      if (rows.some(({ name }) => name.space === 0))
        taken.parts.push({ author: deviceOfLog(log), from: delivery.from });
    return receive(database, delivery);
  };
  peer.history.onWritten(({ fromSync }) => {
    if (fromSync) taken.turns += 1;
  });
  const write = peer.store.write.bind(peer.store);
  peer.store.write = (batch) => {
    taken.storeWrites += 1;
    return write(batch);
  };
  return taken;
}

test("[SY88] a lone commit reaches a crowd at once", async () => {
  const { clock, peers, shared } = await crowd();
  const [writer, ...others] = peers as [SyncPeer, ...SyncPeer[]];
  const lists = await Promise.all(others.map((peer) => todosOf(peer, shared)));
  await (await todosOf(writer, shared)).put("lone", { i: 1 });
  const began = clock.monotonic();
  // No time passes.
  for (let i = 0; i < 100; i++) await setImmediate();
  for (const todos of lists) expect(await todos.get("lone")).toEqual({ i: 1 });
  expect(clock.monotonic()).toBe(began);
});

test("[SY86] [SY88] [SY89] in a crowd a commit goes from its author to each, once, many in a page and a turn", async () => {
  const { clock, peers, shared } = await crowd();
  const taken = peers.map(takenBy);
  const lists = await Promise.all(peers.map((peer) => todosOf(peer, shared)));
  await clock.advance(10_000);
  const [rounds, roundMs] = [10, 150];
  for (let i = 0; i < rounds; i++) {
    await Promise.all(lists.map((todos, of) => todos.put(`${of} ${i}`, { i })));
    await clock.advance(roundMs);
  }
  await until(clock, () => isAlike(peers));
  for (const { parts, pages, turns, storeWrites } of taken) {
    expect(parts.length).toBe(rounds * (peers.length - 1));
    expect(parts.every(({ author, from }) => author === from)).toBe(true);
    // More than a commit a page, and all that comes in half a second a turn or two: some 30 of these.
    expect(pages).toBeLessThanOrEqual(parts.length * 0.6);
    expect(turns).toBeLessThanOrEqual((2 * rounds * roundMs) / GATHER_MS + 4);
    expect(storeWrites).toBeLessThanOrEqual(turns + rounds + 4);
  }
});

test("[SY86] [SY87] who is not reached by the author asks one of those who have told of it, and is not held back from any more", async () => {
  const { clock, peers, shared } = await crowd();
  const [writer, cut, ...others] = peers as [SyncPeer, SyncPeer, ...SyncPeer[]];
  writer.sync.punish(cut.device, new Error("not talked to any more"));
  await until(clock, () => cut.transport.connections().every(({ peer }) => peer !== writer.device));
  const taken = takenBy(cut);
  const todos = await todosOf(writer, shared);
  await todos.put("todo", { i: 1 });
  await clock.advance(GATHER_MS);
  expect(isAlike([writer, ...others])).toBe(true);
  const theirs = await todosOf(cut, shared);
  expect(await theirs.get("todo")).toBeUndefined();
  const began = clock.monotonic();
  await until(clock, async () => (await theirs.get("todo")) !== undefined);
  expect(clock.monotonic() - began).toBeLessThan(HELD_BACK_MS + AUTHOR_GRACE_MS);
  await clock.advance(60_000);
  expect(taken.parts.length).toBe(1);
  await todos.put("todo", { i: 2 });
  await clock.advance(3 * GATHER_MS);
  expect(await theirs.get("todo")).toEqual({ i: 2 });
});
