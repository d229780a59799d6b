import { describe, expect, test } from "vitest";
import { BlobRef, type UserId, type Value } from "../base/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { grant, makeDevice, rowsOf, type TestDevice } from "../testkit/device.ts";
import { FakeClock, settle } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { FaultyMedium, fullDiskError } from "../testkit/store/store-faults.ts";
import { recovered } from "../testkit/store/store-world.ts";
import { type Collection, type Database, openDatabase, type ScanOptions } from "./index.ts";

/** A device, its database and a collection in it. */
async function opened(
  options: Parameters<typeof makeDevice>[1] = {},
): Promise<{ ada: TestDevice; db: Database; rows: Collection<unknown> }> {
  const ada = await makeDevice(1, options);
  const db = await ada.db("app");
  return { ada, db, rows: db.collection<unknown>("rows") };
}

/** Grows with each store write that changes anything: what a refused call must not move. */
const sequence = ({ history }: TestDevice): number => history.sequence("app");

const coded = (code: string): unknown => expect.objectContaining({ code });

describe("names", () => {
  test.for(["", "x".repeat(1025), "ü".repeat(513), "a\0b", "\ud800"])(
    "[DB1] a database or collection is not named %j",
    async (name) => {
      const { ada, db } = await opened();
      await expect(
        openDatabase({ history: ada.history, clock: ada.clock, logger: () => {} }, name),
      ).rejects.toThrow(coded("DB_NAME_INVALID"));
      expect(() => db.collection(name)).toThrow(coded("DB_NAME_INVALID"));
    },
  );

  test("[DB1] a name of 1 024 bytes is one", async () => {
    const { ada, db } = await opened();
    await (await ada.db("ü".repeat(512))).close();
    await db.collection("ü".repeat(512)).put("a", 1);
    expect(db.collections()).toMatchObject([{ name: "ü".repeat(512), owner: ada.user }]);
  });

  test("[DB1] a collection's owner is a user", async () => {
    const { ada, db } = await opened();
    expect(db.collection({ owner: ada.user, name: "rows" }).id).toEqual(db.collection("rows").id);
    for (const owner of ["", "did:key:z6Mk", ada.device] as UserId[]) {
      expect(() => db.collection({ owner, name: "rows" })).toThrow(coded("DB_NAME_INVALID"));
    }
    expect(() => db.collection({ owner: 1 as unknown as UserId, name: "rows" })).toThrow(TypeError);
    expect(() => db.collection(1 as unknown as string)).toThrow(TypeError);
  });

  test.for(["", "x".repeat(1025), "ü".repeat(513), "\udc00"])(
    "[DB2] a row has no key %j",
    async (key) => {
      const { ada, db, rows } = await opened();
      const before = sequence(ada);
      for (const call of [
        () => rows.put(key, 1),
        () => rows.get(key),
        () => rows.delete(key),
        () => rows.has(key),
        () => rows.conflicts(key),
        () => db.batch((batch) => batch.put(rows, key, 1)),
        () => db.batch((batch) => batch.delete(rows, key)),
        () => db.batch((batch) => batch.get(rows, key)),
      ]) {
        await expect(call()).rejects.toThrow(coded("DB_KEY_INVALID"));
      }
      expect(() => rows.row(key)).toThrow(coded("DB_KEY_INVALID"));
      if (key !== "") {
        for (const bounds of [{ prefix: key }, { start: key }, { end: key }])
          expect(() => rows.scan(bounds)).toThrow(coded("DB_KEY_INVALID"));
        expect(() => rows.watch({ prefix: key })).toThrow(coded("DB_KEY_INVALID"));
      }
      expect(sequence(ada)).toBe(before);
    },
  );

  test("[DB2] a key of 1 024 bytes is one, with NUL too", async () => {
    const { rows } = await opened();
    for (const key of ["ü".repeat(512), "a\0b", "\0"]) {
      await rows.put(key, key);
      expect(await rows.get(key)).toBe(key);
    }
  });

  test("[DB2] what is no text is a mistake of the program", async () => {
    const { rows } = await opened();
    for (const key of [1, undefined, null, {}] as unknown as string[]) {
      await expect(rows.get(key)).rejects.toThrow(TypeError);
      await expect(rows.put(key, 1)).rejects.toThrow(TypeError);
    }
    expect(() => rows.scan({ start: 1 as unknown as string })).toThrow(TypeError);
    expect(() => rows.watch({ prefix: 1 as unknown as string })).toThrow(TypeError);
  });
});

describe("rows", () => {
  test("[DB3] a value is taken as it is given, and what is none is refused", async () => {
    const { ada, db, rows } = await opened();
    const value = { list: [1, 2] };
    const putting = rows.put("a", value);
    value.list.push(3);
    await putting;
    await db.batch((batch) => {
      batch.put(rows, "b", value);
      value.list.push(4);
    });
    expect(await rows.get("a")).toEqual({ list: [1, 2] });
    expect(await rows.get("b")).toEqual({ list: [1, 2, 3] });
    const before = sequence(ada);
    for (const [none, code] of [
      [() => 1, "DB_VALUE_UNSUPPORTED"],
      [undefined, "DB_VALUE_UNSUPPORTED"],
      ["x".repeat(1024 * 1024), "DB_VALUE_TOO_LARGE"],
    ] as const) {
      await expect(rows.put("c", none)).rejects.toThrow(coded(code));
      await expect(db.batch((batch) => batch.put(rows, "c", none))).rejects.toThrow(coded(code));
    }
    expect(sequence(ada)).toBe(before);
    expect(await rows.has("c")).toBe(false);
  });

  test("[DB4] values come back type for type, absence is undefined", async () => {
    const { rows } = await opened();
    const blob = new BlobRef({ root: new Uint8Array(32).fill(7), size: 9, depth: 0, chunker: 1 });
    const values: Value[] = [
      null,
      -0,
      Number.NaN,
      1n,
      1,
      "",
      new Uint8Array([1]),
      new Date(5),
      blob,
      [null],
      { a: { b: [] } },
    ];
    for (const [i, value] of values.entries()) {
      await rows.put(`k${i}`, value);
      expect(await rows.get(`k${i}`)).toStrictEqual(value);
      expect(await rows.row(`k${i}`).get()).toStrictEqual(value);
      expect(await rows.has(`k${i}`)).toBe(true);
    }
    expect([await rows.get("none"), await rows.has("none")]).toEqual([undefined, false]);
  });

  test("[DB5] a deleted row is absent, and deleting nothing writes nothing", async () => {
    const { ada, db, rows } = await opened();
    await rows.put("a", 1);
    await rows.delete("a");
    expect([await rows.get("a"), await rows.has("a"), await rowsOf(rows)]).toEqual([
      undefined,
      false,
      [],
    ]);
    const before = sequence(ada);
    await rows.delete("a");
    await rows.row("never").delete();
    await db.batch((batch) => batch.delete(rows, "never"));
    expect(sequence(ada)).toBe(before);
    await rows.row("a").put(2);
    expect(await rowsOf(rows)).toEqual([["a", 2]]);
  });

  test("[DB6] scans are in the order of the keys' bytes, bounded as asked", async () => {
    const { rows } = await opened();
    const keys = ["b", "a", "ab", "a\u{10ffff}", "Z", "ä", "z", "a\uffff"];
    for (const [i, key] of keys.entries()) await rows.put(key, i);
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const keysOf = async (options?: ScanOptions): Promise<string[]> =>
      (await rowsOf(rows, options)).map(([key]) => key);
    expect(await keysOf()).toEqual(sorted);
    expect(await keysOf({ reverse: true })).toEqual(sorted.toReversed());
    expect(await keysOf({ prefix: "" })).toEqual(sorted);
    expect(await keysOf({ prefix: "a" })).toEqual(["a", "ab", "a\uffff", "a\u{10ffff}"]);
    expect(await keysOf({ prefix: "a\u{10ffff}" })).toEqual(["a\u{10ffff}"]);
    expect(await keysOf({ start: "ab", end: "z" })).toEqual(["ab", "a\uffff", "a\u{10ffff}", "b"]);
    expect(await keysOf({ start: "z", end: "a" })).toEqual([]);
    expect(await keysOf({ end: "" })).toEqual([]);
    expect(await keysOf({ limit: 2, reverse: true })).toEqual(sorted.toReversed().slice(0, 2));
    expect(await keysOf({ limit: 0 })).toEqual([]);
    await rows.delete("Z");
    expect(await keysOf({ limit: 1 })).toEqual(["a"]);
  });

  test("[DB6] bounds that make no sense are refused at the call", async () => {
    const { rows } = await opened();
    expect(() => rows.scan({ prefix: "a", start: "b" })).toThrow(TypeError);
    expect(() => rows.scan({ prefix: "", end: "b" })).toThrow(TypeError);
    for (const limit of [-1, 0.5, Number.NaN, "1" as unknown as number])
      expect(() => rows.scan({ limit })).toThrow(RangeError);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(rowsOf(rows, { signal })).rejects.toThrow("enough");
  });

  test("[DB6] a scan shows what was there when it began, and ends when it is aborted", async () => {
    const { db, rows } = await opened();
    await db.batch((batch) => {
      for (let i = 0; i < 3000; i++) batch.put(rows, String(i).padStart(5, "0"), 1);
    });
    let seen = 0;
    for await (const { value } of rows.scan()) {
      if (seen === 0) await rows.put("02999", 2);
      expect(value).toBe(1);
      seen += 1;
    }
    expect(seen).toBe(3000);
    const abort = new AbortController();
    const scanning = (async () => {
      for await (const { key } of rows.scan({ signal: abort.signal }))
        if (key === "00005") abort.abort(new Error("enough"));
    })();
    await expect(scanning).rejects.toThrow("enough");
  });

  test("[DB12] writes of one tick to one collection are one commit, the later of two to a row counts", async () => {
    const { ada, rows } = await opened();
    await rows.put("first", 0);
    const before = sequence(ada);
    const generations = (): number[] => [...(ada.history.scope(rows.id)?.vector().values() ?? [])];
    const [first = 0] = generations();
    await Promise.all(Array.from({ length: 64 }, (_, i) => rows.put(`k${i % 32}`, i)));
    expect([sequence(ada) - before, generations()]).toEqual([1, [first + 1]]);
    expect(await rows.get("k0")).toBe(32);
    await Promise.all([rows.put("gone", 1), rows.delete("gone"), rows.delete("k1")]);
    expect([await rows.has("gone"), await rows.has("k1")]).toEqual([false, false]);
  });
});

describe("refusals", () => {
  test("[DB13] who may not write is refused, and nothing is written", async () => {
    const { ada, db } = await opened();
    await using eve = await makeDevice(2);
    const theirs = db.collection<number>({ owner: eve.user, name: "theirs" });
    await expect(theirs.put("a", 1)).rejects.toThrow(coded("DB_NO_ACCESS"));
    await expect(db.batch((batch) => batch.put(theirs, "a", 1))).rejects.toThrow(
      coded("DB_NO_ACCESS"),
    );
    expect(sequence(ada)).toBe(0);
    expect(await theirs.get("a")).toBeUndefined();
  });

  test("[DB13] a collection that may not be written to now says why", async () => {
    let reason: string | undefined = "it has not caught up";
    const { ada, db, rows } = await opened({ readOnlyReason: () => reason });
    for (const writing of [rows.put("a", 1), db.batch((batch) => batch.put(rows, "a", 1))])
      await expect(writing).rejects.toThrow(/it has not caught up/);
    await expect(rows.delete("a")).rejects.toThrow(coded("DB_READ_ONLY"));
    expect([sequence(ada), await rows.has("a")]).toEqual([0, false]);
    reason = undefined;
    await rows.put("a", 1);
    expect(await rows.get("a")).toBe(1);
  });

  test("[DB13] a hint over 256 bytes is refused", async () => {
    const { ada, db, rows } = await opened();
    const hint = "ü".repeat(129);
    await expect(rows.put("a", 1, { hint })).rejects.toThrow(coded("DB_BATCH_TOO_LARGE"));
    const batch = db.batch((one) => one.put(rows, "a", 1), { hint });
    await expect(batch).rejects.toThrow(coded("DB_BATCH_TOO_LARGE"));
    await expect(rows.put("a", 1, { hint: 1 as unknown as string })).rejects.toThrow(TypeError);
    expect(sequence(ada)).toBe(0);
    await rows.put("a", 1, { hint: "ü".repeat(128) });
    expect(await rows.get("a")).toBe(1);
  });

  test("[DB13] what the store refuses passes through, and reads go on", async () => {
    const { rows, medium, store, clock } = await onFaultyMedium();
    await rows.put("a", 1);
    medium.failWrite({ error: fullDiskError() });
    await expect(rows.put("a", 2)).rejects.toThrow(coded("STORE_FULL"));
    await expect(rows.put("a", 3)).rejects.toThrow(coded("STORE_READ_ONLY"));
    expect(await rows.get("a")).toBe(1);
    await recovered(store, clock);
    await rows.put("a", 4);
    expect(await rows.get("a")).toBe(4);
  });
});

async function onFaultyMedium(): Promise<
  Awaited<ReturnType<typeof opened>> & {
    readonly medium: FaultyMedium;
    readonly store: Awaited<ReturnType<typeof openMemoryStore>>;
    readonly clock: FakeClock;
  }
> {
  const below = createMemoryMedium();
  const medium = new FaultyMedium(() => below.openEngine());
  const clock = new FakeClock();
  const store = await openMemoryStore({ medium, clock, random: seededRandom(1) });
  return { ...(await opened({ store, clock })), medium, store, clock };
}

describe("a database", () => {
  test("[DB14] a closed handle refuses everything, others go on", async () => {
    const { ada, db, rows } = await opened();
    const other = (await ada.db("app")).collection<unknown>("rows");
    await rows.put("a", 1);
    await rows.put("b", 1);
    const scan = rows.scan();
    await scan.next();
    const late = db.batch(async (batch) => {
      await db.close();
      batch.put(rows, "b", 1);
    });
    await expect(late).rejects.toThrow(coded("DB_CLOSED"));
    for (const call of [
      () => rows.put("a", 2),
      () => rows.delete("a"),
      () => rows.get("a"),
      () => rows.has("a"),
      () => rows.conflicts("a"),
      () => rowsOf(rows),
      () => scan.next(),
      () => db.batch(() => {}),
    ]) {
      await expect(call(), call.toString()).rejects.toThrow(coded("DB_CLOSED"));
    }
    expect(() => rows.watch()).toThrow(coded("DB_CLOSED"));
    await db.close();
    await other.put("a", 3);
    expect(await other.get("a")).toBe(3);
  });

  test("[DB14] closing waits for writes under way", async () => {
    const { ada, db, rows, medium } = await onFaultyMedium();
    const release = medium.holdWrites();
    let isClosed = false;
    const putting = rows.put("a", 1);
    const closing = db.close().then(() => (isClosed = true));
    await settle();
    expect([isClosed, sequence(ada)]).toEqual([false, 0]);
    release();
    await closing;
    expect(sequence(ada)).toBe(1);
    await putting;
    expect(await (await ada.db("app")).collection("rows").get("a")).toBe(1);
  });

  test("[DB14] what was written is there when the device opens again", async () => {
    const store = await openMemoryStore();
    {
      const { ada, rows } = await opened({ store });
      await rows.put("a", 1);
      await rows.put("b", 1);
      await rows.delete("b");
      await ada.close();
      await expect(rows.put("a", 2)).rejects.toThrow(coded("DB_CLOSED"));
    }
    const { rows } = await opened({ store });
    expect(await rowsOf(rows)).toEqual([["a", 1]]);
    await rows.put("b", 2);
    expect(await rowsOf(rows)).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
  });

  test("[DB15] collections are listed with what our user may do, and why not now", async () => {
    const { db, rows, ada } = await opened({
      readOnlyReason: ({ name }) => (name === "rows" ? "it is being moved" : undefined),
    });
    expect(db.collections()).toEqual([]);
    await db.collection("zebras").put("a", 1);
    await db.collection("ants").put("a", 1);
    await grant(ada, rows.id, ada.user, "reader");
    expect(db.collections()).toEqual([
      { owner: ada.user, name: "ants", role: "admin", readOnly: undefined },
      { owner: ada.user, name: "rows", role: "admin", readOnly: "it is being moved" },
      { owner: ada.user, name: "zebras", role: "admin", readOnly: undefined },
    ]);
    expect((await ada.db("other")).collections()).toEqual([]);
  });
});
