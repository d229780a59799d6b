import { describe, expect, test } from "vitest";
import { exchange, makeDevice, settleDevices } from "../testkit/device.ts";
import { settle } from "../testkit/fake-clock.ts";
import { beginning, next, opened, sinceIn, textOf } from "../testkit/watch-pages.ts";
import type { DatabaseWatchOptions } from "./index.ts";

describe("[DB31] several collections", () => {
  test("their state, then each commit as one batch over all of them, also of such that come later", async () => {
    await using device = await opened();
    const { db, rows } = device;
    const [photos, plain] = [db.collection("photos 1"), db.collection("plain")];
    await rows.put("a", 1);
    await photos.put("b", 2);
    await plain.put("c", 3);
    const pages = db.watch({ collections: ["rows", "photos *"] });
    const [state, ...none] = await beginning(pages);
    expect(none).toEqual([]);
    expect(state?.changes).toEqual([
      {
        collection: { owner: rows.owner, name: "photos 1" },
        type: "put",
        key: "b",
        value: 2,
        conflict: false,
      },
      {
        collection: { owner: rows.owner, name: "rows" },
        type: "put",
        key: "a",
        value: 1,
        conflict: false,
      },
    ]);
    const later = db.collection("photos 2");
    await db.batch((batch) => {
      batch.put(rows, "d", 1);
      batch.put(plain, "d", 1);
      batch.put(later, "d", 1);
    });
    await plain.put("e", 1);
    await photos.delete("b");
    const batch = await next(pages);
    expect(batch.changes.map(textOf).toSorted()).toEqual(["photos 2/d", "rows/d"]);
    expect((await next(pages)).changes.map(textOf)).toEqual(["photos 1/b"]);
    const told = await sinceIn(db, {
      collections: ["photos *", { name: "p*", prefix: "" }],
      after: batch.marker,
    });
    expect(told.map(textOf)).toEqual(["plain/e", "photos 1/b"]);
    await pages.return();
  });

  test("a row that fits several patterns is told once", async () => {
    await using device = await opened();
    const { db, rows } = device;
    const all: DatabaseWatchOptions["collections"] = [
      { name: "r*", prefix: "a/" },
      { name: "rows", prefix: "a/b" },
      { name: "*", prefix: "a/b/", owner: "*" },
      { name: "rows", prefix: "%" },
      { name: "rows", prefix: "c" },
    ];
    const marker = db.marker();
    const pages = db.watch({ collections: all });
    await beginning(pages);
    const written = ["a/1", "a/b/1", "a/b2", "a0", "%", "%%", "c*", "d"];
    await db.batch((batch) => written.forEach((key) => batch.put(rows, key, 1)));
    const expected = ["%", "%%", "a/1", "a/b/1", "a/b2", "c*"];
    const live = (await next(pages)).changes;
    for (const changes of [
      live,
      await sinceIn(db, { collections: all }),
      await sinceIn(db, { collections: all, after: marker }),
    ])
      expect(changes.map(textOf).toSorted()).toEqual(expected.map((key) => `rows/${key}`));
    await pages.return();
  });

  test("a collection that is destroyed is one change, and nothing of it is told afterwards", async () => {
    await using device = await opened();
    await using other = await opened(2);
    const { ada, db, rows } = device;
    await rows.put("a", 1);
    await settleDevices([ada, other.ada], [rows.id]);
    const kept = db.collection("kept");
    await kept.put("a", 1);
    const marker = db.marker();
    const pages = db.watch();
    await beginning(pages);
    await rows.put("b", 1);
    await rows.destroy();
    await kept.put("b", 1);
    // Written elsewhere before the news came there.
    await other.rows.put("c", 1);
    await exchange(other.ada, ada, [rows.id]);
    await kept.put("c", 1);
    const told = [await next(pages), await next(pages), await next(pages)];
    expect(told.map(({ changes }) => changes.map(textOf))).toEqual([
      ["rows destroyed"],
      ["kept/b"],
      ["kept/c"],
    ]);
    expect((await sinceIn(db, { after: marker })).map(textOf)).toEqual([
      "rows destroyed",
      "kept/b",
      "kept/c",
    ]);
    expect((await sinceIn(db, { after: db.marker() })).map(textOf)).toEqual([]);
    expect((await sinceIn(db, {})).map(textOf)).toEqual(["kept/a", "kept/b", "kept/c"]);
    await pages.return();
  });

  test("what changes elsewhere wakes nobody, and what arrives by sync is told as such", async () => {
    await using device = await opened();
    await using other = await opened(2);
    const { ada, db, rows } = device;
    const pages = db.watch({ collections: ["rows"] });
    await beginning(pages);
    const waiting = next(pages);
    await settle();
    for (let i = 0; i < 20; i++) await db.collection("plain").put("x", i);
    await other.rows.put("a", 1);
    await exchange(other.ada, ada, [rows.id]);
    expect(await waiting).toMatchObject({ fromSync: true, changes: [{ key: "a" }] });
    await pages.return();
  });
});

test("[DB32] patterns: stars, escapes, owners; what is none is refused at the call", async () => {
  await using device = await opened();
  const { db, ada } = device;
  const names = ["a", "ab", "a*", "a\\b", "ba", "aba", "ä"];
  for (const name of names) await db.collection(name).put("x", 1);
  const found = async (name: string): Promise<string[]> =>
    (await sinceIn(db, { collections: [name] })).map(({ collection }) => collection.name);
  expect(await found("a")).toEqual(["a"]);
  expect(await found("a*")).toEqual(["a", "a*", "a\\b", "ab", "aba"]);
  expect(await found("*a")).toEqual(["a", "aba", "ba"]);
  expect(await found("a*a")).toEqual(["aba"]);
  expect(await found("*b*")).toEqual(["a\\b", "ab", "aba", "ba"]);
  expect(await found("a\\*")).toEqual(["a*"]);
  expect(await found("a\\\\*")).toEqual(["a\\b"]);
  expect(await found("**")).toHaveLength(names.length);
  const bea = await makeDevice(9);
  const theirs = (await bea.db("app")).collection("theirs");
  await theirs.put("x", 1);
  await exchange(bea, ada, [theirs.id]);
  expect(await found("theirs")).toEqual([]);
  for (const owner of [bea.user, "*"] as const) {
    const told = await sinceIn(db, { collections: [{ name: "theirs", owner }] });
    expect(told.map(textOf)).toEqual(["theirs/x"]);
  }
  for (const collections of [
    [],
    [""],
    ["a\\"],
    ["\\a"],
    [{ name: "" }],
    Array<string>(257).fill("a"),
  ])
    expect(() => db.watch({ collections })).toThrow(
      expect.objectContaining({ code: "DB_PATTERN_INVALID" }) as Error,
    );
  expect(() => db.watch({ collections: [{ name: "a", prefix: "\ud800" }] })).toThrow(
    expect.objectContaining({ code: "DB_KEY_INVALID" }) as Error,
  );
  expect(() => db.watch({ collections: [{ name: "a", owner: "me" as never }] })).toThrow(
    expect.objectContaining({ code: "DB_NAME_INVALID" }) as Error,
  );
  await bea.close();
});
