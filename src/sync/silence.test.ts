/** Peers that stop, and clocks that differ: what time decides, by a clock of the test's own. */

import { expect, test } from "vitest";
import { encodeValue } from "../base/index.ts";
import { FakeClock } from "../testkit/index.ts";
import {
  admit,
  DELTAS,
  eventually,
  knowledgeOf,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { atData, claims, forge, headsAt, serveScript, wirePart } from "../testkit/sync-hostile.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";
import {
  BlockedPeers,
  PageBudget,
  BLOCK_MAX_MS,
  BLOCK_MIN_MS,
  BLOCKED_PEERS_MAX,
  OPEN_TIMEOUT_MS,
  PAGES_HELD_BYTES_MAX,
  PART_MS_MAX,
  PART_TIMEOUT_MS,
} from "../deltas/index.ts";
import { CLOCK_INTERVAL_MS, RETRY_MAX_MS, RETRY_MIN_MS, STRANGER_MS_MAX } from "./limits.ts";

function statusOf(peer: SyncPeer, of: SyncPeer): ReturnType<SyncPeer["sync"]["peers"]>[number] {
  const status = peer.sync.peers().find(({ device }) => device === of.device);
  if (status === undefined) throw new Error("There is no link");
  return status;
}

/** A victim on a clock of the test's own, and a member whose service is closed. */
async function victimAndMember(flock: SyncFlock): Promise<{
  readonly clock: FakeClock;
  readonly victim: SyncPeer;
  readonly member: SyncPeer;
  readonly shared: Awaited<ReturnType<typeof shareTodos>>;
}> {
  const clock = new FakeClock(Date.now());
  const victim = await flock.open("victim", { clock });
  const member = await flock.open("member");
  const shared = await shareTodos(victim);
  await admit(victim, member, shared);
  await member.sync.close();
  return { clock, victim, member, shared };
}

async function meet(flock: SyncFlock, victim: SyncPeer, member: SyncPeer): Promise<void> {
  flock.network.cut(victim.device, member.device);
  await member.transport.connect(victim.device, victim.transport.addresses());
}

test("[SY17] a part that stops half way is given up, and nothing of it is kept", async () => {
  await using flock = new SyncFlock();
  const { clock, victim, member, shared } = await victimAndMember(flock);
  const rows = [
    { key: "half", value: encodeValue(1) },
    { key: "other half", value: encodeValue(2) },
  ];
  const { part } = await forge({ identity: member.identity, scope: shared.collection, rows });
  let isSent = false;
  serveScript(
    member,
    atData(async (asked) => {
      await asked.send({ commits: [{ ...wirePart(part), ops: part.ops.slice(0, 1), more: true }] });
      isSent = true;
    }),
  );
  await meet(flock, victim, member);
  await eventually(() => isSent);
  await clock.advance(PART_TIMEOUT_MS - 1000);
  expect(statusOf(victim, member).lastError?.code).not.toBe("SYNC_TIMEOUT");
  await clock.advance(1000);
  await eventually(() => statusOf(victim, member).lastError?.code === "SYNC_TIMEOUT");
  expect(statusOf(victim, member).faults).toBe(0);
  expect(await (await todosOf(victim, shared)).has("half")).toBe(false);
});

test("[SY17] a part that drips is given up in the end", async () => {
  await using flock = new SyncFlock();
  const { clock, victim, member, shared } = await victimAndMember(flock);
  const { part } = await forge({ identity: member.identity, scope: shared.collection });
  const op = part.ops[0] as Uint8Array;
  let drip: (() => Promise<void>) | undefined;
  let count = 0;
  serveScript(
    member,
    atData(async (asked) => {
      await asked.send({ commits: [{ ...wirePart(part), more: true }] });
      drip = () => asked.send({ commits: [{ ops: [op], more: true }] });
    }),
  );
  await meet(flock, victim, member);
  await eventually(() => drip !== undefined);
  const send = drip as unknown as () => Promise<void>;
  const step = PART_TIMEOUT_MS - 1000;
  while (statusOf(victim, member).lastError?.code !== "SYNC_TIMEOUT") {
    await send().catch(() => {});
    await clock.advance(step);
    count += 1;
    expect(count * step).toBeLessThan(2 * PART_MS_MAX);
  }
  expect(count * step).toBeGreaterThan(PART_TIMEOUT_MS);
});

test("[SY2] who does not say who it is, on either side, is not waited for", async () => {
  await using flock = new SyncFlock();
  const { clock, victim, member } = await victimAndMember(flock);
  let opened = 0;
  member.transport.handle(DELTAS, async (stream) => {
    opened += 1;
    while ((await stream.read()) !== undefined);
  });
  await meet(flock, victim, member);
  await eventually(() => opened === 1);
  const connection = await member.transport.connect(victim.device, victim.transport.addresses());
  const silent = await connection.open(DELTAS);
  await clock.advance(OPEN_TIMEOUT_MS);
  await eventually(() => silent.ended.aborted);
  await eventually(() => statusOf(victim, member).lastError?.code === "SYNC_TIMEOUT");
  expect(statusOf(victim, member).faults).toBe(0);
});

test("[SY19] a peer that is away is tried ever less often, and found when it comes back", async () => {
  await using flock = new SyncFlock();
  const clock = new FakeClock(Date.now());
  const a = await flock.open("a", { clock });
  const b = await flock.open("b");
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  // The first time b had nothing to serve yet.
  await eventually(async () => {
    await clock.advance(RETRY_MIN_MS);
    return knowledgeOf(a.history) === knowledgeOf(b.history);
  });
  flock.network.partition([a.device], [b.device]);
  const todos = await todosOf(a, shared);
  await todos.put("alone", 1);
  await clock.advance(10 * RETRY_MAX_MS);
  expect(statusOf(a, b)).toMatchObject({ isConnected: false });
  flock.network.heal();
  await clock.advance(1.25 * RETRY_MAX_MS);
  await eventually(async () => (await todosOf(b, shared)).has("alone"));
});

test("[SY32] a block ends, and is twice as long the next time", () => {
  const clock = new FakeClock();
  const blocked = new BlockedPeers(clock);
  const peer = "peer" as never;
  expect(blocked.has(peer)).toBe(false);
  blocked.add(peer);
  expect(blocked.has(peer)).toBe(true);
  clock.jump(BLOCK_MAX_MS);
  // The wall clock decides nothing.
  expect(blocked.has(peer)).toBe(true);
  return clock.advance(BLOCK_MIN_MS).then(async () => {
    expect(blocked.has(peer)).toBe(false);
    blocked.add(peer);
    await clock.advance(BLOCK_MIN_MS);
    expect(blocked.has(peer)).toBe(true);
    for (let i = 0; i < 30; i++) blocked.add(peer);
    await clock.advance(BLOCK_MAX_MS);
    expect(blocked.has(peer)).toBe(false);
    expect(blocked.faults(peer)).toBe(32);
    for (let i = 0; i < BLOCKED_PEERS_MAX; i++) blocked.add(`other ${i}` as never);
    expect(blocked.faults(peer)).toBe(0);
  });
});

test("[SY32] a peer that was blocked is taken again when the block has ended", async () => {
  await using flock = new SyncFlock();
  const { clock, victim, member, shared } = await victimAndMember(flock);
  let isBad = true;
  const { identity } = member;
  const heads = headsAt(victim, shared.collection);
  const good = await forge({ identity, scope: shared.collection, heads });
  serveScript(
    member,
    atData(async (asked) => {
      const part = isBad ? { ...good.part, signature: new Uint8Array(64) } : good.part;
      await asked.send({
        commits: [wirePart(part)],
        pageEnd: claims(shared.collection, [[good.log, 1]]),
      });
      await asked.caughtUp();
    }),
  );
  await meet(flock, victim, member);
  await eventually(() => statusOf(victim, member).isBlocked);
  isBad = false;
  await clock.advance(BLOCK_MIN_MS);
  await member.transport.connect(victim.device, victim.transport.addresses());
  await eventually(async () => (await todosOf(victim, shared)).has("forged"));
  expect(statusOf(victim, member)).toMatchObject({ faults: 1, isBlocked: false });
});

test("[SY35] a clock that is hours off is measured, again and again, and followed by nobody", async () => {
  await using flock = new SyncFlock();
  const hours = 5 * 3_600_000;
  const now = Date.now();
  const [ours, theirs] = [new FakeClock(now), new FakeClock(now + hours)];
  const a = await flock.open("a", { clock: ours });
  const b = await flock.open("b", { clock: theirs });
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  await eventually(() => statusOf(a, b).time !== undefined && statusOf(b, a).time !== undefined);
  expect(statusOf(a, b).time).toMatchObject({ offsetMs: hours, roundTripMs: 0, hops: 0 });
  expect(statusOf(b, a).time?.offsetMs).toBe(-hours);
  // b's owner puts it right.
  theirs.jump(-hours);
  let passed = 0;
  // Whoever measures may not have gone to sleep yet when time begins to pass.
  await eventually(async () => {
    await ours.advance(CLOCK_INTERVAL_MS);
    passed += CLOCK_INTERVAL_MS;
    return Math.abs(statusOf(a, b).time?.offsetMs ?? hours) <= passed;
  });
  expect(ours.now()).toBe(now + passed);
  await (await todosOf(b, shared)).put("row", 1);
  await eventually(async () => (await todosOf(a, shared)).has("row"));
});

test("[SY16] what is held is bounded, given out in order, and given up with the stream", async () => {
  const budget = new PageBudget();
  const half = PAGES_HELD_BYTES_MAX / 2;
  const { signal } = new AbortController();
  let relieved = 0;
  const stop = budget.onShort(() => (relieved += 1));
  await budget.frames.take(half - 10, signal);
  expect(budget.frames.has(10)).toBe(true);
  expect(budget.frames.has(11)).toBe(false);
  const ended = new AbortController();
  const order: string[] = [];
  const large = budget.frames.take(20, ended.signal).catch(() => order.push("ended"));
  const small = budget.frames.take(5, signal).then(() => order.push("small"));
  const next = budget.frames.take(50, signal).then(() => order.push("next"));
  expect(relieved).toBe(3);
  stop();
  // Small enough, but behind another: first come, first served.
  expect(budget.frames.has(5)).toBe(false);
  ended.abort(new Error("The stream has ended"));
  await Promise.all([large, small]);
  expect(order.toSorted()).toEqual(["ended", "small"]);
  budget.frames.give(half - 10);
  await next;
  await budget.largeParts.take(half, signal);
  const aborted = AbortSignal.abort(new Error("Too late"));
  await expect(budget.largeParts.take(1, aborted)).rejects.toThrow("Too late");
});

test("[SY16] frames that bring nothing are not held against others", async () => {
  await using flock = new SyncFlock();
  const victim = await flock.open("victim");
  const [member, friend] = [await flock.open("member"), await flock.open("friend")];
  const shared = await shareTodos(victim);
  await admit(victim, member, shared);
  await admit(victim, friend, shared);
  await member.sync.close();
  // Field 15, which nobody knows, 1 MB of it: far more in all than a process holds.
  const filler = new Uint8Array(1_000_000);
  filler.set([0x7a, 0xbc, 0x84, 0x3d]);
  let sent = 0;
  serveScript(
    member,
    atData(async (asked) => {
      for (; sent < 80; sent++) await asked.frames.send(filler);
      const empty = { vectors: [] };
      for (let i = 0; i < 100; i++) await asked.send({ pageEnd: empty });
    }),
  );
  await meet(flock, victim, member);
  // Its friend pulls from it too.
  await eventually(() => sent >= 80);
  await (await todosOf(friend, shared)).put("row", 1);
  await eventually(async () => (await todosOf(victim, shared)).has("row"));
  expect(statusOf(victim, member).faults).toBe(0);
});

test("[SY113] while a dial gets no answer, a peer that reaches us is pulled from at once", async () => {
  await using flock = new SyncFlock();
  const { clock, victim, member } = await victimAndMember(flock);
  let dials = 0;
  // The clock stands still from here on: nothing but an abort ends a dial.
  const connect = (_: unknown, __: unknown, options: { readonly signal: AbortSignal }) => {
    dials += 1;
    const dial = Promise.withResolvers<never>();
    options.signal.addEventListener("abort", () => dial.reject(options.signal.reason as Error));
    return dial.promise;
  };
  const found = (): readonly string[] => member.transport.addresses();
  Object.assign(victim.transport, { connect, found });
  flock.network.cut(victim.device, member.device);
  await eventually(async () => {
    await clock.advance(RETRY_MIN_MS);
    return dials > 0;
  });
  let asked = 0;
  member.transport.handle(DELTAS, async () => {
    asked += 1;
    return Promise.resolve();
  });
  await member.transport.connect(victim.device, victim.transport.addresses());
  await eventually(() => asked > 0);
});

test("[SY113] a dial is not called off by the very connection that it makes", async () => {
  await using flock = new SyncFlock();
  const { clock, victim, member } = await victimAndMember(flock);
  flock.network.cut(victim.device, member.device);
  const { transport } = victim;
  const connect = transport.connect.bind(transport);
  let made = 0;
  // As libp2p does it: others hear of a connection before its dial is over, and a dial that is called off cuts it.
  const slowly: typeof connect = async (device, addresses, options) => {
    const connection = await connect(device, addresses, options);
    made += 1;
    const cut = (): void => void connection.close("called off");
    options?.signal?.addEventListener("abort", cut);
    await new Promise((resolve) => void setImmediate(resolve));
    options?.signal?.removeEventListener("abort", cut);
    return connection;
  };
  const found = (): readonly string[] => member.transport.addresses();
  Object.assign(transport, { connect: slowly, found });
  await eventually(async () => {
    await clock.advance(RETRY_MIN_MS);
    return made > 0;
  });
  await eventually(() => statusOf(victim, member).isConnected);
  await new Promise((resolve) => void setTimeout(resolve, 20));
  expect([made, transport.connections().length]).toEqual([1, 1]);
});

test("[SY36] who connects and shares nothing does not keep a place", async () => {
  await using flock = new SyncFlock();
  const clock = new FakeClock(Date.now());
  const victim = await flock.open("victim", { clock });
  const member = await flock.open("member");
  await shareTodos(victim);
  const addresses = victim.transport.addresses();
  const connection = await member.transport.connect(victim.device, addresses);
  await clock.advance(STRANGER_MS_MAX - 1);
  expect(connection.closed.aborted).toBe(false);
  await clock.advance(1);
  await eventually(() => connection.closed.aborted);
});

test("[SY36] a stranger whom the transport relays to others stays for as long as it does", async () => {
  await using flock = new SyncFlock();
  const clock = new FakeClock(Date.now());
  const victim = await flock.open("victim", { clock });
  const member = await flock.open("member");
  await shareTodos(victim);
  let isInUse = true;
  victim.transport.onConnection((connection) =>
    Object.defineProperty(connection, "isInUse", { get: () => isInUse }),
  );
  const connection = await member.transport.connect(victim.device, victim.transport.addresses());
  await clock.advance(3 * STRANGER_MS_MAX);
  expect(connection.closed.aborted).toBe(false);
  isInUse = false;
  await clock.advance(STRANGER_MS_MAX);
  await eventually(() => connection.closed.aborted);
});
