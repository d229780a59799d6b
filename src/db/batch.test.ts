import { expect, test } from "vitest";
import { exchange, makeDevice, rowsOf, type TestDevice } from "../testkit/device.ts";
import type { Batch, Collection, Database } from "./index.ts";

async function opened(): Promise<{ ada: TestDevice; db: Database; rows: Collection<unknown> }> {
  const ada = await makeDevice(1);
  const db = await ada.db("app");
  return { ada, db, rows: db.collection<unknown>("rows") };
}

/** How many store writes have changed anything. */
const sequence = ({ history }: TestDevice): number => history.sequence("app");

const coded = (code: string): unknown => expect.objectContaining({ code });

test("[DB10] a batch is one write, and reads what it wrote", async () => {
  const { ada, db, rows } = await opened();
  await rows.put("a", 1);
  const before = sequence(ada);
  const result = await db.batch(async (batch) => {
    expect(await batch.get(rows, "a")).toBe(1);
    batch.put(rows, "a", 2);
    batch.put(rows, "b", 3);
    batch.delete(rows, "b");
    expect([await batch.get(rows, "a"), await batch.has(rows, "b")]).toEqual([2, false]);
    expect(await rows.get("a")).toBe(1);
    return "done";
  });
  expect([result, sequence(ada) - before]).toEqual(["done", 1]);
  expect(await rowsOf(rows)).toEqual([["a", 2]]);
});

test("[DB10] a batch reaches a peer as one", async () => {
  const { ada, db, rows } = await opened();
  await using phone = await makeDevice(2, { user: 1 });
  const theirs = (await phone.db("app")).collection<unknown>("rows");
  const pages = theirs.watch();
  expect(await pages.next()).toMatchObject({ value: { changes: [], caughtUp: true } });
  await db.batch((batch) => {
    for (let i = 0; i < 100; i++) batch.put(rows, `${i}`, i);
  });
  await exchange(ada, phone, [rows.id]);
  const page = await pages.next();
  expect(page.value?.changes.length).toBe(100);
  expect(page.value?.fromSync).toBe(true);
  await pages.return();
});

test("[DB10] what a batch read and another changed makes it run again", async () => {
  const { db, rows } = await opened();
  const numbers = rows as Collection<number>;
  const add = (): Promise<void> =>
    db.batch(async (batch) => {
      batch.put(numbers, "n", ((await batch.get(numbers, "n")) ?? 0) + 1);
    });
  // None of them finds the row; each has to see the others' writes before its own counts.
  await Promise.all([add(), add(), add()]);
  expect(await rows.get("n")).toBe(3);
});

test("[DB10] a batch that is always overtaken is given up after three runs", async () => {
  const { db, rows } = await opened();
  let runs = 0;
  const always = db.batch(async (batch) => {
    runs += 1;
    await batch.has(rows, "n");
    // A write of the collection itself is none of the batch's.
    await rows.put("n", runs);
    batch.put(rows, "other", runs);
  });
  await expect(always).rejects.toThrow(coded("DB_CONCURRENT_BATCH"));
  expect([runs, await rowsOf(rows)]).toEqual([3, [["n", 3]]]);
});

test("[DB10] a change of a row that the batch has not read, or only written, is no conflict", async () => {
  const { db, rows } = await opened();
  let runs = 0;
  await db.batch(async (batch) => {
    runs += 1;
    await batch.get(rows, "read");
    batch.put(rows, "written", "by batch");
    await rows.put("written", "beside");
    await rows.put("elsewhere", 1);
  });
  expect([runs, await rows.get("written")]).toEqual([1, "by batch"]);
  expect(await rows.conflicts("written")).toEqual([]);
});

test("[DB10] what arrives from a peer between read and commit is a conflict too", async () => {
  const { ada, db, rows } = await opened();
  await using phone = await makeDevice(2, { user: 1 });
  const theirs = (await phone.db("app")).collection<unknown>("rows");
  await theirs.put("n", 5);
  let runs = 0;
  await db.batch(async (batch) => {
    runs += 1;
    const n = await batch.get(rows, "n");
    if (runs === 1) await exchange(phone, ada, [rows.id]);
    batch.put(rows, "n", ((n as number | undefined) ?? 0) + 1);
  });
  expect([runs, await rows.get("n"), await rows.conflicts("n")]).toEqual([2, 6, []]);
});

test("[DB16] what a batch reads is the state of one moment", async () => {
  const { db, rows } = await opened();
  await db.batch((batch) => {
    batch.put(rows, "a", 1);
    batch.put(rows, "b", 1);
  });
  let runs = 0;
  const read = await db.batch(async (batch) => {
    runs += 1;
    const a = await batch.get(rows, "a");
    await db.batch((other) => {
      other.put(rows, "a", 2);
      other.put(rows, "b", 2);
    });
    return [a, await batch.get(rows, "b"), await batch.get(rows, "a")];
  });
  // It wrote nothing, so nothing had to be tried again.
  expect([read, runs]).toEqual([[1, 1, 1], 1]);
});

test("[DB16] a batch reads 10 000 rows, and no more", async () => {
  const { db, rows } = await opened();
  await expect(
    db.batch(async (batch) => {
      for (let i = 0; i < 10_000; i++) await batch.get(rows, `${i}`);
      await batch.get(rows, "0");
      await batch.get(rows, "one more");
    }),
  ).rejects.toThrow(/reads over 10000 rows/);
});

test("[DB11] a batch whose function fails writes nothing", async () => {
  const { ada, db, rows } = await opened();
  for (const fail of [
    () => {
      throw new Error("no");
    },
    () => Promise.reject(new Error("no")),
  ]) {
    const failing = db.batch((batch) => {
      batch.put(rows, "a", 1);
      return fail();
    });
    await expect(failing).rejects.toThrow("no");
  }
  await db.batch(() => {});
  await db.batch((batch) => batch.get(rows, "a"));
  expect([sequence(ada), await rowsOf(rows)]).toEqual([0, []]);
  await expect(db.batch(undefined as unknown as () => void)).rejects.toThrow(TypeError);
});

test("[DB11] a batch is of collections of its database", async () => {
  const { ada, db } = await opened();
  const elsewhere = (await ada.db("elsewhere")).collection<unknown>("rows");
  const use: ((batch: Batch, collection: typeof elsewhere) => unknown)[] = [
    (batch, collection) => batch.put(collection, "b", 1),
    (batch, collection) => batch.delete(collection, "b"),
    (batch, collection) => batch.deleteRange(collection, {}),
    (batch, collection) => batch.get(collection, "b"),
    (batch, collection) => batch.has(collection, "b"),
    (batch, collection) => batch.scan(collection),
  ];
  for (const first of use) {
    const foreign = db.batch(async (batch) => void (await first(batch, elsewhere)));
    await expect(foreign).rejects.toThrow(coded("DB_BATCH_SCOPES"));
    const none = db.batch(async (batch) => void (await first(batch, {} as typeof elsewhere)));
    await expect(none).rejects.toThrow(TypeError);
  }
  expect([sequence(ada), ada.history.sequence("elsewhere")]).toEqual([0, 0]);
});

test("[DB11] a refused call leaves the batch as it was", async () => {
  const { ada, db, rows } = await opened();
  const others = db.collection<unknown>("others");
  const elsewhere = (await ada.db("elsewhere")).collection<unknown>("rows");
  await db.batch((batch) => {
    expect(() => batch.put(others, "", 1)).toThrow(coded("DB_KEY_INVALID"));
    batch.put(rows, "a", 1);
    expect(() => batch.put(elsewhere, "b", 1)).toThrow(coded("DB_BATCH_SCOPES"));
    expect(() => batch.put(rows, "a", Symbol("no"))).toThrow(coded("DB_VALUE_UNSUPPORTED"));
  });
  expect([await rowsOf(rows), await rowsOf(others)]).toEqual([[["a", 1]], []]);
});

test("[DB11] a batch over its limits is refused at the call that goes over", async () => {
  const { ada, db, rows } = await opened();
  let added = 0;
  const many = db.batch((batch) => {
    for (; added <= 20_000; added++) batch.put(rows, `${added}`, added);
  });
  await expect(many).rejects.toThrow(coded("DB_BATCH_TOO_LARGE"));
  expect(added).toBe(10_000);
  added = 0;
  const large = db.batch((batch) => {
    for (; added < 40; added++) batch.put(rows, `${added}`, "x".repeat(1_000_000));
  });
  await expect(large).rejects.toThrow(coded("DB_BATCH_TOO_LARGE"));
  expect([added, sequence(ada)]).toEqual([16, 0]);
});

test("[DB11] ten thousand ops and what is written twice are one batch, and an ended one takes no more", async () => {
  const { db, rows } = await opened();
  let kept: Batch | undefined;
  await db.batch((batch) => {
    kept = batch;
    for (let i = 0; i < 10_000; i++) batch.put(rows, `${i}`, i);
    for (let i = 0; i < 10_000; i++) batch.put(rows, `${i}`, -i);
    batch.delete(rows, "7");
  });
  expect((await rowsOf(rows)).length).toBe(9_999);
  for (const call of [
    async () => kept?.put(rows, "late", 1),
    async () => kept?.delete(rows, "late"),
    async () => kept?.get(rows, "late"),
    async () => kept?.has(rows, "late"),
    async () => kept?.deleteRange(rows, {}),
  ])
    await expect(call()).rejects.toThrow(coded("DB_BATCH_ENDED"));
  expect(await rows.has("late")).toBe(false);
});

test("[DB11] an aborted batch writes nothing", async () => {
  const { ada, db, rows } = await opened();
  let runs = 0;
  const reason = new Error("enough");
  const abort = new AbortController();
  const aborted = db.batch(
    (batch) => {
      runs += 1;
      batch.put(rows, "a", 1);
      abort.abort(reason);
    },
    { signal: abort.signal },
  );
  await expect(aborted).rejects.toBe(reason);
  await expect(db.batch(() => (runs += 1), { signal: abort.signal })).rejects.toBe(reason);
  expect([runs, sequence(ada)]).toEqual([1, 0]);
});
