import { describe, expect, test } from "vitest";
import type { Role } from "../access/index.ts";
import type { UserId } from "../base/index.ts";
import { exchange, makeDevice, rowsOf, type TestDevice } from "../testkit/device.ts";
import type { Collection, Database, QuarantinedRow } from "./index.ts";

type Rows = Collection<unknown>;

async function opened(): Promise<{ ada: TestDevice; db: Database; rows: Rows }> {
  const ada = await makeDevice(1);
  const db = await ada.db("app");
  return { ada, db, rows: db.collection<unknown>("rows") };
}

const sequence = ({ history }: TestDevice): number => history.sequence("app");
const coded = (code: string): unknown => expect.objectContaining({ code });
async function quarantinedIn(rows: Rows): Promise<QuarantinedRow<unknown>[]> {
  const listed: QuarantinedRow<unknown>[] = [];
  for await (const one of rows.quarantined()) listed.push(one);
  return listed;
}
const names = (db: Database): string[] => db.collections().map(({ name }) => name);

describe("creating", () => {
  test("[DB24] a collection is made by its first write, or by itself", async () => {
    const { ada, db, rows } = await opened();
    expect([rows.exists(), names(db)]).toEqual([false, []]);
    await rows.delete("nothing");
    expect(rows.exists()).toBe(false);
    await rows.put("a", 1);
    const made = await db.createCollection<number>("made");
    expect([rows.exists(), made.exists(), names(db)]).toEqual([true, true, ["made", "rows"]]);
    expect(await rowsOf(made)).toEqual([]);
    const before = sequence(ada);
    for (const name of ["made", "rows"])
      await expect(db.createCollection(name)).rejects.toThrow(coded("DB_COLLECTION_EXISTS"));
    expect(sequence(ada)).toBe(before);
    await made.put("a", 1);
    expect(await made.get("a")).toBe(1);
    await expect(db.createCollection("")).rejects.toThrow(coded("DB_NAME_INVALID"));
  });

  test("[DB24] of two calls at once one makes it", async () => {
    const { ada, db } = await opened();
    const again = await ada.db("app");
    const both = await Promise.allSettled([db, again].map((one) => one.createCollection("made")));
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(names(db)).toEqual(["made"]);
  });

  test("[DB24] one without rows reaches a peer", async () => {
    const { ada, db } = await opened();
    await using phone = await makeDevice(2, { user: 1 });
    const { id } = await db.createCollection("made");
    await exchange(ada, phone, [id]);
    expect(names(await phone.db("app"))).toEqual(["made"]);
  });
});

describe("deleting a range", () => {
  const filled = async (rows: Rows, keys: readonly string[]): Promise<void> => {
    for (const key of keys) await rows.put(key, key);
  };
  const keysOf = async (rows: Rows): Promise<string> =>
    (await rowsOf(rows)).map(([key]) => key).join("");

  test.each<[string, object, string, number]>([
    ["start and end", { start: "b", end: "d" }, "ade", 2],
    ["a start alone", { start: "c" }, "ab", 3],
    ["an end alone", { end: "c" }, "cde", 2],
    ["a prefix", { prefix: "c" }, "abde", 1],
    ["nothing between", { start: "d", end: "b" }, "abcde", 0],
    ["everything", {}, "", 5],
  ])(
    "[DB25] takes what lies within %s, and nothing the second time",
    async (_, bounds, left, count) => {
      const { ada, rows } = await opened();
      await filled(rows, ["a", "b", "c", "d", "e"]);
      const before = sequence(ada);
      expect(await rows.deleteRange(bounds)).toBe(count);
      expect(await keysOf(rows)).toBe(left);
      expect(sequence(ada)).toBe(before + Math.min(count, 1));
      expect(await rows.deleteRange(bounds)).toBe(0);
      expect(sequence(ada)).toBe(before + Math.min(count, 1));
    },
  );

  test("[DB25] more than a batch holds goes in several, and none is left", async () => {
    const { ada, db, rows } = await opened();
    for (let from = 0; from < 12_000; from += 6000) {
      await db.batch((batch) => {
        for (let i = from; i < from + 6000; i++) batch.put(rows, `${i}`, null);
      });
    }
    const before = sequence(ada);
    expect(await rows.deleteRange({})).toBe(12_000);
    expect(await rowsOf(rows)).toEqual([]);
    expect(sequence(ada)).toBe(before + 2);
  });

  test("[DB25] rows that are too large together are deleted in pieces", async () => {
    const { rows } = await opened();
    // Over what one turn may hold of rows as they were: 32 MiB.
    for (let i = 0; i < 40; i++) await rows.put(`${i}`, "x".repeat(1_000_000));
    expect(await rows.deleteRange({})).toBe(40);
    expect(await rowsOf(rows)).toEqual([]);
  });

  test("[DB25] bounds that make no sense, and a signal, end it", async () => {
    const { rows } = await opened();
    await filled(rows, ["a"]);
    const both = { prefix: "a", start: "b" };
    await expect(rows.deleteRange(both)).rejects.toThrow(TypeError);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(rows.deleteRange({}, { signal })).rejects.toThrow("enough");
    expect(await keysOf(rows)).toBe("a");
  });
});

describe("destroying", () => {
  const uses: Record<string, (rows: Rows, db: Database) => unknown> = {
    get: (rows) => rows.get("a"),
    has: (rows) => rows.has("a"),
    put: (rows) => rows.put("a", 1),
    delete: (rows) => rows.delete("a"),
    scan: (rows) => rowsOf(rows),
    deleteRange: (rows) => rows.deleteRange({}),
    watch: (rows) => rows.watch().next(),
    conflicts: (rows) => rows.conflicts("a"),
    access: (rows) => rows.access(),
    grant: (rows) => rows.grant(rows.owner, "reader"),
    revoke: (rows) => rows.revoke(rows.owner),
    policy: (rows) => rows.setPolicy("", "keepAll"),
    counter: (rows) => rows.counter("a").add(1),
    batch: (rows, db) => db.batch((batch) => batch.put(rows, "a", 1)),
    "batch read": (rows, db) => db.batch((batch) => batch.get(rows, "a")),
    create: (rows, db) => db.createCollection(rows.name),
  };

  test("[DB26] is for ever: nothing of it is shown, taken or made anew", async () => {
    const { ada, db, rows } = await opened();
    const others = db.collection("others");
    await rows.put("a", 1);
    await others.put("a", 1);
    await rows.destroy();
    const before = sequence(ada);
    expect([rows.exists(), names(db)]).toEqual([false, ["others"]]);
    for (const [name, use] of Object.entries(uses))
      await expect((async () => use(rows, db))(), name).rejects.toThrow(
        coded("DB_COLLECTION_DESTROYED"),
      );
    await rows.destroy();
    await db.collection("never there").destroy();
    expect(sequence(ada)).toBe(before);
    expect(await rowsOf(others)).toEqual([["a", 1]]);
  });

  test("[DB26] reaches everybody, also with what they wrote meanwhile, and ends watches", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    await rows.put("a", 1);
    await rows.grant(bea.user, "writer");
    await exchange(ada, bea, [rows.id]);
    const theirs = (await bea.db("app")).collection<unknown>(rows.id);
    await expect(theirs.destroy()).rejects.toThrow(coded("DB_NO_ACCESS"));
    const pages = theirs.watch();
    await pages.next();
    const next = pages.next();
    await rows.destroy();
    await theirs.put("b", 2);
    await next;
    await exchange(ada, bea, [rows.id]);
    await expect(pages.next()).rejects.toThrow(coded("DB_COLLECTION_DESTROYED"));
    await exchange(bea, ada, [rows.id]);
    for (const one of [rows, theirs])
      await expect(one.get("b")).rejects.toThrow(coded("DB_COLLECTION_DESTROYED"));
    // Sync goes on: who knows less learns of it, too.
    expect(ada.history.scope(rows.id)?.vector()).toEqual(bea.history.scope(rows.id)?.vector());
  });
});

describe("access", () => {
  const rolesOf = (rows: Rows): Map<UserId, Role> =>
    new Map(rows.access().users.map(({ user, role }) => [user, role]));

  test("[DB27] a grant gives a role, and is told with the owner's", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    expect(rolesOf(rows)).toEqual(new Map([[ada.user, "admin"]]));
    await rows.grant(bea.user, "reader");
    expect(rolesOf(rows).get(bea.user)).toBe("reader");
    const before = sequence(ada);
    await rows.grant(bea.user, "reader");
    expect(sequence(ada)).toBe(before);
    await rows.grant(bea.user, "writer");
    expect(rolesOf(rows).get(bea.user)).toBe("writer");
    await expect(rows.grant("bea" as UserId, "reader")).rejects.toThrow(TypeError);
  });

  test("[DB27] a change by an old version is refused, and names what it would", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    await using cem = await makeDevice(3);
    const { version } = rows.access();
    await rows.grant(bea.user, "reader", { version });
    expect(rows.access().version).not.toBe(version);
    const late = rows.grant(cem.user, "reader", { version });
    await expect(late).rejects.toThrow(coded("DB_BAD_VERSION"));
    const now = rows.access();
    const both = await Promise.allSettled(
      [bea, cem].map(({ user }) => rows.grant(user, "writer", { version: now.version })),
    );
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    await rows.grant(cem.user, "reader", { version: rows.access().version });
    expect([...rolesOf(rows).values()].toSorted()).toEqual(["admin", "reader", "writer"]);
    expect(rolesOf(rows).get(ada.user)).toBe("admin");
  });

  test("[DB27] who may not give a role is refused", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    await using cem = await makeDevice(3);
    await rows.grant(bea.user, "admin");
    await rows.grant(cem.user, "writer");
    for (const one of [bea, cem]) await exchange(ada, one, [rows.id]);
    const by = async (device: TestDevice, role: Role): Promise<void> =>
      (await device.db("app")).collection(rows.id).grant(cem.user, role);
    await expect(by(cem, "writer")).rejects.toThrow(coded("DB_NO_ACCESS"));
    await expect(by(bea, "admin")).rejects.toThrow(coded("DB_NO_ACCESS"));
    await by(bea, "writer");
  });

  test("[DB27] a role that is none is told so", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    const granted = rows.grant(bea.user, "owner" as Role);
    await expect(granted).rejects.toThrow(new TypeError("A role is reader, writer or admin"));
    expect(ada.history.sequence("app")).toBe(0);
  });

  test("[DB33] a revocation takes everything, keeps what is here, and a later grant holds", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    await rows.grant(bea.user, "writer");
    await exchange(ada, bea, [rows.id]);
    const theirs = (await bea.db("app")).collection<unknown>(rows.id);
    await theirs.put("early", 1);
    await exchange(bea, ada, [rows.id]);
    await theirs.put("late", 2);
    await rows.revoke(bea.user);
    expect(rolesOf(rows)).toEqual(new Map([[ada.user, "admin"]]));
    const before = sequence(ada);
    await rows.revoke(bea.user);
    expect(sequence(ada)).toBe(before);
    await exchange(bea, ada, [rows.id]);
    expect(await rowsOf(rows)).toEqual([["early", 1]]);
    await exchange(ada, bea, [rows.id]);
    await expect(theirs.put("later", 3)).rejects.toThrow(coded("DB_NO_ACCESS"));
    expect(await rowsOf(theirs)).toEqual([["early", 1]]);
    await rows.grant(bea.user, "writer");
    await exchange(ada, bea, [rows.id]);
    await theirs.put("again", 4);
    await exchange(bea, ada, [rows.id]);
    expect(await rowsOf(rows)).toEqual([
      ["again", 4],
      ["early", 1],
    ]);
  });

  test("[DB41] what was written too late is listed on the device that wrote it, and nowhere else", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    await rows.setPolicy("n/", "counter");
    await rows.grant(bea.user, "writer");
    await exchange(ada, bea, [rows.id]);
    const db = await bea.db("app");
    const theirs = db.collection<unknown>(rows.id);
    await theirs.put("a", 1);
    await theirs.counter("n/visits").add(2);
    await exchange(bea, ada, [rows.id]);
    await theirs.put("a", { late: true }, { hint: "on the train" });
    await db.batch((batch) => {
      batch.put(theirs, "b", "new");
      batch.delete(theirs, "a");
    });
    await theirs.counter("n/visits").add(3);
    expect(await quarantinedIn(theirs)).toEqual([]);
    await rows.revoke(bea.user);
    await exchange(ada, bea, [rows.id]);
    const listed = await quarantinedIn(theirs);
    // The rows of one batch come in no order of their own.
    const [first, ...others] = listed.map(({ key, value, hint }) => [key, value, hint]);
    expect(first).toEqual(["a", { late: true }, "on the train"]);
    expect(new Set(others)).toEqual(
      new Set([
        ["a", undefined, undefined],
        ["b", "new", undefined],
        ["n/visits", 5, undefined],
      ]),
    );
    const times = listed.map(({ timestampMs }) => timestampMs);
    expect(times).toEqual(times.toSorted((x, y) => x - y));
    expect(await theirs.get("a")).toBe(1);
    expect(await quarantinedIn(rows)).toEqual([]);
    await db.close();
    expect(() => theirs.quarantined()).toThrow(coded("DB_CLOSED"));
  });

  test("[DB33] a revocation by an old version is refused, and changes nothing", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    await rows.grant(bea.user, "reader");
    const { version } = rows.access();
    await rows.grant(bea.user, "writer");
    await expect(rows.revoke(bea.user, { version })).rejects.toThrow(coded("DB_BAD_VERSION"));
    const now = rows.access();
    const grant = rows.grant(bea.user, "admin");
    const late = rows.revoke(bea.user, { version: now.version });
    await grant;
    await expect(late).rejects.toThrow(coded("DB_BAD_VERSION"));
    expect(rolesOf(rows).get(bea.user)).toBe("admin");
    await rows.revoke(bea.user, { version: rows.access().version });
    expect([...rolesOf(rows).keys()]).toEqual([ada.user]);
    await expect(rows.revoke("bea" as UserId)).rejects.toThrow(TypeError);
  });

  test("[DB33] admins take from readers and writers, the owner from all others, and nobody from the owner", async () => {
    const { ada, rows } = await opened();
    await using bea = await makeDevice(2);
    await using cem = await makeDevice(3);
    await using dee = await makeDevice(4);
    await rows.grant(bea.user, "admin");
    await rows.grant(cem.user, "admin");
    await rows.grant(dee.user, "writer");
    for (const one of [bea, cem, dee]) await exchange(ada, one, [rows.id]);
    const by = async (device: TestDevice, user: UserId): Promise<void> =>
      (await device.db("app")).collection(rows.id).revoke(user);
    const refused = coded("DB_NO_ACCESS");
    await expect(by(bea, cem.user)).rejects.toThrow(refused);
    await expect(by(bea, ada.user)).rejects.toThrow(refused);
    await expect(by(ada, ada.user)).rejects.toThrow(refused);
    await expect(by(dee, cem.user)).rejects.toThrow(refused);
    await expect(by(dee, dee.user)).rejects.toThrow(refused);
    await by(bea, dee.user);
    await exchange(bea, ada, [rows.id]);
    expect(rolesOf(rows).has(dee.user)).toBe(false);
    await by(ada, cem.user);
    expect(rolesOf(rows).get(bea.user)).toBe("admin");
    expect(rolesOf(rows).has(cem.user)).toBe(false);
  });
});
