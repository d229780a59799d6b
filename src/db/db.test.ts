import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { BlobRef, type ScopeId } from "../base/index.ts";
import { History } from "../history/index.ts";
import { nodeClock, nodeCrypto, nodeRandom } from "../node/index.ts";
import { openMemoryStore, type Store, type WriteOp } from "../store/index.ts";
import { makeIdentity } from "../testkit/sync-peer.ts";
import { type Collection, type Database, openDatabase, type WatchPage } from "./index.ts";

const opened: Database[] = [];
afterEach(async () => {
  for (const database of opened.splice(0)) await database.close();
});

/** A database over a store in memory, whose writes are counted and may be made to fail. */
async function makeDatabase(
  options: { readonly readOnlyReason?: (scope: ScopeId) => string | undefined } = {},
): Promise<{
  database: Database;
  history: History;
  writes: () => number;
  fail: (error: Error | undefined) => void;
}> {
  const store = await openMemoryStore();
  let writes = 0;
  let failure: Error | undefined;
  const counting: Store = Object.create(store, {
    get: { value: store.get.bind(store) },
    getMany: { value: store.getMany.bind(store) },
    scan: { value: store.scan.bind(store) },
    snapshot: { value: store.snapshot.bind(store) },
    write: {
      value: (batch: readonly WriteOp[]) => {
        writes += 1;
        return failure === undefined ? store.write(batch) : Promise.reject(failure);
      },
    },
  }) as Store;
  const history = await History.open({
    store: counting,
    crypto: nodeCrypto(),
    clock: nodeClock(),
    random: nodeRandom(),
    logger: () => {},
    identity: await makeIdentity("db"),
  });
  const database = await openDatabase({ history, ...options }, "app");
  opened.push(database);
  return { database, history, writes: () => writes, fail: (error) => (failure = error) };
}

async function all<T>(
  collection: Collection<T>,
  options?: Parameters<Collection<T>["scan"]>[0],
): Promise<[string, T][]> {
  const rows: [string, T][] = [];
  for await (const { key, value } of collection.scan(options)) rows.push([key, value]);
  return rows;
}

describe("names", () => {
  test.for(["", "x".repeat(1025), "ü".repeat(513), "a\0b", "\ud800"])(
    "[DB1] a database or collection is not named %j",
    async (name) => {
      const { database, history } = await makeDatabase();
      await expect(openDatabase({ history }, name)).rejects.toMatchObject({
        code: "DB_NAME_INVALID",
      });
      expect(() => database.collection(name)).toThrow(
        expect.objectContaining({ code: "DB_NAME_INVALID" }),
      );
    },
  );

  test("[DB1] a name of 1 024 bytes is one", async () => {
    const { database } = await makeDatabase();
    await database.collection("ü".repeat(512)).put("a", 1);
    expect(database.collections()).toMatchObject([{ name: "ü".repeat(512), role: "admin" }]);
  });

  test.for(["", "x".repeat(1025), "ü".repeat(513), "\udc00"])(
    "[DB2] a row has no key %j",
    async (key) => {
      const { database, writes } = await makeDatabase();
      const rows = database.collection("rows");
      const before = writes();
      for (const call of [
        () => rows.put(key, 1),
        () => rows.get(key),
        () => rows.delete(key),
        () => rows.has(key),
        () => rows.conflicts(key),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: "DB_KEY_INVALID" });
      }
      expect(writes()).toBe(before);
    },
  );

  test("[DB2] what is no text is a mistake of the program", async () => {
    const { database } = await makeDatabase();
    const rows = database.collection("rows");
    await expect(rows.get(1 as unknown as string)).rejects.toThrow(TypeError);
    expect(() => database.collection(1 as unknown as string)).toThrow();
  });
});

describe("rows", () => {
  test("[DB3] a value is taken as it is given, and what is none is refused", async () => {
    const { database, writes } = await makeDatabase();
    const rows = database.collection<unknown>("rows");
    const value = { list: [1, 2] };
    const putting = rows.put("a", value);
    value.list.push(3);
    await putting;
    expect(await rows.get("a")).toEqual({ list: [1, 2] });
    const before = writes();
    await expect(rows.put("b", () => 1)).rejects.toMatchObject({ code: "DB_VALUE_UNSUPPORTED" });
    await expect(rows.put("b", "x".repeat(1024 * 1024))).rejects.toMatchObject({
      code: "DB_VALUE_TOO_LARGE",
    });
    expect(writes()).toBe(before);
    expect(await rows.has("b")).toBe(false);
  });

  test("[DB4] values come back type for type, absence is undefined", async () => {
    const { database } = await makeDatabase();
    const rows = database.collection<unknown>("rows");
    const blob = new BlobRef({ root: new Uint8Array(32).fill(7), size: 9, depth: 0, chunker: 1 });
    const values = [
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
    }
    expect(await rows.get("none")).toBeUndefined();
  });

  test("[DB5] a deleted row is absent, and deleting nothing writes nothing", async () => {
    const { database, writes } = await makeDatabase();
    const rows = database.collection<number>("rows");
    await rows.put("a", 1);
    await rows.delete("a");
    expect([await rows.get("a"), await rows.has("a"), await all(rows)]).toEqual([
      undefined,
      false,
      [],
    ]);
    const before = writes();
    await rows.delete("a");
    await rows.delete("never");
    expect(writes()).toBe(before);
  });

  test("[DB6] scans are in the order of the keys' bytes, bounded as asked", async () => {
    const { database } = await makeDatabase();
    const rows = database.collection<number>("rows");
    const keys = ["b", "a", "ab", "a\u{10ffff}", "Z", "ä", "z"];
    for (const [i, key] of keys.entries()) await rows.put(key, i);
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const keysOf = async (options?: Parameters<typeof rows.scan>[0]): Promise<string[]> =>
      (await all(rows, options)).map(([key]) => key);
    expect(await keysOf()).toEqual(sorted);
    expect(await keysOf({ reverse: true })).toEqual(sorted.toReversed());
    expect(await keysOf({ prefix: "a" })).toEqual(["a", "ab", "a\u{10ffff}"]);
    expect(await keysOf({ prefix: "a\u{10ffff}" })).toEqual(["a\u{10ffff}"]);
    expect(await keysOf({ start: "ab", end: "z" })).toEqual(["ab", "a\u{10ffff}", "b"]);
    expect(await keysOf({ start: "z", end: "a" })).toEqual([]);
    expect(await keysOf({ limit: 2, reverse: true })).toEqual(sorted.toReversed().slice(0, 2));
    expect(await keysOf({ limit: 0 })).toEqual([]);
    await expect(keysOf({ prefix: "a", start: "b" })).rejects.toThrow(TypeError);
    await expect(keysOf({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow(
      "enough",
    );
  });

  test("[DB6] a scan shows what was there when it began", async () => {
    const { database } = await makeDatabase();
    const rows = database.collection<number>("rows");
    await database.batch((batch) => {
      for (let i = 0; i < 3000; i++) batch.put(rows, String(i).padStart(5, "0"), 1);
    });
    let seen = 0;
    for await (const { value } of rows.scan()) {
      if (seen === 0) await rows.put("02999", 2);
      expect(value).toBe(1);
      seen += 1;
    }
    expect(seen).toBe(3000);
  });
});

describe("batches", () => {
  test("[DB10] a batch is one write, and reads what it wrote", async () => {
    const { database, history, writes } = await makeDatabase();
    const rows = database.collection<number>("rows");
    await rows.put("a", 1);
    const [before, sequence] = [writes(), history.sequence("app")];
    const result = await database.batch(async (batch) => {
      expect(await batch.get(rows, "a")).toBe(1);
      batch.put(rows, "a", 2);
      batch.put(rows, "b", 3);
      batch.delete(rows, "b");
      expect([await batch.get(rows, "a"), await batch.has(rows, "b")]).toEqual([2, false]);
      return "done";
    });
    expect(result).toBe("done");
    expect([writes() - before, history.sequence("app") - sequence]).toEqual([1, 1]);
    expect(await all(rows)).toEqual([["a", 2]]);
  });

  test("[DB10] what a batch read and another changed makes it run again", async () => {
    const { database } = await makeDatabase();
    const rows = database.collection<number>("rows");
    await rows.put("n", 0);
    const add = (): Promise<void> =>
      database.batch(async (batch) => {
        batch.put(rows, "n", ((await batch.get(rows, "n")) ?? 0) + 1);
      });
    await Promise.all([add(), add(), add()]);
    expect(await rows.get("n")).toBe(3);
    let runs = 0;
    const always = database.batch(async (batch) => {
      runs += 1;
      await batch.get(rows, "n");
      await rows.put("n", 100 + runs);
      batch.put(rows, "other", runs);
    });
    await expect(always).rejects.toMatchObject({ code: "DB_CONCURRENT_BATCH" });
    expect([runs, await rows.has("other")]).toEqual([3, false]);
  });

  test("[DB11] a batch that fails, spans collections or is too large writes nothing", async () => {
    const { database, writes } = await makeDatabase();
    const [rows, others] = [
      database.collection<unknown>("rows"),
      database.collection<unknown>("others"),
    ];
    const before = writes();
    const failing = database.batch((batch) => {
      batch.put(rows, "a", 1);
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    await expect(
      database.batch((batch) => (batch.put(rows, "a", 1), batch.put(others, "b", 1))),
    ).rejects.toMatchObject({ code: "DB_BATCH_SCOPES" });
    const many = database.batch((batch) => {
      for (let i = 0; i <= 10_000; i++) batch.put(rows, `${i}`, i);
    });
    await expect(many).rejects.toMatchObject({ code: "DB_BATCH_TOO_LARGE" });
    const large = database.batch((batch) => {
      for (let i = 0; i < 17; i++) batch.put(rows, `${i}`, "x".repeat(1_000_000));
    });
    await expect(large).rejects.toMatchObject({ code: "DB_BATCH_TOO_LARGE" });
    await database.batch(() => {});
    expect([writes(), await all(rows), await all(others)]).toEqual([before, [], []]);
  });

  test("[DB11] ten thousand ops are one batch, and an ended one takes no more", async () => {
    const { database } = await makeDatabase();
    const rows = database.collection<number>("rows");
    let kept: Parameters<Parameters<Database["batch"]>[0]>[0] | undefined;
    await database.batch((batch) => {
      kept = batch;
      for (let i = 0; i < 10_000; i++) batch.put(rows, `${i}`, i);
      for (let i = 0; i < 10_000; i++) batch.put(rows, `${i}`, -i);
    });
    expect((await all(rows)).length).toBe(10_000);
    expect(() => kept?.put(rows, "late", 1)).toThrow(
      expect.objectContaining({ code: "DB_BATCH_ENDED" }),
    );
  });

  test("[DB12] writes of one tick are one commit", async () => {
    const { database, history, writes } = await makeDatabase();
    const rows = database.collection<number>("rows");
    await rows.put("first", 0);
    const [before, sequence] = [writes(), history.sequence("app")];
    await Promise.all(Array.from({ length: 64 }, (_, i) => rows.put(`k${i % 32}`, i)));
    expect([writes() - before, history.sequence("app") - sequence]).toEqual([1, 1]);
    expect(await rows.get("k0")).toBe(32);
  });
});

describe("refusals", () => {
  test("[DB13] who may not write is refused, and nothing is written", async () => {
    let reason: string | undefined;
    const { database, writes, fail } = await makeDatabase({ readOnlyReason: () => reason });
    const stranger = await makeIdentity("stranger");
    const theirs = database.collection<number>({ owner: stranger.certified.user, name: "theirs" });
    const before = writes();
    await expect(theirs.put("a", 1)).rejects.toMatchObject({ code: "DB_NO_ACCESS" });
    const rows = database.collection<number>("rows");
    reason = "it has not caught up";
    await expect(rows.put("a", 1)).rejects.toMatchObject({ code: "DB_READ_ONLY" });
    reason = undefined;
    expect(writes()).toBe(before);
    fail(Object.assign(new Error("disk"), { code: "STORE_FULL" }));
    await expect(rows.put("a", 1)).rejects.toMatchObject({ code: "STORE_FULL" });
    fail(undefined);
    expect(await rows.get("a")).toBeUndefined();
    await rows.put("a", 2);
    expect(await rows.get("a")).toBe(2);
    await database.close();
    await expect(rows.put("a", 3)).rejects.toMatchObject({ code: "DB_CLOSED" });
    await expect(database.batch(() => {})).rejects.toMatchObject({ code: "DB_CLOSED" });
  });
});

describe("watch", () => {
  /** Applies pages until `isEnough`. */
  async function follow(
    rows: Collection<number>,
    isEnough: (state: Map<string, number>, page: WatchPage<number>) => boolean,
    prefix?: string,
  ): Promise<Map<string, number>> {
    const state = new Map<string, number>();
    for await (const page of rows.watch({ prefix })) {
      for (const change of page.changes) {
        if (change.type === "put") state.set(change.key, change.value);
        else state.delete(change.key);
      }
      if (isEnough(state, page)) break;
    }
    return state;
  }

  test("[DB8] first the present state in pages, then each commit", async () => {
    const { database } = await makeDatabase();
    const rows = database.collection<number>("rows");
    await database.batch((batch) => {
      for (let i = 0; i < 1000; i++) batch.put(rows, `${i}`, i);
    });
    const pages: WatchPage<number>[] = [];
    for await (const page of rows.watch()) {
      pages.push(page);
      if (pages.filter((one) => one.caughtUp).length === 1)
        void rows.put("new", 1).then(() => rows.delete("5"));
      if (page.changes.some(({ key, type }) => key === "5" && type === "delete")) break;
    }
    const present = pages.filter(
      ({ changes }) => !changes.some(({ key, type }) => key === "new" || type === "delete"),
    );
    expect(present.map(({ changes }) => changes.length)).toEqual([256, 256, 256, 232]);
    expect(present.map(({ caughtUp }) => caughtUp)).toEqual([false, false, false, true]);
    expect(
      pages.slice(present.length).map(({ changes, fromSync }) => [changes.length, fromSync]),
    ).toEqual([
      [1, false],
      [1, false],
    ]);
  });

  test("[DB8] an empty collection is caught up at once; aborting throws, closing ends, a prefix filters", async () => {
    const { database } = await makeDatabase();
    const rows = database.collection<number>("rows");
    expect(await follow(rows, (_, { caughtUp }) => caughtUp)).toEqual(new Map());
    const abort = new AbortController();
    const aborted = (async () => {
      for await (const { caughtUp } of rows.watch({ signal: abort.signal }))
        if (caughtUp) abort.abort(new Error("enough"));
    })();
    await expect(aborted).rejects.toThrow("enough");
    const prefixed = follow(rows, (state) => state.size === 2, "a/");
    await rows.put("b/1", 1);
    await rows.put("a/1", 1);
    await rows.put("a/2", 2);
    expect(await prefixed).toEqual(
      new Map([
        ["a/1", 1],
        ["a/2", 2],
      ]),
    );
    const closed = follow(rows, () => false);
    await rows.put("c", 1);
    await database.close();
    await closed;
  });

  test("[DB9] whoever applies all changes holds what a scan gives, however slow", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(6), fc.option(fc.nat(9), { nil: undefined }), fc.boolean()), {
          maxLength: 40,
        }),
        async (writes) => {
          const { database } = await makeDatabase();
          const rows = database.collection<number>("rows");
          const followed = follow(rows, (state) => state.has("end"));
          for (const [key, value, isAwaited] of writes) {
            const writing = value === undefined ? rows.delete(`${key}`) : rows.put(`${key}`, value);
            if (isAwaited) await writing;
          }
          await rows.put("end", 1);
          expect(await followed).toEqual(new Map(await all(rows)));
        },
      ),
      { numRuns: 40, seed: 7 },
    );
  });
});
