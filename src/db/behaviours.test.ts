import { expect, test } from "vitest";
import { decodeValue, type Mergeable } from "../base/index.ts";
import { openMemoryStore } from "../store/index.ts";
import { makeDevice, settleDevices, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import type { Collection, Database } from "./index.ts";

interface Pair {
  readonly devices: TestDevice[];
  readonly clocks: [FakeClock, FakeClock];
  readonly dbs: [Database, Database];
  readonly rows: [Collection<string>, Collection<string>];
  readonly meet: () => Promise<void>;
}

async function pair(): Promise<Pair> {
  const clocks: [FakeClock, FakeClock] = [new FakeClock(), new FakeClock()];
  const devices = [
    await makeDevice(1, { clock: clocks[0] }),
    await makeDevice(2, { user: 1, clock: clocks[1] }),
  ] as [TestDevice, TestDevice];
  const dbs: Pair["dbs"] = [await devices[0].db("app"), await devices[1].db("app")];
  const rows: Pair["rows"] = [dbs[0].collection("rows"), dbs[1].collection("rows")];
  await rows[0].put("first", "both");
  const meet = (): Promise<void> => settleDevices(devices, [rows[0].id]);
  await meet();
  return { devices, clocks, dbs, rows, meet };
}

const HOUR_MS = 3_600_000;

test("[CO3] causality beats clocks: who has seen the other's value is shown, however slow its clock", async () => {
  const { clocks, rows, meet } = await pair();
  clocks[0].jump(HOUR_MS);
  await rows[0].put("a", "by the fast clock");
  await meet();
  await rows[1].put("a", "seen and written over");
  await meet();
  for (const one of rows)
    expect(await one.row("a").visible()).toEqual({
      value: "seen and written over",
      conflict: false,
    });
});

test("[CO3] concurrent writes follow the clocks, right or wrong", async () => {
  const { clocks, rows, meet } = await pair();
  clocks[0].jump(HOUR_MS);
  await rows[0].put("a", "earlier, by a clock that is ahead");
  clocks[1].jump(1000);
  await rows[1].put("a", "later");
  await meet();
  for (const one of rows) expect(await one.get("a")).toBe("earlier, by a clock that is ahead");
});

test("[CO3] concurrent batches over the same hundred rows are shown from one side, whole", async () => {
  const { dbs, rows, meet } = await pair();
  const keys = Array.from({ length: 100 }, (_, i) => `row ${i}`);
  for (const [i, db] of dbs.entries()) {
    await db.batch((batch) => {
      for (const key of keys) batch.put(rows[i] as Collection<string>, key, `side ${i}`);
    });
  }
  await meet();
  const [here, there] = await Promise.all(
    rows.map((one) => Promise.all(keys.map((key) => one.get(key)))),
  );
  expect(new Set(here).size).toBe(1);
  expect(there).toEqual(here);
});

test("[CO3] of overlapping concurrent batches one side has all rows that both wrote", async () => {
  const { dbs, rows, meet } = await pair();
  const write = async (side: 0 | 1, keys: readonly string[]): Promise<void> => {
    await dbs[side].batch((batch) => {
      for (const key of keys) batch.put(rows[side], key, `side ${side}`);
    });
  };
  await write(0, ["a", "b", "c"]);
  await write(1, ["b", "c", "d"]);
  await meet();
  for (const one of rows) {
    const [a, b, c, d] = await Promise.all(["a", "b", "c", "d"].map((key) => one.get(key)));
    expect([a, d, b === c]).toEqual(["side 0", "side 1", true]);
  }
});

test("[CO3] several writes to one key in a batch are one version, and no conflict elsewhere", async () => {
  const { dbs, rows, meet } = await pair();
  await dbs[0].batch((batch) => {
    for (const value of ["one", "two", "three"]) batch.put(rows[0], "a", value);
  });
  await meet();
  expect(await rows[1].row("a").visible()).toEqual({ value: "three", conflict: false });
  expect(await rows[1].history("a")).toHaveLength(1);
});

test("[CO7] a device that has lost its store counts on under a new log, and nothing counts twice", async () => {
  const ada = await makeDevice(1);
  const ben = await makeDevice(2, { user: 1 });
  const rows = (await ada.db("app")).collection("rows");
  await rows.setPolicy("", "counter");
  await settleDevices([ada, ben], [rows.id]);
  const lost = (await ben.db("app")).collection("rows").counter("n");
  await lost.add(5);
  await lost.add(2);
  await rows.counter("n").add(10);
  await settleDevices([ada, ben], [rows.id]);
  await ben.close();

  const again = await makeDevice(2, { user: 1 });
  const theirs = (await again.db("app")).collection("rows");
  await settleDevices([ada, again], [rows.id]);
  await theirs.counter("n").add(1);
  await rows.counter("n").add(1);
  await settleDevices([ada, again], [rows.id]);
  await theirs.counter("n").add(1);
  await settleDevices([ada, again], [rows.id]);
  expect([await rows.get("n"), await theirs.get("n")]).toEqual([20, 20]);
});

test("[CO7] [CO15] a new log that begins with the change itself counts beside the one that was given up", async () => {
  const store = await openMemoryStore();
  const before = await makeDevice(1, { store });
  const key = new TextEncoder().encode("n");
  const db = await before.db("app");
  await db.collection("rows").counter("n").add(5);
  const log = before.history.ownLog("app");
  await before.close();

  // Opened as a store that may be a copy, so that its log ends with the first write.
  const copy = new Proxy(store, {
    get(target, property) {
      if (property === "origin") return "unknown";
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  // Opened once before, so that chance is not that of the original.
  await (await makeDevice(1, { store: copy })).close();
  await using again = await makeDevice(1, { store: copy });
  const rows = (await again.db("app")).collection("rows");
  expect(again.history.ownLog("app")).toBe(log);
  await rows.counter("n").add(1);
  expect(again.history.ownLog("app")).not.toBe(log);
  expect(await rows.get("n")).toBe(6);
  const [head] = (await again.history.row(rows.id, 0, key)).heads;
  const { content } = decodeValue(head?.value as Uint8Array) as Mergeable;
  expect(content).toMatchObject([1, [expect.any(Uint8Array)], [[0, expect.any(Number), 5]], [1]]);
  await (await again.db("app")).batch((batch) => batch.counter(rows, "n").add(1));
  expect(await rows.get("n")).toBe(7);
});

test("[CO15] a log that is given up between reading and writing leaves its total where it was", async () => {
  const ada = await makeDevice(1);
  const rows = (await ada.db("app")).collection("rows");
  await rows.counter("n").add(5);
  const log = ada.history.ownLog("app");
  const key = new TextEncoder().encode("n");
  const name = { space: 0, key, text: "n" };
  const row = await ada.history.row(rows.id, 0, key);
  const write = {
    parts: [{ scope: rows.id, rows: [{ name, value: Uint8Array.of(1) }] }],
    reads: [{ scope: rows.id, name, row }],
  };
  const other = log.replace(/.$/, (digit) => (digit === "0" ? "1" : "0")) as typeof log;
  expect(await ada.history.write({ ...write, log: other })).toBe("conflict");
  expect(await rows.get("n")).toBe(5);
  expect(await ada.history.write({ ...write, log })).toBe("written");
  expect(await rows.get("n")).toBe(1);
});

test("[CO7] [CO8] what a device changes again and again takes no more room", async () => {
  const { devices, rows, meet } = await pair();
  const sizes: number[][] = [];
  for (const round of [0, 1, 2, 3]) {
    for (const one of rows) {
      await one.counter("n").add(1);
      await one.set("s").add("x");
      await one.map("m").set("a", 1);
      await one.map("m").set("b", 1);
      await one.map("m").delete("b");
      await meet();
    }
    const found = await devices[0]?.history.rows(
      rows[0].id,
      0,
      ["n", "s", "m"].map((key) => new TextEncoder().encode(key)),
    );
    if (round > 0) sizes.push((found ?? []).map(({ heads }) => heads[0]?.value?.length ?? 0));
  }
  expect(sizes[1]).toEqual(sizes[0]);
  expect(sizes[2]).toEqual(sizes[0]);
});

test("[CO18] history tells the versions that are kept, newest first, with hints and which are heads", async () => {
  const { devices, clocks, rows, meet } = await pair();
  const [here, there] = rows;
  await here.put("a", "1", { hint: "made" });
  await here.put("a", "2");
  await meet();
  await here.put("a", "3");
  clocks[1].jump(1000);
  await there.put("a", "4", { hint: "there" });
  await meet();
  for (const one of rows) {
    const kept = await one.row("a").history();
    expect(kept.map(({ value, hint, head }) => ({ value, hint, head }))).toEqual([
      { value: "4", hint: "there", head: true },
      { value: "3", hint: undefined, head: true },
      { value: "2", hint: undefined, head: false },
      { value: "1", hint: "made", head: false },
    ]);
    expect(kept.map(({ device }) => device)).toEqual([
      devices[1]?.device,
      ...Array.from({ length: 3 }, () => devices[0]?.device),
    ]);
    expect((await one.history("a", { limit: 2 })).map(({ value }) => value)).toEqual(["4", "3"]);
    expect(await one.history("nothing")).toEqual([]);
    await expect(one.history("a", { limit: 0 })).rejects.toThrow(RangeError);
  }
});

test("[CO16] conflicts tells each value with who wrote it, when, and what they said of it", async () => {
  const { devices, clocks, rows, meet } = await pair();
  await rows[0].setPolicy("k/", "keepAll");
  await rows[0].setPolicy("d/", "defer:admin");
  await rows[0].setPolicy("m/", "merge:nothing");
  clocks[1].jump(1000);
  for (const key of ["k/", "d/", "m/", "x/"]) {
    await rows[0].put(key, "here", { hint: "h" });
    await rows[1].put(key, "there");
  }
  await meet();
  for (const key of ["k/", "d/", "m/", "x/"]) {
    expect(await rows[0].conflicts(key)).toMatchObject([
      { value: "there", winner: true, hint: undefined, device: devices[1]?.device },
      { value: "here", winner: false, hint: "h", user: devices[0]?.user },
    ]);
  }
});
