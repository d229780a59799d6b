import { expect, test, vi } from "vitest";
import { signDeviceRevocation } from "../access/index.ts";
import { BlobRef, type Clock, type ScopeId } from "../base/index.ts";
import { ROW_SPACE } from "../history/index.ts";
import {
  EMPTY_ROWS_MAX,
  HOLDER_INTERVAL_MS,
  HOLDER_REST_MS,
  emptyDestroyed,
  isOursToEmpty,
  readHolders,
} from "../holders/index.ts";
import { nodeClock, nodeCrypto } from "../node/index.ts";
import { admit, alike, eventually, shareTodos, SyncFlock, todosOf } from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";

/** For which rest comes at once, and an interval between records is over in less than a second. */
function hastyClock(): Clock {
  const clock = nodeClock();
  // What is left of an interval, as of a wait between two tries, is no whole number; time limits are, and stay.
  const isOverAtOnce = (ms: number): boolean =>
    ms === HOLDER_REST_MS || ms > HOLDER_INTERVAL_MS / 2 || !Number.isInteger(ms);
  return {
    now: () => clock.now(),
    monotonic: () => 500 * clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(isOverAtOnce(ms) ? 5 : ms, signal),
  };
}

/** For which there is never rest: nothing is published, dropped or emptied. */
function restlessClock(): Clock {
  const clock = nodeClock();
  const isRest = (ms: number): boolean => ms === HOLDER_REST_MS;
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(isRest(ms) ? 1e9 : ms, signal),
  };
}

/** Superseded versions of rows, and of holder records, in a peer's store. */
async function oldsOf({ store }: SyncPeer): Promise<readonly [rows: number, records: number]> {
  let rows = 0;
  let records = 0;
  const range = { gte: Uint8Array.of(0x21), lt: Uint8Array.of(0x22) };
  for await (const { key } of store.scan(range)) {
    if (key[5] === ROW_SPACE.rows) rows += 1;
    if (key[5] === ROW_SPACE.holders) records += 1;
  }
  return [rows, records];
}

test("[HO1] [HO3] [HO6] members say at rest what they hold, and what all have left behind goes", async () => {
  await using flock = new SyncFlock();
  const clock = hastyClock();
  const ada = await flock.open("ada", { clock });
  const shared = await shareTodos(ada);
  const peers = [ada, await flock.open("bea", { clock }), await flock.open("cyd", { clock })];
  for (const peer of peers.slice(1)) await admit(ada, peer, shared);
  const scope = ada.history.scope(shared.collection) ?? expect.unreachable();
  for (let i = 0; i < 10; i++) await (await todosOf(ada, shared)).put("often", i);
  await alike(peers);
  await eventually(async () => {
    const olds = await Promise.all(peers.map(oldsOf));
    // Of records the one before the last stays: that all have the last one is said only with the next.
    return olds.every(([rows, records]) => rows === 0 && records <= 2 * peers.length);
  });
  await alike(peers);
  expect((await readHolders(ada.history, scope)).size).toBe(3);
  // Records are no news: there is an end to them.
  const before = [...scope.vector()].toString();
  await nodeClock().sleep(1000);
  await alike(peers);
  expect([...scope.vector()].toString()).toBe(before);
  // Who comes late holds the same.
  const dan = await flock.open("dan", { clock });
  await admit(ada, dan, shared);
  await alike([...peers, dan]);
  expect(await (await todosOf(dan, shared)).get("often")).toBe(9);
});

test("[HO1] whoever is admitted is a holder from then on, that has nothing by its admin's word", async () => {
  await using flock = new SyncFlock();
  const [ada, bea] = [await flock.open("ada"), await flock.open("bea")];
  const shared = await shareTodos(ada);
  await admit(ada, bea, shared);
  const scope = ada.history.scope(shared.collection) ?? expect.unreachable();
  expect(await readHolders(ada.history, scope)).toEqual(new Map([[bea.device, new Map()]]));
});

test("[HO5] nothing goes while one of the members has not said that it has what came after", async () => {
  await using flock = new SyncFlock();
  const clock = hastyClock();
  const [ada, bea] = [await flock.open("ada", { clock }), await flock.open("bea", { clock })];
  const shared = await shareTodos(ada);
  await admit(ada, bea, shared);
  await alike([ada, bea]);
  await flock.close(bea);
  for (let i = 0; i < 3; i++) await (await todosOf(ada, shared)).put("often", i);
  await nodeClock().sleep(1000);
  expect((await oldsOf(ada))[0]).toBe(2);
});

test("[HO2] who leaves keeps nothing from going any more", async () => {
  await using flock = new SyncFlock();
  const clock = hastyClock();
  const [ada, bea] = [await flock.open("ada", { clock }), await flock.open("bea", { clock })];
  const cyd = await flock.open("cyd", { clock });
  const shared = await shareTodos(ada);
  for (const peer of [bea, cyd]) await admit(ada, peer, shared);
  await alike([ada, bea, cyd]);
  await cyd.sync.leave(shared.group);
  await flock.close(cyd);
  for (let i = 0; i < 3; i++) await (await todosOf(ada, shared)).put("often", i);
  await eventually(async () => {
    const olds = await Promise.all([ada, bea].map(oldsOf));
    return olds.every(([rows]) => rows === 0);
  });
  const scope = ada.history.scope(shared.collection) ?? expect.unreachable();
  expect([...(await readHolders(ada.history, scope)).keys()].toSorted()).toEqual(
    [ada.device, bea.device].toSorted(),
  );
});

test("[HO2] the record of one that has left is taken away by a later pass where the first could not write", async () => {
  await using flock = new SyncFlock();
  const clock = hastyClock();
  const [ada, bea] = [await flock.open("ada", { clock }), await flock.open("bea", { clock })];
  const shared = await shareTodos(ada);
  await admit(ada, bea, shared);
  await alike([ada, bea]);
  const write = ada.history.write.bind(ada.history);
  let refused = 0;
  vi.spyOn(ada.history, "write").mockImplementation(async (request) => {
    const rows = request.parts.flatMap((part) => part.rows);
    const isDismissal = rows.some(
      ({ name, value }) => name.space === ROW_SPACE.holders && value === undefined,
    );
    if (!isDismissal || refused > 0) return await write(request);
    refused += 1;
    throw new Error("refused");
  });
  await bea.sync.leave(shared.group);
  await eventually(() => refused === 1);
  const scope = ada.history.scope(shared.collection) ?? expect.unreachable();
  const todos = await todosOf(ada, shared);
  for (let i = 0; (await readHolders(ada.history, scope)).has(bea.device); i++) {
    await todos.put("news", i);
    await nodeClock().sleep(20);
  }
});

/** Rows in a peer's store that hold a value, and superseded versions beside rows. */
async function heldOf(peer: SyncPeer, collection: ScopeId): Promise<readonly [number, number]> {
  let values = 0;
  for await (const { row } of peer.history.scan(collection, ROW_SPACE.rows))
    if (row.heads.some(({ value }) => value !== undefined)) values += 1;
  return [values, (await oldsOf(peer))[0]];
}

test("[HO12] what a destroyed collection held goes from all who have it, also what comes later, and nobody new is sent it", async () => {
  await using flock = new SyncFlock();
  const clock = hastyClock();
  const ada = await flock.open("ada", { clock });
  const shared = await shareTodos(ada);
  const [bea, cyd] = [await flock.open("bea", { clock }), await flock.open("cyd", { clock })];
  for (const peer of [bea, cyd]) await admit(ada, peer, shared);
  const todos = await todosOf(ada, shared);
  const ref = new BlobRef({ root: new Uint8Array(32).fill(7), size: 1, depth: 0, chunker: 1 });
  await (
    await ada.database("notes")
  ).batch((batch) => {
    for (let i = 0; i < EMPTY_ROWS_MAX + 100; i++) batch.put(todos, `${i}`, "x".repeat(20));
    batch.put(todos, "photo", ref);
  });
  await alike([ada, bea, cyd]);
  // Written by somebody who has not heard of the end.
  flock.network.partition([ada.device, bea.device], [cyd.device]);
  await todos.destroy();
  await (await todosOf(cyd, shared)).put("late", 1);
  flock.network.heal();
  const isEmpty = async (peer: SyncPeer): Promise<boolean> =>
    String(await heldOf(peer, shared.collection)) === "0,0";
  await eventually(async () => (await Promise.all([ada, bea, cyd].map(isEmpty))).every(Boolean));
  await alike([ada, bea, cyd]);
  for (const { store } of [ada, bea, cyd]) {
    const edges = { gte: Uint8Array.of(0x32), lt: Uint8Array.of(0x33) };
    for await (const { key } of store.scan(edges)) expect(key).toBeUndefined();
  }
  const dan = await flock.open("dan", { clock });
  await admit(ada, dan, shared);
  await alike([ada, bea, cyd, dan]);
  expect(await heldOf(dan, shared.collection)).toEqual([0, 0]);
  await expect((await todosOf(dan, shared)).get("1")).rejects.toThrow("destroyed");
  expect(flock.events.filter(({ event }) => event === "sync.sums.differ")).toEqual([]);
}, 60_000);

test("[HO12] a device empties only what it has destroyed itself: a revocation of it undoes both", async () => {
  await using flock = new SyncFlock();
  const laptop = await makeIdentity("laptop");
  const stolen = await flock.open("laptop", { identity: laptop, clock: restlessClock() });
  const shared = await shareTodos(stolen);
  const phone = await flock.open("phone", {
    identity: await makeIdentity("phone", laptop.userSeed),
    clock: restlessClock(),
  });
  await admit(stolen, phone, shared);
  await (await todosOf(stolen, shared)).put("first", 1);
  await alike([stolen, phone]);
  const { history } = phone;
  const scope = history.scope(shared.collection) ?? expect.unreachable();
  const freeze = history.freezeOf(shared.collection, { device: stolen.device });
  await (await todosOf(stolen, shared)).destroy();
  await alike([stolen, phone]);
  expect(scope.access.destroyed).toBe(true);
  expect([stolen, phone].map((one) => isOursToEmpty(one.history, scope))).toEqual([true, false]);
  // As emptying does.
  await emptyDestroyed(stolen.history, scope);
  await alike([stolen, phone]);
  expect((await heldOf(phone, shared.collection))[0]).toBe(0);
  const about = { scope: shared.collection, device: stolen.device, freeze };
  const revocation = await signDeviceRevocation({ crypto: nodeCrypto() }, laptop.userSeed, about);
  await history.write({ parts: [{ scope: shared.collection, rows: [], controls: [revocation] }] });
  expect(scope.access.destroyed).toBe(false);
  expect(await (await todosOf(phone, shared)).get("first")).toBe(1);
});
