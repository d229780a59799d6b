import { describe, expect, test } from "vitest";
import { grant, exchange, makeDevice, settleDevices, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { ROW_HISTORY_MAX } from "./limits.ts";
import type {
  Collection,
  Conflict,
  Database,
  Resolution,
  Resolutions,
  ResolveFunction,
  Resolver,
} from "./index.ts";

interface Pair {
  readonly devices: [TestDevice, TestDevice];
  readonly dbs: [Database, Database];
  readonly rows: [Collection<unknown>, Collection<unknown>];
  readonly clocks: [FakeClock, FakeClock];
  readonly events: string[];
  readonly meet: () => Promise<void>;
}

/** Two devices of one user, with rows under `appResolves`; concurrent writes of the second one win. */
async function pair(policies: Record<string, string> = { "": "appResolves" }): Promise<Pair> {
  const clocks: [FakeClock, FakeClock] = [new FakeClock(), new FakeClock()];
  const events: string[] = [];
  const logger = (_level: string, event: string): void => void events.push(event);
  const devices: [TestDevice, TestDevice] = [
    await makeDevice(1, { clock: clocks[0], logger }),
    await makeDevice(2, { user: 1, clock: clocks[1] }),
  ];
  const dbs: [Database, Database] = [await devices[0].db("app"), await devices[1].db("app")];
  const rows: Pair["rows"] = [dbs[0].collection("rows"), dbs[1].collection("rows")];
  for (const [prefix, policy] of Object.entries(policies))
    await rows[0].setPolicy(prefix, policy as "set");
  await rows[0].put("first", 0);
  const meet = async (): Promise<void> => {
    await settleDevices(devices, [rows[0].id]);
    clocks[1].jump(1000);
  };
  await meet();
  return { devices, dbs, rows, clocks, events, meet };
}

async function put(
  db: Database,
  rows: Collection<unknown>,
  keys: readonly (string | number)[],
  value: unknown,
  hint?: string,
): Promise<void> {
  await db.batch(
    (batch) => {
      for (const key of keys) batch.put(rows, String(key), value);
    },
    { hint },
  );
}

/** A resolver that keeps what it is offered, and answers by `answer`. */
function collect(
  { dbs, rows }: Pair,
  answer: ResolveFunction<unknown> = () => undefined,
  at: 0 | 1 = 0,
  prefix?: string,
): { offers: Conflict<unknown>[]; resolver: Resolver } {
  const offers: Conflict<unknown>[] = [];
  const resolver = dbs[at].resolve(
    rows[at],
    (conflict) => {
      offers.push(conflict);
      return answer(conflict);
    },
    { prefix },
  );
  return { offers, resolver };
}

const byFirst = ([a = ""]: string[], [b = ""]: string[]): number => (a < b ? -1 : 1);

const keysOf = (conflict: Conflict<unknown> | undefined): string[] =>
  (conflict?.rows ?? []).map(({ key }) => key).sort();

const all = (
  conflict: Conflict<unknown>,
  resolve: (row: Conflict<unknown>["rows"][number]) => Resolution<unknown>,
): Resolutions<unknown> => conflict.rows.map((row) => [row.key, resolve(row)] as const);

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve));
}

/** Long enough for whatever is under way to come to an end: nothing here waits for anything outside. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("what is offered", () => {
  test("[CO19] values, who wrote them, when, hints and the ancestor", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await here.put("a", "before");
    await both.meet();
    await here.put("a", "mine", { hint: "edit" });
    await there.delete("a", { hint: "cleanup" });
    await both.meet();
    const { offers } = collect(both);
    await until(() => offers.length === 1);
    const [row] = offers[0]?.rows ?? [];
    expect(row).toMatchObject({
      key: "a",
      policy: "appResolves",
      conflict: true,
      ancestor: { value: "before" },
      local: { value: "mine", ours: true, winner: false, hint: "edit", user: both.devices[0].user },
      remote: { value: undefined, ours: false, winner: true, hint: "cleanup" },
    });
    expect(row?.remote?.device).toBe(both.devices[1].device);
    expect(row?.heads).toEqual([row?.remote, row?.local]);
    expect(offers[0]?.commits.map(({ hint, keys, ours }) => ({ hint, keys, ours }))).toEqual([
      { hint: "cleanup", keys: ["a"], ours: false },
      { hint: "edit", keys: ["a"], ours: true },
    ]);
    await here.put("new", 1);
    await there.put("new", 2);
    await both.meet();
    await until(() => offers.length === 2);
    expect(offers[1]?.rows[0]?.ancestor).toBe(undefined);
  });

  test("[CO19] five conflicts by themselves are five, five rows of a batch on both sides are one", async () => {
    const both = await pair();
    const keys = [0, 1, 2, 3, 4];
    for (const key of keys) {
      await both.rows[0].put(`one/${key}`, "here");
      await both.rows[1].put(`one/${key}`, "there");
    }
    const batch = keys.map((key) => `batch/${key}`);
    await put(both.dbs[0], both.rows[0], batch, "here");
    await put(both.dbs[1], both.rows[1], batch, "there");
    await both.meet();
    const { offers } = collect(both);
    await until(() => offers.length === 6);
    await quiet();
    expect(offers.map(keysOf).sort((a, b) => b.length - a.length)).toEqual([
      batch,
      ...keys.map((key) => [`one/${key}`]),
    ]);
  });

  test("[CO19] batches of rows 0-3 and 6-9 against one of 3-6 are one conflict of all rows", async () => {
    const both = await pair();
    await put(both.dbs[0], both.rows[0], [0, 1, 2, 3], "here");
    await put(both.dbs[0], both.rows[0], [6, 7, 8, 9], "here");
    await put(both.dbs[1], both.rows[1], [3, 4, 5, 6], "there");
    await both.meet();
    for (const at of [0, 1] as const) {
      const { offers } = collect(both, () => undefined, at);
      await until(() => offers.length > 0);
      await quiet();
      expect(offers.map(keysOf)).toEqual([["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]]);
      const contended = offers[0]?.rows.filter(({ conflict }) => conflict).map(({ key }) => key);
      expect(contended?.sort()).toEqual(["3", "6"]);
    }
  });

  test("[CO19] nothing is followed through rows in no conflict, nor what has been written over", async () => {
    const both = await pair();
    await put(both.dbs[0], both.rows[0], ["a", "b", "c"], "here");
    await put(both.dbs[0], both.rows[0], ["b", "x"], "here again");
    await both.rows[1].put("a", "there");
    await both.meet();
    const { offers } = collect(both);
    await until(() => offers.length === 1);
    // Row b shows the second batch, so it is tied to a no more, and x never was.
    expect(keysOf(offers[0])).toEqual(["a", "c"]);
  });

  test("[CO19] the ancestor, however much was written since", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await here.put("a", "before");
    await both.meet();
    for (let i = 0; i <= ROW_HISTORY_MAX; i++) await here.put("a", i);
    await there.put("a", "theirs");
    await both.meet();
    const { offers } = collect(both);
    await until(() => offers.length === 1);
    expect(offers[0]?.rows[0]?.ancestor).toEqual({ value: "before" });
  });

  test("[CO19] a policy for a prefix offers those rows only, but with them all that one batch wrote", async () => {
    const both = await pair({ "app/": "appResolves", "n/": "counter" });
    for (const key of ["time/1", "app/1"]) {
      await both.rows[0].put(key, "here");
      await both.rows[1].put(key, "there");
    }
    await put(both.dbs[0], both.rows[0], ["app/2", "time/2", "time/3"], "here");
    await put(both.dbs[1], both.rows[1], ["app/2", "time/2"], "there");
    await both.meet();
    const { offers } = collect(both);
    await until(() => offers.length === 2);
    await quiet();
    expect(offers.map(keysOf).toSorted(byFirst)).toEqual([
      ["app/1"],
      ["app/2", "time/2", "time/3"],
    ]);
    expect(await both.rows[0].get("time/1")).toBe("there");
  });

  test("[CO25] more than fits is offered in pieces, and reported", async () => {
    const both = await pair();
    const keys = Array.from({ length: 1300 }, (_, i) => `r/${i}`);
    await put(both.dbs[0], both.rows[0], keys, "here");
    await put(both.dbs[1], both.rows[1], keys, "there");
    await both.meet();
    const { offers } = collect(both, (conflict) =>
      all(conflict, (row) => (row.key.endsWith("7") ? "leave" : { value: "resolved" })),
    );
    await until(async () => {
      await quiet();
      return offers.flatMap(keysOf).length >= keys.length;
    });
    expect(new Set(offers.flatMap(keysOf))).toEqual(new Set(keys));
    expect(offers.every(({ rows }) => rows.length <= 1000)).toBe(true);
    expect([offers[0]?.partial, offers.at(-1)?.partial]).toEqual([true, false]);
    expect(both.events).toContain("db.resolver.split");
  }, 30_000);
});

describe("what is answered", () => {
  test("[CO20] a value that is taken, another, a deletion; what is left or not named stays", async () => {
    const both = await pair();
    const keys = ["local", "remote", "other", "gone", "left", "unnamed"];
    await put(both.dbs[0], both.rows[0], keys, "here");
    await put(both.dbs[1], both.rows[1], keys, "there");
    await both.meet();
    const before = both.devices[0].history.sequence("app");
    const { offers } = collect(both, ({ rows }) => {
      const row = (key: string) => rows.find((one) => one.key === key);
      return new Map<string, Resolution<unknown>>([
        ["local", { take: row("local")?.local as never }],
        ["remote", { take: row("remote")?.remote as never }],
        ["other", { value: { both: 1 } }],
        ["gone", { delete: true }],
        ["left", "leave"],
      ]);
    });
    await until(async () => (await both.rows[0].get("local")) === "here");
    await quiet();
    expect(offers).toHaveLength(1);
    expect(both.devices[0].history.sequence("app")).toBe(before + 1);
    await both.meet();
    for (const one of both.rows) {
      const shown = await Promise.all(keys.map((key) => one.row(key).visible()));
      expect(shown).toEqual([
        { value: "here", conflict: false },
        { value: "there", conflict: false },
        { value: { both: 1 }, conflict: false },
        { value: undefined, conflict: false },
        { value: "there", conflict: true },
        { value: "there", conflict: true },
      ]);
    }
  });

  test("[CO20] a mergeable value that is taken keeps what each log brought", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await here.counter("n").add(1);
    await both.meet();
    await here.counter("n").add(5);
    await there.counter("n").add(7);
    await both.meet();
    collect(both, (conflict) => all(conflict, (row) => ({ take: row.remote as never })));
    await until(async () => (await here.conflicts("n")).length === 0);
    await both.meet();
    expect([await here.get("n"), await there.get("n")]).toEqual([8, 8]);
    await there.counter("n").add(1);
    await here.counter("n").add(1);
    await both.meet();
    await here.setPolicy("", "counter");
    expect(await here.get("n")).toBe(10);
  });

  test("[CO20] an answer that is none writes nothing, and counts as a failure", async () => {
    const wrong: Resolutions<unknown>[] = [
      [["nobody", { value: 1 }]],
      [["a", { value: () => 1 }]],
      [["a", {} as never]],
      [["a", { take: {} as never }]],
      [
        ["a", { value: 1 }],
        ["a", { value: 2 }],
      ],
    ];
    for (const answer of wrong) {
      const both = await pair();
      await both.rows[0].put("a", "here");
      await both.rows[1].put("a", "there");
      await both.meet();
      collect(both, () => answer);
      await until(() => both.events.includes("db.resolver.failed"));
      expect(await both.rows[0].row("a").visible()).toEqual({ value: "there", conflict: true });
    }
  });

  test("[CO21] heads that changed while it was thinking are offered again", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await here.put("a", 1);
    await there.put("a", 2);
    await exchange(both.devices[1], both.devices[0], [here.id]);
    const { offers } = collect(both, async (conflict) => {
      if (offers.length === 1) {
        await there.put("a", 3);
        await exchange(both.devices[1], both.devices[0], [here.id]);
      }
      return all(conflict, ({ heads }) => ({ value: heads.map(({ value }) => value) }));
    });
    await until(async () => (await here.conflicts("a")).length === 0);
    expect(offers).toHaveLength(2);
    expect(await here.get("a")).toEqual(offers[1]?.rows[0]?.heads.map(({ value }) => value));
  });

  test("[CO22] two devices that resolve alike converge without another conflict", async () => {
    const both = await pair();
    await put(both.dbs[0], both.rows[0], ["a", "b"], "here");
    await put(both.dbs[1], both.rows[1], ["a", "b"], "there");
    await both.meet();
    const join: ResolveFunction<unknown> = (conflict) =>
      all(conflict, ({ heads }) => ({
        value: heads
          .map(({ value }) => value)
          .map(String)
          .sort((a, b) => (a < b ? -1 : 1))
          .join("+"),
      }));
    const at = [collect(both, join, 0), collect(both, join, 1)];
    for (const one of both.rows) await until(async () => (await one.conflicts("a")).length === 0);
    await both.meet();
    await quiet();
    for (const one of both.rows) {
      expect(await one.row("a").visible()).toEqual({ value: "here+there", conflict: false });
      expect(await one.row("b").visible()).toEqual({ value: "here+there", conflict: false });
    }
    expect(at.map(({ offers }) => offers.length)).toEqual([1, 1]);
  });

  test("[CO20] two edits of one record are both kept by a resolver that joins fields", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await here.put("task", { text: "old", done: false });
    await both.meet();
    await here.put("task", { text: "new", done: false });
    await there.put("task", { text: "old", done: true });
    await both.meet();
    collect(both, (conflict) =>
      all(conflict, ({ local, remote, ancestor }) => {
        const [mine, theirs, base] = [local?.value, remote?.value, ancestor?.value] as Record<
          string,
          unknown
        >[];
        const fields = Object.keys({ ...mine, ...theirs });
        return {
          value: Object.fromEntries(
            fields.map((field) => [
              field,
              mine?.[field] === base?.[field] ? theirs?.[field] : mine?.[field],
            ]),
          ),
        };
      }),
    );
    await until(async () => (await here.conflicts("task")).length === 0);
    await both.meet();
    for (const one of both.rows) expect(await one.get("task")).toEqual({ text: "new", done: true });
  });

  test("[CO20] a list that is deleted while a task is added to it can go with its new task", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await put(both.dbs[0], here, ["list", "list/1"], "made");
    await both.meet();
    await both.dbs[0].batch((batch) => {
      batch.delete(here, "list");
      batch.delete(here, "list/1");
    });
    await put(both.dbs[1], there, ["list", "list/2"], "added");
    await both.meet();
    const { offers } = collect(both, (conflict) => all(conflict, () => ({ delete: true })));
    await until(async () => !(await here.has("list/2")));
    expect(keysOf(offers[0])).toEqual(["list", "list/1", "list/2"]);
    await both.meet();
    for (const one of both.rows)
      expect([await one.has("list"), await one.has("list/1"), await one.has("list/2")]).toEqual([
        false,
        false,
        false,
      ]);
  });
});

describe("what a resolver cannot do", () => {
  test("[CO23] one that never answers holds up neither reads, writes nor sync, nor other conflicts", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await here.put("a", "here");
    await there.put("a", "there");
    await both.meet();
    const { offers, resolver } = collect(both, ({ rows }) =>
      rows.some(({ key }) => key === "a")
        ? new Promise(() => {})
        : [[rows[0]?.key as string, { value: "done" }]],
    );
    await until(() => offers.length === 1);
    await here.put("b", "here");
    await there.put("b", "there");
    await there.put("c", "synced");
    await both.meet();
    await until(async () => (await here.get("b")) === "done");
    expect([await here.get("a"), await here.get("c")]).toEqual(["there", "synced"]);
    await here.put("a", "written over");
    expect(await here.conflicts("a")).toEqual([]);
    await resolver.close();
    expect(offers[0]?.signal.aborted).toBe(true);
  });

  test("[CO23] one that throws is reported and asked again later; none at all changes nothing", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await here.put("a", "here");
    await there.put("a", "there");
    await both.meet();
    expect(await here.row("a").visible()).toEqual({ value: "there", conflict: true });
    const { offers } = collect(both, (conflict) => {
      if (offers.length <= 2) throw new Error("the row says: secret");
      return all(conflict, () => ({ value: "resolved" }));
    });
    await until(() => offers.length === 1);
    await quiet();
    expect(offers).toHaveLength(1);
    await both.clocks[0].advance(1_000);
    await until(() => offers.length === 2);
    await quiet();
    await both.clocks[0].advance(1_999);
    await quiet();
    expect(offers).toHaveLength(2);
    await both.clocks[0].advance(1);
    await until(async () => (await here.get("a")) === "resolved");
    expect(both.events.filter((event) => event === "db.resolver.failed")).toHaveLength(2);
  });

  test("[CO21] what was left is not offered again as it is, but in the next session", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await put(both.dbs[0], here, ["a", "b"], "here");
    await there.put("a", "there");
    await both.meet();
    const { offers } = collect(both, (conflict) => all(conflict, () => "leave"));
    await until(() => offers.length === 1);
    await here.put("c", 1);
    await quiet();
    expect(offers).toHaveLength(1);
    await there.put("b", "there, later");
    await both.meet();
    await quiet();
    expect(offers).toHaveLength(1);
    await both.dbs[0].close();
    const db = await both.devices[0].db("app");
    const again: Conflict<unknown>[] = [];
    db.resolve(db.collection<unknown>("rows"), (conflict) => void again.push(conflict));
    await until(() => again.length === 1);
    expect(keysOf(again[0])).toEqual(["a"]);
  });

  test("[CO23] closing the database ends it even while it waits, and a late answer counts for nothing", async () => {
    const both = await pair();
    const [here, there] = both.rows;
    await here.put("a", "here");
    await there.put("a", "there");
    await both.meet();
    let answer: (value: Resolutions<unknown>) => void = () => {};
    const { offers } = collect(both, () => new Promise((resolve) => (answer = resolve)));
    await until(() => offers.length === 1);
    await both.dbs[0].close();
    answer([["a", { value: "too late" }]]);
    await quiet();
    const db = await both.devices[0].db("app");
    expect(await db.collection("rows").get("a")).toBe("there");
    expect(() => both.dbs[0].resolve(here, () => undefined)).toThrow(
      expect.objectContaining({ code: "DB_CLOSED" }),
    );
  });

  test("[CO23] another for the same rows takes its place", async () => {
    const both = await pair();
    const first = collect(both);
    const second = collect(both);
    await both.rows[0].put("a", "here");
    await both.rows[1].put("a", "there");
    await both.meet();
    await until(() => second.offers.length === 1);
    await quiet();
    expect(first.offers).toHaveLength(0);
  });
});

test("[CO19] a conflict that comes back because its end was revoked is offered", async () => {
  const both = await pair();
  await using ben = await makeDevice(3);
  const [here, there] = both.rows;
  await grant(both.devices[0], here.id, ben.user, "writer");
  await here.put("a", "here");
  await there.put("a", "there");
  const meet = (): Promise<void> => settleDevices([...both.devices, ben], [here.id]);
  await meet();
  await (await ben.db("app")).collection(here.id).put("a", "ended");
  await meet();
  expect(await here.row("a").visible()).toEqual({ value: "ended", conflict: false });
  const { offers } = collect(both);
  await quiet();
  expect(offers).toHaveLength(0);
  await both.devices[0].history.write({
    parts: [
      {
        scope: here.id,
        rows: [],
        controls: [{ type: "revoke", user: ben.user, freeze: new Map() }],
      },
    ],
  });
  await until(() => offers.length === 1);
  expect(offers[0]?.rows[0]?.heads).toHaveLength(2);
});

describe("defer", () => {
  test("[CO24] only who has the role is offered the conflict; others see the latest value", async () => {
    await using ada = await makeDevice(1);
    await using ben = await makeDevice(2);
    const adas = await ada.db("app");
    const bens = await ben.db("app");
    const rows = adas.collection<unknown>("rows");
    const theirs = bens.collection<unknown>(rows.id);
    await rows.setPolicy("a/", "defer:admin");
    await rows.setPolicy("w/", "defer:writer");
    await grant(ada, rows.id, ben.user, "writer");
    await exchange(ada, ben, [rows.id]);
    const meet = (): Promise<void> => settleDevices([ada, ben], [rows.id]);
    const offers = { ada: [] as string[], ben: [] as string[] };
    adas.resolve(rows, (conflict) => void offers.ada.push(...keysOf(conflict)));
    bens.resolve(theirs, (conflict) => void offers.ben.push(...keysOf(conflict)));
    for (const key of ["a/1", "w/1"]) {
      await rows.put(key, "ada");
      await theirs.put(key, "ben");
    }
    await meet();
    await until(() => offers.ada.length === 2 && offers.ben.length === 1);
    await quiet();
    expect([offers.ada.sort(), offers.ben]).toEqual([["a/1", "w/1"], ["w/1"]]);
    expect(await theirs.row("a/1").visible()).toEqual({
      value: await rows.get("a/1"),
      conflict: true,
    });
    adas.resolve(rows, (conflict) => all(conflict, () => ({ value: "decided" })));
    await until(async () => (await rows.get("a/1")) === "decided");
    await meet();
    expect(await theirs.row("a/1").visible()).toEqual({ value: "decided", conflict: false });
  });

  test("[CO24] who may only read is offered nothing", async () => {
    await using ada = await makeDevice(1);
    await using eve = await makeDevice(2);
    const rows = (await ada.db("app")).collection<unknown>("rows");
    await rows.setPolicy("", "appResolves");
    await grant(ada, rows.id, eve.user, "reader");
    const other = await makeDevice(3, { user: 1 });
    const others = (await other.db("app")).collection<unknown>("rows");
    await settleDevices([ada, other], [rows.id]);
    await rows.put("a", 1);
    await others.put("a", 2);
    await settleDevices([ada, other, eve], [rows.id]);
    const db = await eve.db("app");
    const theirs = db.collection<unknown>(rows.id);
    expect(await theirs.conflicts("a")).toHaveLength(2);
    const offers: unknown[] = [];
    db.resolve(theirs, (conflict) => void offers.push(conflict));
    await quiet();
    expect(offers).toEqual([]);
  });
});
