import { expect, test } from "vitest";
import type { Clock } from "../base/index.ts";
import { ROW_SPACE } from "../history/index.ts";
import { HOLDER_INTERVAL_MS, HOLDER_REST_MS, readHolders } from "../holders/index.ts";
import { nodeClock } from "../node/index.ts";
import { admit, alike, eventually, shareTodos, SyncFlock, todosOf } from "../testkit/sync-flock.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";

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
    return olds.every(([rows, records]) => rows === 0 && records === 0);
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
