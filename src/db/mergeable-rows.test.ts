import { describe, expect, test } from "vitest";
import { codeOf } from "../base/index.ts";
import { makeDevice, settleDevices, type TestDevice } from "../testkit/device.ts";
import type { Collection, Database } from "./index.ts";

async function pair(): Promise<{
  devices: TestDevice[];
  dbs: Database[];
  rows: Collection[];
  meet: () => Promise<void>;
}> {
  const devices = [await makeDevice(1), await makeDevice(2, { user: 1 })];
  const dbs = await Promise.all(devices.map((device) => device.db("app")));
  const rows = dbs.map((db) => db.collection("rows"));
  const [first] = rows as [Collection];
  for (const policy of ["counter", "set", "map"] as const) await first.setPolicy(policy, policy);
  const meet = (): Promise<void> => settleDevices(devices, [first.id]);
  await meet();
  return { devices, dbs, rows, meet };
}

describe("[CO15] by themselves", () => {
  test("counters add up what every device adds, whenever they meet", async () => {
    const { rows, meet } = await pair();
    const [here, there] = rows.map((one) => one.counter("counter"));
    expect(await here?.value()).toBe(0);
    await here?.add(5);
    await there?.add(-2);
    await meet();
    await here?.add(1);
    await here?.add(1);
    await there?.add(10);
    await meet();
    for (const one of rows) expect(await one.get("counter")).toBe(15);
    await there?.add(0);
    await expect(here?.add(1.5)).rejects.toThrow(RangeError);
  });

  test("sets and maps take what every device changes", async () => {
    const { rows, meet } = await pair();
    const [here, there] = rows.map((one) => one.set<unknown>("set"));
    const [mapHere, mapThere] = rows.map((one) => one.map<unknown>("map"));
    await here?.add({ a: 1 });
    await here?.add("x");
    await mapHere?.set("name", "Ada");
    await mapHere?.set("age", 36);
    await meet();
    await here?.delete("x");
    await there?.add("y");
    await mapHere?.set("name", "Ada L.");
    await mapThere?.delete("age");
    await mapThere?.set("__proto__", [1]);
    await meet();
    for (const set of [here, there]) {
      expect(await set?.values()).toEqual(["y", { a: 1 }]);
      expect([await set?.has({ a: 1 }), await set?.has("x")]).toEqual([true, false]);
    }
    for (const map of [mapHere, mapThere]) {
      expect(await map?.entries()).toEqual([
        ["__proto__", [1]],
        ["name", "Ada L."],
      ]);
      expect([
        await map?.get("name"),
        await map?.get("age"),
        await map?.get("constructor"),
      ]).toEqual(["Ada L.", undefined, undefined]);
    }
  });

  test("what is done at once is all done, by few commits", async () => {
    const { devices, dbs, rows } = await pair();
    const [device] = devices as [TestDevice];
    const [first] = rows as [Collection];
    const other = (await device.db("app")).collection("rows");
    const before = device.history.sequence("app");
    await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        if (i % 3 === 0) await first.counter("counter").add(1);
        else if (i % 3 === 1) await other.counter("counter").add(1);
        else
          await dbs[0]
            ?.batch((batch) => batch.counter(first, "counter").add(1))
            .catch(isConcurrent);
      }),
    ).then(async () => {
      // Batches that gave up are told so; all others count.
      expect(await first.counter("counter").value()).toBe(300 - refused);
    });
    expect(device.history.sequence("app") - before).toBeLessThan(120);
    refused = 0;
  });

  test("the value is taken as it was given", async () => {
    const { rows } = await pair();
    const [first] = rows as [Collection];
    const element = { a: 1 };
    const adding = first.set("set").add(element);
    element.a = 2;
    await adding;
    expect(await first.get("set")).toEqual([{ a: 1 }]);
  });

  test("what changes nothing writes nothing", async () => {
    const { devices, rows } = await pair();
    const [first] = rows as [Collection];
    await first.map("map").set("a", 1);
    const before = devices[0]?.history.sequence("app");
    await first.counter("counter").add(0);
    await first.set("set").delete("x");
    await first.map("map").delete("b");
    expect(devices[0]?.history.sequence("app")).toBe(before);
    expect(await first.has("counter")).toBe(false);
  });

  test("one that is refused does not spoil the others", async () => {
    const { rows } = await pair();
    const [first] = rows as [Collection];
    const large = "x".repeat(700_000);
    const outcomes = await Promise.allSettled([
      first.set("set").add("a"),
      first.set("set").add(`${large}1`),
      first.map("set").set("a", 1),
      first.set("set").add(`${large}2`),
      first.set("set").add("b"),
    ]);
    expect(
      outcomes.map((one) => (one.status === "rejected" ? codeOf(one.reason) : "done")),
    ).toEqual(["done", "done", "CONFLICT_KIND_MISMATCH", "DB_VALUE_TOO_LARGE", "done"]);
    const values = await first.set<string>("set").values();
    expect(values.map((value) => value.slice(0, 1))).toEqual(["a", "b", "x"]);
  });

  test("a row that holds something else is left alone", async () => {
    const { rows } = await pair();
    const [first] = rows as [Collection];
    await first.put("a", "text");
    const refusal = expect.objectContaining({ code: "CONFLICT_KIND_MISMATCH" });
    await expect(first.counter("a").add(1)).rejects.toThrow(refusal);
    await expect(first.counter("a").value()).rejects.toThrow(refusal);
    await expect(first.set("a").values()).rejects.toThrow(refusal);
    await expect(first.map("a").entries()).rejects.toThrow(refusal);
    expect(await first.get("a")).toBe("text");
  });

  test("what looks like a counter, a set or a map goes on as one", async () => {
    const { rows, meet } = await pair();
    const [here, there] = rows as [Collection, Collection];
    await here.put("counter", 5);
    await here.put("set", ["a"]);
    await here.put("map", { a: 1 });
    await meet();
    await Promise.all([here.counter("counter").add(1), there.counter("counter").add(2)]);
    await Promise.all([here.set("set").add("b"), there.set("set").delete("a")]);
    await Promise.all([here.map("map").set("b", 2), there.map("map").set("c", 3)]);
    await meet();
    for (const one of rows) {
      expect([await one.get("counter"), await one.get("set"), await one.get("map")]).toEqual([
        8,
        ["b"],
        { a: 1, b: 2, c: 3 },
      ]);
    }
  });
});

test("[CO15] what is asked for at the very end of those before is done, too", async () => {
  const { devices, rows } = await pair();
  const counter = (rows[0] as Collection).counter("counter");
  // From the write on, one step of the loop later each time: one of them falls into the last step of the changes before.
  for (let steps = 0; steps < 40; steps++) {
    const later = Promise.withResolvers<void>();
    const goOn = async (): Promise<void> => {
      for (let i = 0; i < steps; i++) await Promise.resolve();
      await counter.add(1);
    };
    const stop = devices[0]?.history.onWritten(() => {
      stop?.();
      goOn().then(later.resolve, later.reject);
    });
    await counter.add(1);
    await later.promise;
  }
  expect(await counter.value()).toBe(80);
});

let refused = 0;
function isConcurrent(error: unknown): void {
  expect(error).toMatchObject({ code: "DB_CONCURRENT_BATCH" });
  refused += 1;
}

describe("[CO15] in a batch", () => {
  test("they follow what the batch has done, and go with it or not at all", async () => {
    const { dbs, rows, meet } = await pair();
    const [here, there] = rows as [Collection, Collection];
    await here.counter("counter").add(1);
    await dbs[0]?.batch(async (batch) => {
      const counter = batch.counter(here, "counter");
      await Promise.all([counter.add(2), counter.add(3)]);
      expect([await counter.value(), await batch.get(here, "counter")]).toEqual([6, 6]);
      batch.put(here, "set", ["x"]);
      await batch.set(here, "set").add("y");
      expect(await batch.set(here, "set").values()).toEqual(["x", "y"]);
      await batch.map(here, "map").set("a", 1);
      await batch.map(here, "map").set("b", 1);
      await batch.map(here, "map").delete("a");
    });
    await meet();
    for (const one of [here, there]) {
      expect([await one.get("counter"), await one.get("set"), await one.get("map")]).toEqual([
        6,
        ["x", "y"],
        { b: 1 },
      ]);
    }
    await expect(
      dbs[0]?.batch(async (batch) => {
        await batch.counter(here, "counter").add(100);
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(await here.get("counter")).toBe(6);
  });

  test("a deletion in the batch begins them anew", async () => {
    const { dbs, rows } = await pair();
    const [here] = rows as [Collection];
    await here.counter("counter").add(7);
    await dbs[0]?.batch(async (batch) => {
      batch.delete(here, "counter");
      await batch.counter(here, "counter").add(1);
    });
    expect(await here.get("counter")).toBe(1);
    await here.delete("counter");
    await here.counter("counter").add(2);
    expect(await here.get("counter")).toBe(2);
  });

  test("what others do meanwhile runs the batch again", async () => {
    const { dbs, rows } = await pair();
    const [here] = rows as [Collection];
    let runs = 0;
    await dbs[0]?.batch(async (batch) => {
      runs += 1;
      await batch.counter(here, "counter").add(1);
      if (runs === 1) await here.counter("counter").add(10);
    });
    expect([runs, await here.get("counter")]).toEqual([2, 11]);
  });
});
