import { expect, test } from "vitest";
import {
  exchange,
  grant,
  makeDevice,
  rowsOf,
  settleDevices,
  type TestDevice,
} from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import type { Change, Collection, Database } from "./index.ts";

type Rows = Collection<unknown>;

interface Pair {
  readonly devices: [TestDevice, TestDevice];
  readonly dbs: [Database, Database];
  readonly rows: [Rows, Rows];
  readonly clock: FakeClock;
  readonly meet: () => Promise<void>;
}

/** Two devices of one user. */
async function pair(): Promise<Pair> {
  const here = await makeDevice(1);
  const clock = new FakeClock();
  const there = await makeDevice(2, { user: 1, clock });
  const dbs: [Database, Database] = [await here.db("app"), await there.db("app")];
  const rows: [Rows, Rows] = [dbs[0].collection("rows"), dbs[1].collection("rows")];
  await rows[0].put("first", 0);
  const meet = (): Promise<void> => settleDevices([here, there], [rows[0].id]);
  await meet();
  return { devices: [here, there], dbs, rows, clock, meet };
}

async function contend(
  { rows, clock, meet }: Pair,
  key: string,
  here: unknown,
  there: unknown,
): Promise<void> {
  await rows[0].put(key, here);
  // So that the second one wins.
  clock.jump(1000);
  await rows[1].put(key, there);
  await meet();
}

test("[CO13] a policy is set by an admin, and holds on every device", async () => {
  const both = await pair();
  const [here, there] = both.rows;
  await here.setPolicy("", "keepAll");
  await here.setPolicy("likes/", "counter");
  await both.meet();
  for (const one of [here, there]) {
    expect(one.policies()).toEqual([
      { prefix: "", policy: "keepAll" },
      { prefix: "likes/", policy: "counter" },
    ]);
  }
  await there.setPolicy("likes/", "set");
  await both.meet();
  expect(here.policies()[1]?.policy).toBe("set");
  const sequence = both.devices[0].history.sequence("app");
  await here.setPolicy("likes/", "set");
  expect(both.devices[0].history.sequence("app")).toBe(sequence);
});

test("[CO13] who is no admin, and what is no policy or prefix, is refused", async () => {
  await using ada = await makeDevice(1);
  await using ben = await makeDevice(2);
  const rows = (await ada.db("app")).collection("rows");
  const theirs = (await ben.db("app")).collection(rows.id);
  const refusal = (code: string): object => expect.objectContaining({ code }) as object;
  await expect(theirs.setPolicy("", "set")).rejects.toThrow(refusal("DB_NO_ACCESS"));
  await grant(ada, rows.id, ben.user, "writer");
  await exchange(ada, ben, [rows.id]);
  await expect(theirs.setPolicy("", "set")).rejects.toThrow(refusal("DB_NO_ACCESS"));
  await expect(rows.setPolicy("", "sets" as never)).rejects.toThrow(
    refusal("CONFLICT_POLICY_INVALID"),
  );
  await expect(rows.setPolicy("x".repeat(1025), "set")).rejects.toThrow(refusal("DB_KEY_INVALID"));
  expect([rows.policies(), theirs.policies()]).toEqual([[], []]);
  for (let i = 0; i < 256; i++) await rows.setPolicy(`p${i}/`, "set");
  await expect(rows.setPolicy("one more", "set")).rejects.toThrow(refusal("DB_POLICIES_FULL"));
  await rows.setPolicy("p7/", "map");
  expect(rows.policies()).toHaveLength(256);
});

test("[CO14] get, has, scan, batches and watches show what the policy of the key makes visible", async () => {
  const both = await pair();
  const [here, there] = both.rows;
  for (const db of both.dbs)
    db.registerMerge(
      "longest",
      (values) =>
        values.toSorted((a, b) => (b as string).length - (a as string).length)[0] as never,
    );
  await here.setPolicy("n/", "counter");
  await here.setPolicy("m/", "merge:longest");
  await here.setPolicy("k/", "keepAll");
  await both.meet();
  await here.counter("n/a").add(2);
  await there.counter("n/a").add(3);
  await contend(both, "m/a", "a long text", "text");
  await contend(both, "k/a", "here", "there");
  const { history } = both.devices[0];
  for (const [i, one] of both.rows.entries()) {
    expect([await one.get("n/a"), await one.get("m/a"), await one.get("k/a")]).toEqual([
      5,
      "a long text",
      "there",
    ]);
    expect([await one.has("n/a"), await one.row("n/a").visible()]).toEqual([
      true,
      { value: 5, conflict: false },
    ]);
    expect(await one.row("k/a").visible()).toEqual({ value: "there", conflict: true });
    expect([(await one.conflicts("n/a")).length, (await one.conflicts("k/a")).length]).toEqual([
      0, 2,
    ]);
    const scanned: unknown[] = [];
    for await (const row of one.scan({ start: "k" })) scanned.push(row);
    expect(scanned).toEqual([
      { key: "k/a", value: "there", conflict: true },
      { key: "m/a", value: "a long text" },
      { key: "n/a", value: 5 },
    ]);
    const inBatch = await (both.dbs[i] as Database).batch(async (batch) => [
      await batch.get(one, "n/a"),
      await batch.counter(one, "n/a").value(),
      await batch.get(one, "m/a"),
    ]);
    expect(inBatch).toEqual([5, 5, "a long text"]);
    for await (const { changes, caughtUp } of one.watch()) {
      expect(changes.slice(1)).toEqual([
        { type: "put", key: "k/a", value: "there", conflict: true },
        { type: "put", key: "m/a", value: "a long text", conflict: false },
        { type: "put", key: "n/a", value: 5, conflict: false },
      ]);
      if (caughtUp) break;
    }
  }
  const sums = both.devices.map((device) => device.history.scope(here.id)?.sum.toBytes());
  expect(sums[0]).toEqual(sums[1]);
  await here.setPolicy("", "map");
  expect(history.scope(here.id)?.sum.toBytes()).toEqual(sums[0]);
});

test("[CO14] a row whose values merge is there although a deletion contends, and goes with one that has seen all", async () => {
  const both = await pair();
  const [here, there] = both.rows;
  await here.setPolicy("", "set");
  await here.set("s").add("a");
  await both.meet();
  await here.set("s").add("b");
  await there.delete("s");
  await both.meet();
  for (const one of both.rows) expect(await rowsOf(one, { prefix: "s" })).toEqual([["s", ["b"]]]);
  await there.delete("s");
  await both.meet();
  for (const one of both.rows)
    expect([await one.get("s"), await one.has("s")]).toEqual([undefined, false]);
});

test("[CO9] a row that holds something else than its policy merges is reported once", async () => {
  const events: string[] = [];
  const here = await makeDevice(1, { logger: (_level, event) => void events.push(event) });
  const there = await makeDevice(2, { user: 1 });
  const rows: [Rows, Rows] = [
    (await here.db("app")).collection("rows"),
    (await there.db("app")).collection("rows"),
  ];
  await rows[0].setPolicy("", "counter");
  await rows[0].put("a", 1);
  await rows[1].put("a", 2);
  await settleDevices([here, there], [rows[0].id]);
  expect((await rows[0].row("a").visible()).conflict).toBe(true);
  expect(await rows[0].conflicts("a")).toHaveLength(2);
  expect(events.filter((event) => event === "db.policy.kind")).toHaveLength(1);
});

test("[CO17] a watch tells the rows with several heads whose policy has changed, and no others", async () => {
  const both = await pair();
  const [here] = both.rows;
  await contend(both, "a/1", [1], [2]);
  await contend(both, "b/1", [1], [2]);
  await here.put("a/2", "one head");
  const told: Change<unknown>[][] = [];
  let isCaughtUp = false;
  const watching = (async () => {
    for await (const { changes, caughtUp } of here.watch()) {
      if (isCaughtUp && changes.length > 0) told.push([...changes]);
      isCaughtUp ||= caughtUp;
      if (changes.some(({ key }) => key === "end")) return;
    }
  })();
  await until(() => isCaughtUp);
  await both.rows[1].setPolicy("a/", "merge:join");
  await both.meet();
  await until(() => told.length === 1);
  both.dbs[0].registerMerge("other", (values) => values[0] as never);
  both.dbs[0].registerMerge("join", (values) => values.flat());
  await until(() => told.length === 2);
  await here.put("end", 1);
  await watching;
  expect(told).toEqual([
    [{ type: "put", key: "a/1", value: [2], conflict: true }],
    [{ type: "put", key: "a/1", value: [2, 1], conflict: false }],
    [{ type: "put", key: "end", value: 1, conflict: false }],
  ]);
});

test("[CO17] a change of policy above and beside a watch's prefix tells what lies under both", async () => {
  const both = await pair();
  const [here] = both.rows;
  const keys = Array.from({ length: 40 }, (_, i) => `a/${String(i).padStart(2, "0")}`);
  for (const key of [...keys, "b"]) {
    await here.put(key, [1]);
    await both.rows[1].put(key, [2]);
  }
  await both.meet();
  const told: string[] = [];
  let isCaughtUp = false;
  const watching = (async () => {
    for await (const { changes, caughtUp } of here.watch({ prefix: "a/" })) {
      if (isCaughtUp) told.push(...changes.map(({ key }) => key));
      isCaughtUp ||= caughtUp;
      if (told.includes("a/end")) return;
    }
  })();
  await until(() => isCaughtUp);
  await here.setPolicy("b", "set");
  await here.setPolicy("", "set");
  await until(() => told.length === keys.length);
  await here.put("a/end", 1);
  await watching;
  expect(told).toEqual([...keys, "a/end"]);
});

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

test("[HI44] a policy that the access list has no room for is refused, in words of the database", async () => {
  await using device = await makeDevice(1);
  const rows = (await device.db("app")).collection("rows");
  await rows.put("first", 0);
  const policies = Array.from({ length: 1000 }, (_, i) => {
    return { type: "policy", prefix: `${i}`, policy: "keepAll" } as const;
  });
  // As many as go in, by ever fewer at a time.
  while (policies.length > 0) {
    const write = { parts: [{ scope: rows.id, rows: [], controls: policies }] };
    await device.history.write(write).catch(() => policies.splice(policies.length >> 1));
  }
  const refused = rows.setPolicy("0", "counter");
  await expect(refused).rejects.toMatchObject({ code: "DB_CONTROLS_FULL" });
  // Rows of a device that is known there need no room.
  await rows.put("second", 1);
});
