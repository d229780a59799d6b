import { expect, test } from "vitest";
import { type Clock, type DeviceId, deviceOfLog, type ScopeId } from "../base/index.ts";
import { HELD_BACK_MS } from "../deltas/index.ts";
import { nodeClock } from "../node/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  knowledgeOf,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";

/** The machine's clock, but that nobody tells what is held back before `release` is called. */
class PatientClock implements Clock {
  readonly #clock = nodeClock();
  #gate = Promise.withResolvers<void>();

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms !== HELD_BACK_MS && ms !== 2 * HELD_BACK_MS) return this.#clock.sleep(ms, signal);
    const ended = Promise.withResolvers<never>();
    signal?.addEventListener("abort", () => ended.reject(signal.reason), { once: true });
    return Promise.race([this.#gate.promise, ended.promise]);
  }

  /** Lets those who wait now go on. */
  release(): void {
    this.#gate.resolve();
    this.#gate = Promise.withResolvers<void>();
  }
}

const MEMBERS = 9;

interface Crowd {
  readonly clock: PatientClock;
  readonly peers: SyncPeer[];
  readonly shared: { readonly group: ScopeId; readonly collection: ScopeId };
}

/** Members who pull from each other, all from all. */
async function crowd(flock: SyncFlock): Promise<Crowd> {
  const clock = new PatientClock();
  const owner = await flock.open("owner", { clock });
  const shared = await shareTodos(owner);
  const peers = [owner];
  for (let i = 1; i < MEMBERS; i++) {
    const member = await flock.open(`member ${i}`, { clock });
    await admit(owner, member, shared, { role: "writer" });
    peers.push(member);
  }
  const isLive = (peer: SyncPeer): boolean =>
    peer.sync.peers().filter(({ pulls }) => pulls[FLOCK_DATABASE]?.state === "live").length ===
    MEMBERS - 1;
  // What was held back while they joined.
  await eventually(() => {
    clock.release();
    return (
      peers.every(isLive) && new Set(peers.map(({ history }) => knowledgeOf(history))).size === 1
    );
  });
  return { clock, peers, shared };
}

/** From whom `peer` gets the commits of `author` from now on, each as often as it comes. */
function senders(peer: SyncPeer, author: DeviceId): DeviceId[] {
  const from: DeviceId[] = [];
  const receive = peer.history.receive.bind(peer.history);
  peer.history.receive = (database, delivery) => {
    for (const { log, rows } of delivery.parts)
      if (deviceOfLog(log) === author && rows.some(({ name }) => name.space === 0))
        from.push(delivery.from);
    return receive(database, delivery);
  };
  return from;
}

test("[SY86] in a crowd a commit goes from its author to each, and nobody sends it once more", async () => {
  await using flock = new SyncFlock();
  const { clock, peers, shared } = await crowd(flock);
  const [writer, ...others] = peers as [SyncPeer, ...SyncPeer[]];
  const from = others.map((peer) => senders(peer, writer.device));
  const todos = await todosOf(writer, shared);
  for (let i = 0; i < 5; i++) {
    await todos.put(`todo ${i}`, { i });
    await alike(peers);
  }
  clock.release();
  await todos.put("last", {});
  await alike(peers);
  expect(new Set(from.flat())).toEqual(new Set([writer.device]));
});

test("[SY86] [SY87] who is not reached by the author asks others who have told of it, and is not held back from any more", async () => {
  await using flock = new SyncFlock();
  const { clock, peers, shared } = await crowd(flock);
  const [writer, cut, ...others] = peers as [SyncPeer, SyncPeer, ...SyncPeer[]];
  writer.sync.punish(cut.device, new Error("not talked to any more"));
  await eventually(() => cut.transport.connections().every(({ peer }) => peer !== writer.device));
  const todos = await todosOf(writer, shared);
  await todos.put("todo", { i: 1 });
  await alike([writer, ...others]);
  const theirs = await todosOf(cut, shared);
  expect(await theirs.get("todo")).toBeUndefined();
  await eventually(async () => {
    clock.release();
    return (await theirs.get("todo")) !== undefined;
  });
  await todos.put("todo", { i: 2 });
  await eventually(async () => JSON.stringify(await theirs.get("todo")) === '{"i":2}');
});
