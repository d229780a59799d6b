import { describe, expect, test } from "vitest";
import {
  BATCH_OPS_MAX,
  codeOf,
  fromUtf8,
  type LogKey,
  type ScopeId,
  toHex,
  utf8,
} from "../base/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { FaultyMedium, fullDiskError } from "../testkit/store/store-faults.ts";
import { type Change, ROW_SPACE, type RowWrite, type WriteRequest, type Written } from "./index.ts";
import { changeRange, commitRange } from "../records/index.ts";

const DATABASE = "notes";
const value = (text: string): Uint8Array => Uint8Array.of(0x60 + text.length, ...utf8(text));
const rowOf = (text: string, content?: string): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: content === undefined ? undefined : value(content),
});
const scopeOf = ({ user }: TestDevice, name = "list"): ScopeId => ({
  database: DATABASE,
  kind: "collection",
  owner: user,
  name,
});
const write = (scope: ScopeId, ...rows: RowWrite[]): WriteRequest => ({
  parts: [{ scope, rows }],
});
const single = (scope: ScopeId, row: RowWrite): WriteRequest => ({
  parts: [{ scope, rows: [row] }],
  together: true,
});

async function opened(): Promise<{ ada: TestDevice; scope: ScopeId; medium: FaultyMedium }> {
  const below = createMemoryMedium();
  const medium = new FaultyMedium(() => below.openEngine());
  const clock = new FakeClock();
  const store = await openMemoryStore({ medium, clock, random: seededRandom(1) });
  const ada = await makeDevice(1, { store, clock });
  await ada.history.createDatabase(DATABASE);
  return { ada, scope: scopeOf(ada), medium };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const changes = ({ history }: TestDevice, after = 0): Promise<Change[]> =>
  collect(history.changes.after(DATABASE, after));

async function textOf({ history }: TestDevice, scope: ScopeId, key: string): Promise<string> {
  const { heads } = await history.row(scope, ROW_SPACE.rows, utf8(key));
  return heads
    .map((head) => (head.value === undefined ? "-" : fromUtf8(head.value.subarray(1))))
    .join();
}

/** All that a history shows of a scope. */
async function shown({ history }: TestDevice, scope: ScopeId): Promise<unknown> {
  const state = history.scope(scope);
  return {
    rows: await collect(history.scan(scope, ROW_SPACE.rows)),
    vector: state && [...state.vector()],
    sum: state && toHex(state.sum.toBytes()),
    control: state && [...state.access.heads],
    sequence: history.sequence(DATABASE),
  };
}

async function codeOfFailure(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => codeOf(error) ?? String(error),
  );
}

describe("a commit", () => {
  test("[HI1] what is written can be read once the promise resolves, one generation a commit", async () => {
    const { ada, scope } = await opened();
    expect(await ada.history.write(write(scope, rowOf("a", "1"), rowOf("b", "2")))).toBe("written");
    expect(await ada.history.write(write(scope, rowOf("a", "3")))).toBe("written");
    expect(await textOf(ada, scope, "a")).toBe("3");
    expect(await textOf(ada, scope, "b")).toBe("2");
    const rows = await ada.history.rows(scope, ROW_SPACE.rows, [
      utf8("b"),
      utf8("none"),
      utf8("a"),
    ]);
    // The first generation is that in which the device introduced itself.
    expect(rows.map(({ heads }) => heads.map(({ generation }) => generation))).toEqual([
      [2],
      [],
      [3],
    ]);
    expect([...(ada.history.scope(scope)?.vector().values() ?? [])]).toEqual([3]);
    await ada.close();
  });

  test("[HI1] nothing of a write is seen before it is durable", async () => {
    const { ada, scope, medium } = await opened();
    await ada.history.write(write(scope, rowOf("a", "1")));
    const before = await shown(ada, scope);
    const told: Written[] = [];
    ada.history.onWritten((written) => told.push(written));
    const release = medium.holdWrites();
    const writing = ada.history.write(write(scope, rowOf("a", "2"), rowOf("b", "1")));
    for (let i = 0; i < 50; i++) await Promise.resolve();
    expect(await shown(ada, scope)).toEqual(before);
    expect(told).toEqual([]);
    release();
    await writing;
    expect(await textOf(ada, scope, "a")).toBe("2");
    expect(told).toHaveLength(1);
    await ada.close();
  });

  test("[HI2] a write that fails leaves no trace, neither in memory nor in what comes later", async () => {
    const { ada, scope, medium } = await opened();
    await ada.history.write(write(scope, rowOf("a", "1")));
    const before = await shown(ada, scope);
    const clock = ada.clock as FakeClock;
    medium.failWrite({ error: fullDiskError() });
    const failed = codeOfFailure(
      ada.history.write(write(scopeOf(ada, "other"), rowOf("a", "2"), rowOf("b", "1"))),
    );
    expect(await failed).toBe("STORE_FULL");
    while (ada.store.state !== "open") await clock.advance(1000);
    expect(await shown(ada, scope)).toEqual(before);
    expect(ada.history.scopes(DATABASE)).toHaveLength(1);
    expect(await ada.history.write(write(scope, rowOf("c", "3")))).toBe("written");
    expect([...(ada.history.scope(scope)?.vector().values() ?? [])]).toEqual([3]);
    expect(await textOf(ada, scopeOf(ada, "other"), "b")).toBe("");
    const again = await makeDevice(1, { store: ada.store, clock });
    expect(await shown(again, scope)).toEqual(await shown(ada, scope));
    await ada.close();
  });

  test("[HI2] a failed write that turns out to be there is taken up, not written over", async () => {
    const { ada, scope, medium } = await opened();
    const told: Written[] = [];
    ada.history.onWritten((written) => told.push(written));
    await ada.history.write(write(scope, rowOf("a", "1")));
    const clock = ada.clock as FakeClock;
    medium.failWrite({ error: fullDiskError(), isApplied: true });
    expect(
      await codeOfFailure(ada.history.write(write(scope, rowOf("a", "2"), rowOf("b", "1")))),
    ).toBe("STORE_FULL");
    while (ada.store.state !== "open") await clock.advance(1000);
    await ada.history.write(write(scope, rowOf("c", "3")));
    const again = await makeDevice(1, { store: ada.store, clock });
    expect(await shown(ada, scope)).toEqual(await shown(again, scope));
    expect(told.map(({ sequence }) => sequence)).toEqual(
      (await changes(again)).map(({ sequence }) => sequence),
    );
    expect([...(ada.history.scope(scope)?.vector().values() ?? [])]).toEqual([4]);
    // What others are given comes to the same rows.
    const bea = await makeDevice(2);
    await exchange(again, bea, [scope]);
    expect(toHex(bea.history.scope(scope)?.sum.toBytes() ?? new Uint8Array())).toBe(
      toHex(ada.history.scope(scope)?.sum.toBytes() ?? new Uint8Array()),
    );
    for (const key of ["a", "b", "c"])
      expect(await textOf(bea, scope, key)).toBe(await textOf(ada, scope, key));
    await bea.close();
    await ada.close();
  });

  test("[HI3] single writes of one microtask turn become one commit, in one store write", async () => {
    const { ada, scope, medium } = await opened();
    const writes = medium.batches.length;
    const told: Written[] = [];
    ada.history.onWritten((written) => told.push(written));
    const outcomes = await Promise.all(
      Array.from({ length: 64 }, (_, i) =>
        ada.history.write(single(scope, rowOf(`row ${i}`, "1"))),
      ),
    );
    expect(new Set(outcomes)).toEqual(new Set(["written"]));
    expect(medium.batches.length).toBe(writes + 1);
    expect([...(ada.history.scope(scope)?.vector().values() ?? [])]).toEqual([2]);
    expect(told).toHaveLength(1);
    expect(told[0]?.parts).toHaveLength(2);
    expect(await collect(ada.history.scan(scope, ROW_SPACE.rows))).toHaveLength(64);
    await ada.close();
  });

  test("[HI3] batches stay commits of their own and share a store write", async () => {
    const { ada, scope, medium } = await opened();
    const writes = medium.batches.length;
    await Promise.all(
      Array.from({ length: 5 }, (_, i) => ada.history.write(write(scope, rowOf(`row ${i}`, "1")))),
    );
    expect(medium.batches.length).toBe(writes + 1);
    expect([...(ada.history.scope(scope)?.vector().values() ?? [])]).toEqual([6]);
    await ada.close();
  });

  test("[HI3] of single writes to one row in one turn the last counts", async () => {
    const { ada, scope } = await opened();
    await Promise.all(
      ["1", "2", "3"].map((text) => ada.history.write(single(scope, rowOf("a", text)))),
    );
    expect(await textOf(ada, scope, "a")).toBe("3");
    await ada.close();
  });

  test("[HI3] a single write and a batch to one row take effect in the order of their calls", async () => {
    const { ada, scope } = await opened();
    await Promise.all([
      ada.history.write(single(scope, rowOf("a", "1"))),
      ada.history.write(write(scope, rowOf("a", "2"))),
      ada.history.write(single(scope, rowOf("a", "3"))),
      ada.history.write(single(scope, rowOf("b", "1"))),
      ada.history.write(write(scope, rowOf("b", "2"))),
    ]);
    expect(await textOf(ada, scope, "a")).toBe("3");
    expect(await textOf(ada, scope, "b")).toBe("2");
    await ada.close();
  });

  test("[HI3] one single write that is refused does not spoil the others of its turn", async () => {
    const { ada, scope } = await opened();
    const bad = {
      ...rowOf("members", "1"),
      name: { space: ROW_SPACE.holders, key: utf8("x"), text: "x" },
    };
    const outcomes = await Promise.all([
      codeOfFailure(ada.history.write(single(scope, rowOf("a", "1")))),
      codeOfFailure(ada.history.write(single(scope, bad))),
      codeOfFailure(ada.history.write(single(scope, rowOf("b", "1")))),
    ]);
    expect(outcomes).toEqual([undefined, "HISTORY_UNAUTHORISED", undefined]);
    expect(await textOf(ada, scope, "a")).toBe("1");
    expect(await textOf(ada, scope, "b")).toBe("1");
    await ada.close();
  });

  test("[HI3] control ops, reads and hints are never lost in a shared commit", async () => {
    const { ada, scope } = await opened();
    await ada.history.write(write(scope, rowOf("a", "1")));
    const read = await ada.history.row(scope, ROW_SPACE.rows, utf8("a"));
    const bea = (await makeDevice(2)).user;
    const outcomes = await Promise.all([
      ada.history.write(single(scope, rowOf("x", "1"))),
      ada.history.write({
        parts: [
          {
            scope,
            rows: [rowOf("y", "1")],
            controls: [{ type: "grant", user: bea, tags: 3 }],
          },
        ],
        together: true,
      }),
      ada.history.write(single(scope, rowOf("a", "2"))),
      ada.history.write({
        ...single(scope, rowOf("z", "1")),
        reads: [{ scope, name: rowOf("a").name, row: read }],
      }),
    ]);
    expect(ada.history.scope(scope)?.access.tagsOf(bea)).toBe(3);
    expect(outcomes).toEqual(["written", "written", "written", "conflict"]);
    expect(await textOf(ada, scope, "z")).toBe("");
    await ada.close();
  });
});

describe("what is not committed", () => {
  test("[HI4] deletions of what is not there write nothing", async () => {
    const { ada, scope, medium } = await opened();
    await ada.history.write(write(scope, rowOf("a", "1")));
    await ada.history.write(write(scope, rowOf("a")));
    const before = await shown(ada, scope);
    const writes = medium.batches.length;
    expect(await ada.history.write(write(scope, rowOf("a"), rowOf("never")))).toBe("written");
    expect(medium.batches.length).toBe(writes);
    expect(await shown(ada, scope)).toEqual(before);
    expect(await textOf(ada, scope, "a")).toBe("-");
    await ada.close();
  });

  test("[HI4] a draft of nothing in a scope that is not there makes no scope", async () => {
    const { ada, medium } = await opened();
    const writes = medium.batches.length;
    await ada.history.write(write(scopeOf(ada, "empty")));
    expect(medium.batches.length).toBe(writes);
    expect(ada.history.scopes(DATABASE)).toEqual([]);
    await ada.close();
  });

  const many = (count: number, content: string): RowWrite[] =>
    Array.from({ length: count }, (_, i) => rowOf(`row ${i}`, content));

  test.each<[string, string, (scope: ScopeId) => WriteRequest]>([
    ["too many ops", "HISTORY_TOO_LARGE", (scope) => write(scope, ...many(BATCH_OPS_MAX + 1, "1"))],
    [
      "too many bytes",
      "HISTORY_TOO_LARGE",
      (scope) =>
        write(
          scope,
          ...Array.from({ length: 17 }, (_, i) => {
            const bytes = new Uint8Array(1024 * 1024);
            bytes.set([0x5a, 0x00, 0x0f, 0xff, 0xfb]);
            return { name: rowOf(`row ${i}`).name, value: bytes };
          }),
        ),
    ],
    [
      "a long hint",
      "HISTORY_TOO_LARGE",
      (scope) => ({ ...write(scope, rowOf("b", "1")), hint: "é".repeat(129) }),
    ],
    [
      "a hint that is no text",
      "HISTORY_TOO_LARGE",
      (scope) => ({ ...write(scope, rowOf("b", "1")), hint: "\ud800" }),
    ],
    [
      "rows of another's collection",
      "HISTORY_UNAUTHORISED",
      (scope) => write({ ...scope, owner: strangerOf(scope) }, rowOf("b", "1")),
    ],
    [
      "another database",
      "HISTORY_NO_DATABASE",
      (scope) => write({ ...scope, database: "none" }, rowOf("b", "1")),
    ],
  ])("[HI4] a batch with %s is refused, and nothing of it is written", async (_, code, make) => {
    const { ada, scope, medium } = await opened();
    await ada.history.write(write(scope, rowOf("a", "1")));
    const before = await shown(ada, scope);
    const writes = medium.batches.length;
    expect(await codeOfFailure((async () => ada.history.write(make(scope)))())).toBe(code);
    expect(medium.batches.length).toBe(writes);
    expect(await shown(ada, scope)).toEqual(before);
    expect(await ada.history.write(write(scope, rowOf("b", "1")))).toBe("written");
    await ada.close();
  });

  function strangerOf({ owner }: ScopeId): ScopeId["owner"] {
    const stranger = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK" as ScopeId["owner"];
    expect(stranger).not.toBe(owner);
    return stranger;
  }

  test("[HI5] a batch whose reads have changed is a conflict, and writes nothing", async () => {
    const { ada, scope } = await opened();
    await ada.history.write(write(scope, rowOf("a", "1")));
    const row = await ada.history.row(scope, ROW_SPACE.rows, utf8("a"));
    const absent = await ada.history.row(scope, ROW_SPACE.rows, utf8("b"));
    const reads = [
      { scope, name: rowOf("a").name, row },
      { scope, name: rowOf("b").name, row: absent },
    ];
    expect(await ada.history.write({ ...write(scope, rowOf("c", "1")), reads })).toBe("written");
    const outcomes = await Promise.all([
      ada.history.write({ ...write(scope, rowOf("b", "1")), reads }),
      ada.history.write({ ...write(scope, rowOf("d", "1")), reads }),
    ]);
    expect(outcomes).toEqual(["written", "conflict"]);
    expect(await textOf(ada, scope, "d")).toBe("");
    await ada.close();
  });
});

describe("reading", () => {
  test("[HI25] scans are in key order, within their bounds", async () => {
    const { ada, scope } = await opened();
    await ada.history.write(
      write(scope, ...["b", "a", "é", "c", "aa"].map((key) => rowOf(key, "1"))),
    );
    const keys = async (start?: string, end?: string, reverse = false): Promise<string[]> =>
      (
        await collect(
          ada.history.scan(
            scope,
            ROW_SPACE.rows,
            {
              start: start === undefined ? undefined : utf8(start),
              end: end === undefined ? undefined : utf8(end),
            },
            { reverse },
          ),
        )
      ).map(({ key }) => fromUtf8(key) ?? "");
    expect(await keys()).toEqual(["a", "aa", "b", "c", "é"]);
    expect(await keys("aa", "c")).toEqual(["aa", "b"]);
    expect(await keys("c", "aa")).toEqual([]);
    expect(await keys(undefined, "b", true)).toEqual(["aa", "a"]);
    expect(await collect(ada.history.scan(scope, ROW_SPACE.holders))).toEqual([]);
    expect(await collect(ada.history.scan(scopeOf(ada, "none"), ROW_SPACE.rows))).toEqual([]);
    await ada.close();
  });

  test("[HI25] a snapshot is a fixed view of rows", async () => {
    const { ada, scope } = await opened();
    await ada.history.write(write(scope, rowOf("a", "1")));
    const snapshot = ada.history.snapshot();
    await ada.history.write(write(scope, rowOf("a", "2"), rowOf("b", "1")));
    const old = await ada.history.row(scope, ROW_SPACE.rows, utf8("a"), { snapshot });
    expect(old.heads.map(({ generation }) => generation)).toEqual([2]);
    expect(await collect(ada.history.scan(scope, ROW_SPACE.rows, {}, { snapshot }))).toHaveLength(
      1,
    );
    await snapshot.close();
    await ada.close();
  });

  test("[HI26] changes are told in order, each with the rows of its parts", async () => {
    const { ada, scope } = await opened();
    const other = scopeOf(ada, "other");
    const told: Written[] = [];
    const end = ada.history.onWritten((written) => told.push(written));
    await ada.history.write(write(scope, rowOf("a", "1"), rowOf("b", "1")));
    await Promise.all([
      ada.history.write(write(scope, rowOf("b", "2"))),
      ada.history.write(write(other, rowOf("c", "1"))),
    ]);
    end();
    await ada.history.write(write(scope, rowOf("d", "1")));
    const all = await changes(ada);
    expect(all.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(all.map(({ fromSync }) => fromSync)).toEqual([false, false, false]);
    const rows = await Promise.all(
      all.map(async ({ parts }) =>
        (await Promise.all(parts.map((part) => ada.history.changes.rowsOf(part))))
          .flat()
          .map(({ key }) => fromUtf8(key)),
      ),
    );
    expect(rows).toEqual([["a", "b"], ["b", "c"], ["d"]]);
    expect(told.map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(told.map(({ parts }) => parts)).toEqual(all.slice(0, 2).map(({ parts }) => parts));
    expect((await changes(ada, 2)).map(({ sequence }) => sequence)).toEqual([3]);
    expect(await collect(ada.history.changes.after("none", 0))).toEqual([]);
    await ada.close();
  });

  test("[HI27] what is opened again is what was closed, and goes on where it ended", async () => {
    const medium = createMemoryMedium();
    const open = async (): Promise<TestDevice> =>
      makeDevice(1, { store: await openMemoryStore({ medium }) });
    const ada = await open();
    await ada.history.createDatabase(DATABASE);
    const scope = scopeOf(ada);
    for (let i = 0; i < 20; i++)
      await ada.history.write(
        write(scope, rowOf(`row ${i % 7}`, i % 5 === 0 ? undefined : `${i}`)),
      );
    await grant(ada, scope, (await makeDevice(2)).user, "reader");
    const before = await shown(ada, scope);
    const last = [...(ada.history.scope(scope)?.vector().entries() ?? [])];
    await ada.close();
    await ada.store.close();

    const again = await open();
    expect(again.history.databases()).toEqual([DATABASE]);
    expect(await shown(again, scope)).toEqual(before);
    await again.history.write(write(scope, rowOf("new", "1")));
    const [[log, generation]] = last as [[LogKey, number]];
    expect([...(again.history.scope(scope)?.vector().entries() ?? [])]).toEqual([
      [log, generation + 1],
    ]);
    const stamps = await collect(again.history.scan(scope, ROW_SPACE.rows));
    const newest = stamps
      .flatMap(({ row }) => row.heads)
      .toSorted((a, b) => b.generation - a.generation);
    expect(
      newest.every((head, i) => i === 0 || head.timestamp < (newest[i - 1]?.timestamp ?? 0n)),
    ).toBe(true);
    await again.close();
    await again.store.close();
  });

  test("[HI27] time never goes back in a log, whatever the clock of the device says", async () => {
    const { ada, scope } = await opened();
    await ada.history.write(write(scope, rowOf("a", "1")));
    const past = await makeDevice(1, { store: ada.store, clock: new FakeClock(0) });
    await past.history.write(write(scope, rowOf("b", "1")));
    const [a, b] = await past.history.rows(scope, ROW_SPACE.rows, [utf8("a"), utf8("b")]);
    expect(b?.heads[0]?.timestamp).toBeGreaterThan(a?.heads[0]?.timestamp ?? 0n);
    await ada.close();
  });
});

describe("closing", () => {
  test("[HI28] closing waits for what is under way and refuses what comes later", async () => {
    const { ada, scope } = await opened();
    const writing = ada.history.write(write(scope, rowOf("a", "1")));
    await ada.history.close();
    expect(await writing).toBe("written");
    expect(
      await codeOfFailure((async () => ada.history.write(write(scope, rowOf("b", "1"))))()),
    ).toBe("HISTORY_CLOSED");
    await ada.history.close();
    expect(await textOf(ada, scope, "b")).toBe("");
  });

  test("[HI28] a database that was never written to is closed too", async () => {
    const { ada, scope } = await opened();
    const again = await makeDevice(1, { store: ada.store, clock: ada.clock });
    await again.history.close();
    expect(
      await codeOfFailure((async () => again.history.write(write(scope, rowOf("b", "1"))))()),
    ).toBe("HISTORY_CLOSED");
    expect(await codeOfFailure(again.history.createDatabase("late"))).toBe("HISTORY_CLOSED");
    await ada.close();
  });

  test("[HI28] a database is made once, however often it is asked for at a time", async () => {
    const { ada, medium } = await opened();
    const writes = medium.batches.length;
    const release = medium.holdWrites();
    let isThere = 0;
    const made = Array.from({ length: 3 }, async () => {
      await ada.history.createDatabase("again");
      isThere += 1;
    });
    for (let i = 0; i < 50; i++) await Promise.resolve();
    expect(isThere).toBe(0);
    release();
    await Promise.all(made);
    expect(medium.batches.length).toBe(writes + 1);
    expect(await collect(ada.store.scan(changeRange(2, 0)))).toEqual([]);
    expect(await collect(ada.store.scan(commitRange(1, 1, 0)))).toEqual([]);
    await ada.close();
  });

  test("[HI28] databases are listed by name, also after a restart", async () => {
    const { ada } = await opened();
    for (const name of ["zoo", "attic"]) await ada.history.createDatabase(name);
    const again = await makeDevice(1, { store: ada.store, clock: ada.clock });
    for (const { history } of [ada, again])
      expect(history.databases()).toEqual(["attic", DATABASE, "zoo"]);
    await again.history.close();
    await ada.close();
  });
});
