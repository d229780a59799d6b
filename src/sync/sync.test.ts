import { expect, test } from "vitest";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  isConnected,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import { SyncService } from "./index.ts";

/** Row ops that `peer` has received from `from` on the stream that is open. */
function rowsFrom(peer: SyncPeer, from: SyncPeer): number {
  const status = peer.sync.peers().find(({ device }) => device === from.device);
  return status?.pulls[FLOCK_DATABASE]?.rows ?? 0;
}

test("[SY1] [SY5] two devices share rows both ways by a ticket", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  const ours = await todosOf(a, shared);
  await ours.put("milk", { text: "Buy milk" });
  await admit(a, b, shared);
  const theirs = await todosOf(b, shared);
  expect(await theirs.get("milk")).toEqual({ text: "Buy milk" });
  await theirs.put("eggs", { text: "Six" });
  await eventually(() => ours.has("eggs"));
  expect(a.transport.connections()).toHaveLength(1);
  await alike([a, b]);
});

test("[SY1] rows of a device reach one that it never meets", async () => {
  await using flock = new SyncFlock();
  const [a, b, c] = [await flock.open("a"), await flock.open("b"), await flock.open("c")];
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  await (await todosOf(b, shared)).put("b", 1);
  await eventually(async () => (await todosOf(a, shared)).has("b"));
  flock.network.partition([a.device, c.device]);
  await admit(a, c, shared);
  await eventually(async () => (await todosOf(c, shared)).has("b"));
  expect(isConnected(b, c.device)).toBe(false);
  // Live as well: b reaches a only, and c reaches a only.
  flock.network.partition([a.device, b.device]);
  await (await todosOf(b, shared)).put("later", 2);
  await eventually(async () => (await todosOf(a, shared)).has("later"));
  flock.network.partition([a.device, c.device]);
  await eventually(async () => (await todosOf(c, shared)).has("later"));
  expect(isConnected(b, c.device)).toBe(false);
});

test("[SY11] a large catch-up that is cut in the middle goes on where it was", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  const database = await a.database(FLOCK_DATABASE);
  const todos = database.collection("todos");
  const total = 20_000;
  for (let from = 0; from < total; from += 500) {
    await database.batch((batch) => {
      for (let i = from; i < from + 500; i++) batch.put(todos, `row ${i}`, "x".repeat(100));
    });
  }
  let received = 0;
  let writes = 0;
  b.history.onWritten(() => (writes += 1));
  const ticket = await a.sync.invite(shared.group);
  await b.sync.join(FLOCK_DATABASE, ticket);
  await eventually(() => rowsFrom(b, a) > total / 4);
  received += rowsFrom(b, a);
  const before = b.sync.progress(shared.group);
  flock.network.cut(a.device, b.device);
  expect(before?.have).toBeGreaterThan(0);
  expect(before?.have).toBeLessThan(before?.need ?? 0);
  await b.sync.ready(shared.group);
  received += rowsFrom(b, a);
  expect(received).toBeLessThan(1.5 * total);
  expect(writes).toBeGreaterThan(5);
  await alike([a, b]);
});

test("[SY11] a small catch-up is one write", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  await b.sync.pause(FLOCK_DATABASE);
  const ours = await todosOf(a, shared);
  for (let i = 0; i < 300; i++) await ours.put(`row ${i}`, "x".repeat(3000));
  const writes: number[] = [];
  b.history.onWritten(({ parts }) => writes.push(parts.length));
  await b.sync.resume(FLOCK_DATABASE);
  await alike([a, b]);
  expect(writes).toEqual([300]);
});

test("[SY13] commits arrive as they become durable, each by itself", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  const [ours, theirs] = [await todosOf(a, shared), await todosOf(b, shared)];
  for (let i = 0; i < 50; i++) {
    await ours.put("count", i);
    await eventually(async () => (await theirs.get("count")) === i);
  }
});

test("[SY13] what came from a peer is not sent back to it", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  await alike([a, b]);
  const bytesFromB = (): number => a.sync.peers()[0]?.pulls[FLOCK_DATABASE]?.bytes ?? 0;
  const before = bytesFromB();
  const ours = await todosOf(a, shared);
  for (let i = 0; i < 50; i++) await ours.put(`row ${i}`, "x".repeat(10_000));
  await (await todosOf(b, shared)).put("last", 1);
  await eventually(() => ours.has("last"));
  await alike([a, b]);
  expect(bytesFromB() - before).toBeLessThan(20_000);
});

test("[SY6] [SY14] asking anew while much is under way keeps the stream live", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  // Each new group is another scope to ask for, while the rows of the last one are under way.
  const database = await a.database(FLOCK_DATABASE);
  for (let i = 0; i < 8; i++) {
    const more = database.collection(`more ${i}`);
    for (let row = 0; row < 40; row++) await more.put(`row ${row}`, "x".repeat(20_000));
    const group = await a.sync.createGroup(FLOCK_DATABASE, `group ${i}`, {
      collections: [more.id],
    });
    await b.sync.join(FLOCK_DATABASE, await a.sync.invite(group));
  }
  await alike([a, b]);
  await eventually(() => b.sync.peers()[0]?.pulls[FLOCK_DATABASE]?.state === "live");
  await (await todosOf(a, shared)).put("last", 1);
  await eventually(async () => (await todosOf(b, shared)).has("last"));
  expect(b.sync.peers()[0]?.faults).toBe(0);
  expect(a.sync.peers()[0]?.faults).toBe(0);
});

test("[SY20] a paused database stands still both ways, and goes on at once when resumed", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  const [ours, theirs] = [await todosOf(a, shared), await todosOf(b, shared)];
  await alike([a, b]);
  await b.sync.pause(FLOCK_DATABASE);
  expect(b.sync.isPaused(FLOCK_DATABASE)).toBe(true);
  await ours.put("from a", 1);
  await theirs.put("from b", 1);
  await eventually(() => a.sync.peers()[0]?.lastError?.code === "SYNC_OFFLINE");
  expect(await ours.has("from b")).toBe(false);
  expect(await theirs.has("from a")).toBe(false);
  await b.sync.resume(FLOCK_DATABASE);
  await alike([a, b]);
  expect(await ours.has("from b")).toBe(true);
  // Twice quickly is as good as not at all.
  await b.sync.pause(FLOCK_DATABASE);
  await b.sync.resume(FLOCK_DATABASE);
  await ours.put("after", 1);
  await eventually(() => theirs.has("after"));
});

test("[SY20] a pause holds over restarts, of that database alone", async () => {
  await using flock = new SyncFlock();
  const [a, medium] = [await flock.open("a"), createMemoryMedium()];
  const b = await flock.open("b", { store: await openMemoryStore({ medium }) });
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  await alike([a, b]);
  await b.sync.pause(FLOCK_DATABASE);
  const { identity } = b;
  await flock.close(b);
  const again = await flock.open("b", { identity, store: await openMemoryStore({ medium }) });
  expect(again.sync.isPaused(FLOCK_DATABASE)).toBe(true);
  expect(again.sync.isPaused("other")).toBe(false);
  await (await todosOf(again, shared)).put("meanwhile", 1);
  expect(await (await todosOf(a, shared)).has("meanwhile")).toBe(false);
  await again.sync.resume(FLOCK_DATABASE);
  await alike([a, again]);
});

test("[SY21] a device that restarts gets only what is new", async () => {
  await using flock = new SyncFlock();
  const medium = createMemoryMedium();
  const identity = await makeIdentity("b");
  const a = await flock.open("a");
  let b = await flock.open("b", { identity, store: await openMemoryStore({ medium }) });
  const shared = await shareTodos(a);
  const ours = await todosOf(a, shared);
  for (let i = 0; i < 200; i++) await ours.put(`row ${i}`, i);
  await admit(a, b, shared);
  await flock.close(b);
  await ours.put("new", 1);
  b = await flock.open("b", { identity, store: await openMemoryStore({ medium }) });
  await eventually(async () => (await todosOf(b, shared)).has("new"));
  expect(rowsFrom(b, a)).toBe(1);
  await (await todosOf(b, shared)).put("back", 1);
  await eventually(() => ours.has("back"));
  await alike([a, b]);
});

test("[SY23] two groups over one collection carry each row once", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const home = await shareTodos(a, "home");
  const work = await shareTodos(a, "work");
  await admit(a, b, home);
  await admit(a, b, work);
  await (await todosOf(a, home)).put("one", 1);
  await eventually(async () => (await todosOf(b, work)).has("one"));
  await alike([a, b]);
  expect(b.sync.groups(FLOCK_DATABASE)).toHaveLength(2);
  expect(rowsFrom(b, a)).toBeLessThan(10);
});

test("[SY22] close ends promptly while a peer is silent, and leaves nothing behind", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  await b.sync.close();
  const protocols: string[] = [];
  for (const protocol of ["/rookery/sync/deltas/1.0.0", "/rookery/sync/call/1.0.0"]) {
    b.transport.handle(protocol, async (stream) => {
      protocols.push(protocol);
      // Takes everything, answers nothing.
      while ((await stream.read()) !== undefined);
    });
  }
  flock.network.cut(a.device, b.device);
  await b.transport.connect(a.device, a.transport.addresses());
  await eventually(() => protocols.length >= 2);
  await a.sync.close();
  await a.sync.close();
  await expect(a.sync.join(FLOCK_DATABASE, "rookery:")).rejects.toMatchObject({
    code: "ACCESS_TICKET_INVALID",
  });
  await expect(a.sync.ready(shared.group)).rejects.toMatchObject({ code: "SYNC_CLOSED" });
});

test("[SY22] a join under way ends with close", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  const ticket = await a.sync.invite(shared.group);
  await a.sync.close();
  let isAsked = false;
  a.transport.handle("/rookery/sync/call/1.0.0", async (stream) => {
    isAsked = true;
    while ((await stream.read()) !== undefined);
  });
  const joining = b.sync.join(FLOCK_DATABASE, ticket);
  const refused = expect(joining).rejects.toMatchObject({ code: "SYNC_CLOSED" });
  await eventually(() => isAsked);
  await b.sync.close();
  await refused;
});

test("[SY19] a peer that refuses is not asked as often as others write", async () => {
  await using flock = new SyncFlock();
  const [a, b] = [await flock.open("a"), await flock.open("b")];
  const shared = await shareTodos(a);
  await admit(a, b, shared);
  await alike([a, b]);
  await b.sync.close();
  let opened = 0;
  b.transport.handle("/rookery/sync/deltas/1.0.0", async (stream) => {
    opened += 1;
    stream.reset();
  });
  await eventually(() => opened === 1);
  for (let i = 0; i < 20; i++) {
    await a.sync.createGroup(FLOCK_DATABASE, `other ${i}`, { collections: [shared.collection] });
  }
  expect(opened).toBeLessThan(4);
});

test("[SY33] a refusal with an unknown code is an error, not a fault", async () => {
  const { isPeerFault, refusalError } = await import("../deltas/index.ts");
  expect(refusalError("SYNC_QUOTA_FULL", "Too much")).toMatchObject({ code: "SYNC_UNSUPPORTED" });
  expect(refusalError("SYNC_PENDING", "")).toMatchObject({ code: "SYNC_PENDING" });
  expect(isPeerFault(refusalError("SYNC_PROTOCOL", "You broke it"))).toBe(false);
  expect(SyncService).toBeDefined();
});
