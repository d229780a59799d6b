/** Batches over several collections, and what they scan and delete. */

import { describe, expect, test, vi } from "vitest";
import { BATCH_OPS_MAX, utf8 } from "../base/index.ts";
import { ROW_SPACE } from "../history/index.ts";
import { exchange, grant, makeDevice, rowsOf, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import type { Batch, Collection, Database, KeyValue, ScanOptions } from "./index.ts";

type Rows = Collection<unknown>;

interface World {
  readonly ada: TestDevice;
  readonly clock: FakeClock;
  readonly db: Database;
  readonly rows: Rows;
  readonly others: Rows;
}

async function opened(): Promise<World> {
  const clock = new FakeClock();
  const ada = await makeDevice(1, { clock });
  const db = await ada.db("app");
  const [rows, others] = [db.collection<unknown>("rows"), db.collection<unknown>("others")];
  return { ada, clock, db, rows, others };
}

const sequence = ({ history }: TestDevice): number => history.sequence("app");
const coded = (code: string): unknown => expect.objectContaining({ code });

async function all<T>(scan: AsyncIterable<KeyValue<T>>): Promise<[string, T][]> {
  const found: [string, T][] = [];
  for await (const { key, value } of scan) found.push([key, value]);
  return found;
}

async function filled(rows: Rows, ...keys: string[]): Promise<void> {
  for (const key of keys) await rows.put(key, key);
}

const keysIn = async (batch: Batch, rows: Rows, options?: ScanOptions): Promise<string[]> =>
  (await all(batch.scan(rows, options))).map(([key]) => key);

describe("several collections", () => {
  test("[DB20] a batch over several collections is one write, here and at a peer", async () => {
    const { ada, db, rows, others } = await opened();
    await using phone = await makeDevice(2, { user: 1 });
    await db.batch((batch) => {
      batch.put(rows, "a", 1);
      batch.put(others, "a", 2);
    });
    const before = sequence(ada);
    await db.batch(async (batch) => {
      batch.put(rows, "a", await batch.get(others, "a"));
      batch.delete(others, "a");
      expect([await batch.get(rows, "a"), await batch.has(others, "a")]).toEqual([2, false]);
    });
    expect(sequence(ada)).toBe(before + 1);
    expect([await rowsOf(rows), await rowsOf(others)]).toEqual([[["a", 2]], []]);
    await exchange(ada, phone, [rows.id, others.id]);
    const theirs = await phone.db("app");
    const both = [theirs.collection(rows.id), theirs.collection(others.id)];
    expect(await Promise.all(both.map((one) => rowsOf(one)))).toEqual([[["a", 2]], []]);
    expect(phone.history.sequence("app")).toBe(1);
  });

  test("[DB20] what it may not do in one collection it does in none", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    await rows.put("a", 1);
    await grant(ada, rows.id, bea.user, "reader");
    await exchange(ada, bea, [rows.id]);
    const db = await bea.db("app");
    const [theirs, own] = [db.collection(rows.id), db.collection("own")];
    const refused = db.batch((batch) => {
      batch.put(own, "a", 1);
      batch.put(theirs, "a", 2);
    });
    await expect(refused).rejects.toThrow(coded("DB_NO_ACCESS"));
    expect([await own.has("a"), await theirs.get("a")]).toEqual([false, 1]);
  });

  test("[DB10] [DB20] a change in any collection that it reads makes it run again", async () => {
    const { db, rows, others } = await opened();
    let runs = 0;
    await db.batch(async (batch) => {
      runs += 1;
      const seen = (await batch.get(others, "n")) ?? 0;
      if (runs === 1) await others.put("n", 5);
      batch.put(rows, "n", seen);
    });
    expect([runs, await rows.get("n")]).toEqual([2, 5]);
  });

  test("[DB11] [DB20] it writes to 256 collections, and no more", async () => {
    const { ada, db } = await opened();
    const write = (count: number): Promise<void> =>
      db.batch((batch) => {
        for (let i = 0; i < count; i++) batch.put(db.collection(`c ${i}`), "a", i);
      });
    await expect(write(257)).rejects.toThrow(coded("DB_BATCH_TOO_LARGE"));
    expect(sequence(ada)).toBe(0);
    await write(256);
    expect(await db.collection("c 255").get("a")).toBe(255);
  });
});

describe("scans", () => {
  test("[DB19] a scan sees what the batch wrote before it, not what it writes later", async () => {
    const { db, rows } = await opened();
    await filled(rows, "a", "c", "e");
    await db.batch(async (batch) => {
      batch.put(rows, "b", "new");
      batch.delete(rows, "c");
      batch.put(rows, "e", "other");
      const scan = batch.scan(rows);
      batch.put(rows, "d", "late");
      batch.delete(rows, "a");
      const expected = [
        ["a", "a"],
        ["b", "new"],
        ["e", "other"],
      ];
      expect(await all(scan)).toEqual(expected);
      expect(await keysIn(batch, rows, { reverse: true })).toEqual(["e", "d", "b"]);
      expect(await keysIn(batch, rows, { start: "b", end: "e" })).toEqual(["b", "d"]);
      expect(await keysIn(batch, rows, { prefix: "d" })).toEqual(["d"]);
      expect(await keysIn(batch, rows, { limit: 2 })).toEqual(["b", "d"]);
      expect(await keysIn(batch, rows, { limit: 0 })).toEqual([]);
    });
    expect((await rowsOf(rows)).map(([key]) => key)).toEqual(["b", "d", "e"]);
  });

  test("[DB16] [DB19] scans and reads of a batch are of one moment", async () => {
    const { db, rows, others } = await opened();
    await filled(rows, "a", "b");
    await filled(others, "x");
    const seen = await db.batch(async (batch) => {
      const before = await keysIn(batch, rows);
      await filled(rows, "c");
      await filled(others, "y");
      return [before, await keysIn(batch, rows), await keysIn(batch, others)];
    });
    expect(seen).toEqual([["a", "b"], ["a", "b"], ["x"]]);
  });

  const PHANTOMS: readonly [string, ScanOptions, (rows: Rows) => Promise<void>, boolean][] = [
    ["a row appears", { start: "b", end: "d" }, (rows) => rows.put("bb", 1), true],
    ["a row changes", { start: "b", end: "d" }, (rows) => rows.put("c", 1), true],
    ["a row goes", { prefix: "c" }, (rows) => rows.delete("c"), true],
    ["a row appears in what was empty", { prefix: "x" }, (rows) => rows.put("xx", 1), true],
    ["the first key is included", { start: "b", end: "d" }, (rows) => rows.put("b", 1), true],
    ["the last is not", { start: "b", end: "d" }, (rows) => rows.put("d", 1), false],
    ["a row changes before it", { start: "b", end: "d" }, (rows) => rows.put("a", 1), false],
    ["a row changes behind what a limit left", { limit: 2 }, (rows) => rows.put("c", 1), false],
    ["a row appears before that", { limit: 2 }, (rows) => rows.put("aa", 1), true],
    [
      "a row changes before what a limit left of the last rows",
      { limit: 2, reverse: true },
      (rows) => rows.put("b", 1),
      false,
    ],
    [
      "a row appears behind the last",
      { limit: 2, reverse: true },
      (rows) => rows.put("e", 1),
      true,
    ],
    ["another limit was never reached", { limit: 9 }, (rows) => rows.put("e", 1), true],
  ];
  test.each(PHANTOMS)("[DB20] %s: %o", async (_, options, change, isConflict) => {
    const { db, rows, others } = await opened();
    await filled(rows, "a", "b", "c", "d");
    let runs = 0;
    await db.batch(async (batch) => {
      runs += 1;
      batch.put(others, "seen", await keysIn(batch, rows, options));
      if (runs === 1) await change(rows);
    });
    expect(runs).toBe(isConflict ? 2 : 1);
    const seen = await rowsOf(rows, options);
    if (isConflict) expect(await others.get("seen")).toEqual(seen.map(([key]) => key));
  });

  test("[DB20] a scan that was left early counts to its end", async () => {
    const { db, rows, others } = await opened();
    await filled(rows, "a", "b", "c");
    let runs = 0;
    await db.batch(async (batch) => {
      runs += 1;
      for await (const { key } of batch.scan(rows)) {
        batch.put(others, "first", key);
        break;
      }
      if (runs === 1) await rows.put("z", 1);
    });
    expect(runs).toBe(2);
  });

  test("[DB20] what a peer sends into a range is a conflict, and what others of the same turn write", async () => {
    const { ada, db, rows, others } = await opened();
    await using phone = await makeDevice(2, { user: 1 });
    await (await phone.db("app")).collection(rows.id).put("from phone", 1);
    let runs = 0;
    const count = (key: string): Promise<void> =>
      db.batch(async (batch) => {
        runs += 1;
        const { length } = await all(batch.scan(rows));
        if (runs === 1) await exchange(phone, ada, [rows.id]);
        batch.put(rows, key, length);
        batch.put(others, key, length);
      });
    await count("one");
    expect([runs, await rows.get("one")]).toEqual([2, 1]);
    await Promise.all([count("two"), count("three")]);
    expect(await rowsOf(others)).toEqual([
      ["one", 1],
      ["three", 3],
      ["two", 2],
    ]);
  });

  test("[DB20] where more changes than is remembered, a range counts as changed", async () => {
    const { db, rows, others } = await opened();
    const many = db.collection("many");
    let runs = 0;
    await db.batch(async (batch) => {
      runs += 1;
      batch.put(rows, "seen", await keysIn(batch, others));
      if (runs > 1) return;
      // 10 000 names of 1 000 bytes: over what is kept.
      for (let from = 0; from < 10_000; from += 5000) {
        await db.batch((other) => {
          for (let i = from; i < from + 5000; i++)
            other.put(many, `${i}`.padStart(1000, "x"), null);
        });
      }
    });
    expect(runs).toBe(2);
  });

  test("[DB19] a batch opens 256 scans, and no more", async () => {
    const { db, rows } = await opened();
    await expect(
      db.batch(async (batch) => {
        for (let i = 0; i < 256; i++) await all(batch.scan(rows));
        expect(() => batch.scan(rows)).toThrow(coded("DB_BATCH_TOO_LARGE"));
        expect(() => batch.scan(rows, { limit: -1 })).toThrow(RangeError);
        expect(() => batch.scan(rows, { prefix: "a", start: "b" })).toThrow(TypeError);
        throw new Error("done");
      }),
    ).rejects.toThrow("done");
  });

  test("[DB19] a scan ends with its batch, and by its signal", async () => {
    const { db, rows } = await opened();
    await filled(rows, "a", "b", "c");
    let late: AsyncGenerator<KeyValue<unknown>> | undefined;
    await db.batch(async (batch) => {
      late = batch.scan(rows);
      expect((await late.next()).value).toEqual({ key: "a", value: "a" });
      const abort = new AbortController();
      const scan = batch.scan(rows, { signal: abort.signal });
      await scan.next();
      abort.abort(new Error("enough"));
      await expect(scan.next()).rejects.toThrow("enough");
    });
    await expect(late?.next()).rejects.toThrow(coded("DB_BATCH_ENDED"));
  });
});

describe("deleting a range in a batch", () => {
  test("[DB21] deletes what is there and what the batch put there, once", async () => {
    const { ada, db, rows } = await opened();
    await filled(rows, "a", "b", "c", "d");
    const before = sequence(ada);
    const counts = await db.batch(async (batch) => {
      batch.put(rows, "bb", 1);
      batch.delete(rows, "c");
      const range = { start: "b", end: "d" };
      return [await batch.deleteRange(rows, range), await batch.deleteRange(rows, range)];
    });
    expect(counts).toEqual([2, 0]);
    expect((await rowsOf(rows)).map(([key]) => key)).toEqual(["a", "d"]);
    expect(sequence(ada)).toBe(before + 1);
  });

  test("[DB20] [DB21] a row that appears in it meanwhile is not left over", async () => {
    const { db, rows } = await opened();
    await filled(rows, "a", "b");
    let runs = 0;
    await db.batch(async (batch) => {
      runs += 1;
      await batch.deleteRange(rows, {});
      if (runs === 1) await rows.put("c", 1);
    });
    expect([runs, await rowsOf(rows)]).toEqual([2, []]);
  });

  test("[DB11] [DB21] one that does not fit leaves the batch as it was", async () => {
    const { db, rows } = await opened();
    await db.batch((batch) => {
      for (let i = 0; i < 5001; i++) batch.put(rows, `${i}`, i);
    });
    await db.batch(async (batch) => {
      for (let i = 0; i < 5000; i++) batch.put(rows, `new ${i}`, i);
      await expect(batch.deleteRange(rows, { end: "n" })).rejects.toThrow(
        coded("DB_BATCH_TOO_LARGE"),
      );
    });
    expect((await rowsOf(rows)).length).toBe(10_001);
  });
});

describe("read-only batches", () => {
  test("[DB22] read one moment, refuse every write, and commit nothing", async () => {
    const { ada, db, rows, others } = await opened();
    await filled(rows, "a");
    const before = sequence(ada);
    let runs = 0;
    const seen = await db.batch(
      async (batch) => {
        runs += 1;
        const first = await batch.get(rows, "a");
        await rows.put("a", "changed");
        await others.put("b", 1);
        for (const write of [
          async () => batch.put(rows, "a", 1),
          async () => batch.delete(rows, "a"),
          () => batch.deleteRange(rows, {}),
          () => batch.counter(rows, "n").add(1),
        ])
          await expect(write()).rejects.toThrow(coded("DB_READ_ONLY_BATCH"));
        return [first, await batch.get(rows, "a"), await keysIn(batch, others)];
      },
      { readOnly: true },
    );
    expect([seen, runs]).toEqual([["a", "a", []], 1]);
    expect(sequence(ada)).toBe(before + 2);
    expect(await db.batch((batch) => batch.get(rows, "a"), { readOnly: true })).toBe("changed");
  });
});

test("[DB11] [DB21] a range of more rows than a batch may delete is not read to its end", async () => {
  const ada = await makeDevice(1);
  const db = await ada.db("app");
  const rows = db.collection("rows");
  await rows.put("0", 0);
  const row = await ada.history.row(rows.id, ROW_SPACE.rows, utf8("0"));
  let read = 0;
  // A range that never ends.
  vi.spyOn(ada.history, "scan").mockImplementation(async function* () {
    for (;;) yield await Promise.resolve({ key: utf8(String(read++).padStart(8, "0")), row });
  });
  await expect(db.batch((batch) => batch.deleteRange(rows, {}))).rejects.toMatchObject({
    code: "DB_BATCH_TOO_LARGE",
  });
  expect(read).toBe(BATCH_OPS_MAX + 1);
});
