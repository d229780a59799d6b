import { describe, expect, test } from "vitest";
import { createMemoryMedium, type MemoryMedium, openMemoryStore } from "../store/index.ts";
import { exchange, grant, makeDevice, settleDevices, type TestDevice } from "../testkit/device.ts";
import { settle } from "../testkit/fake-clock.ts";
import { copyMedium } from "../testkit/medium-copy.ts";
import type {
  Change,
  Collection,
  Database,
  DatabaseChange,
  DatabaseWatchOptions,
  WatchPage,
} from "./index.ts";

type Pages<C> = AsyncGenerator<WatchPage<unknown, C>, void, undefined>;

interface Opened extends AsyncDisposable {
  readonly ada: TestDevice;
  readonly db: Database;
  readonly rows: Collection<unknown>;
}

async function opened(seed = 1, medium: MemoryMedium = createMemoryMedium()): Promise<Opened> {
  const store = await openMemoryStore({ medium });
  const ada = await makeDevice(seed, { store, user: 1 });
  const db = await ada.db("app");
  const close = async (): Promise<void> => {
    await db.close();
    await ada.close();
    await store.close();
  };
  return { ada, db, rows: db.collection<unknown>("rows"), [Symbol.asyncDispose]: close };
}

async function next<C>(pages: Pages<C>): Promise<WatchPage<unknown, C>> {
  const { value } = await pages.next();
  if (value === undefined) throw new Error("The watch has ended");
  return value;
}

/** Pages up to the first that is caught up. */
async function beginning<C>(pages: Pages<C>): Promise<WatchPage<unknown, C>[]> {
  const told = [];
  do told.push(await next(pages));
  while (told.at(-1)?.caughtUp !== true);
  return told;
}

/** What has changed since a marker, as a watch tells it before it has caught up. */
async function since(rows: Collection<unknown>, after: string): Promise<Change<unknown>[]> {
  const pages = rows.watch({ after });
  const told = await beginning(pages);
  await pages.return();
  return told.flatMap(({ changes }) => changes);
}

async function sinceIn(
  db: Database,
  options: DatabaseWatchOptions,
): Promise<DatabaseChange<unknown>[]> {
  const pages = db.watch<unknown>(options);
  const told = await beginning(pages);
  await pages.return();
  return told.flatMap(({ changes }) => changes);
}

const keysOf = (changes: readonly { readonly key: string }[]): string[] =>
  changes.map(({ key }) => key);
const UNKNOWN = expect.objectContaining({ code: "DB_RESUME_MARKER_UNKNOWN" }) as unknown;
const textOf = (change: DatabaseChange<unknown>): string =>
  change.type === "destroy"
    ? `${change.collection.name} destroyed`
    : `${change.collection.name}/${change.key}`;

describe("[DB28] markers", () => {
  test("each commit has one, that of the moment after it; watching goes on behind it", async () => {
    await using device = await opened();
    const { rows } = device;
    const pages = rows.watch();
    const [state] = await beginning(pages);
    expect(state?.marker).toBe(rows.marker());
    const markers = [];
    for (let i = 0; i < 5; i++) {
      await rows.put(`${i}`, i);
      const page = await next(pages);
      expect([keysOf(page.changes), page.marker]).toEqual([[`${i}`], rows.marker()]);
      markers.push(rows.marker());
    }
    for (const [i, marker] of markers.entries())
      expect(keysOf(await since(rows, marker))).toEqual(["0", "1", "2", "3", "4"].slice(i + 1));
    expect(await since(rows, state?.marker ?? "")).toHaveLength(5);
    await pages.return();
  });

  test("only the last page of what is over one page has one", async () => {
    await using device = await opened();
    const { db, rows } = device;
    const start = rows.marker();
    const pages = rows.watch();
    await beginning(pages);
    await db.batch((batch) => {
      for (let i = 0; i < 600; i++) batch.put(rows, `${i}`, i);
    });
    const told = [await next(pages), await next(pages), await next(pages)];
    const expected = [undefined, undefined, rows.marker()];
    expect(told.map(({ marker }) => marker)).toEqual(expected);
    await pages.return();
    for (const again of [rows.watch(), rows.watch({ after: start })]) {
      const first = await beginning(again);
      expect(first.map(({ marker }) => marker)).toEqual(expected);
      expect(first.map(({ caughtUp }) => caughtUp)).toEqual([false, false, true]);
      await again.return();
    }
  });

  test("survive restarts; only what came later is told, what came while nobody was there too", async () => {
    const medium = createMemoryMedium();
    let marker = "";
    {
      await using device = await opened(1, medium);
      await device.rows.put("before", 1);
      marker = device.rows.marker();
      await device.rows.put("behind", 1);
    }
    {
      await using device = await opened(1, medium);
      await device.rows.put("later", 1);
    }
    await using device = await opened(1, medium);
    expect(keysOf(await since(device.rows, marker))).toEqual(["behind", "later"]);
  });

  test("of another store, database or none at all are unknown", async () => {
    await using device = await opened();
    await using other = await opened(2);
    for (const { rows } of [device, other]) await rows.put("a", 1);
    const elsewhere = (await device.ada.db("elsewhere")).collection("rows");
    await elsewhere.put("a", 1);
    const ours = device.rows.marker();
    const flipped = (ours.startsWith("A") ? "B" : "A") + ours.slice(1);
    for (const after of [
      other.rows.marker(),
      elsewhere.marker(),
      flipped,
      ours.slice(1),
      `${ours}A`,
      "",
      "no marker",
      "x".repeat(10_000),
    ])
      expect(() => device.rows.watch({ after })).toThrow(UNKNOWN);
    expect(() => device.db.watch({ after: other.rows.marker() })).toThrow(UNKNOWN);
    expect(() => device.rows.watch({ after: 3 as unknown as string })).toThrow(TypeError);
    expect(await since(device.rows, ours)).toEqual([]);
  });

  test("of what a restored store has not come to are unknown, also when it has gone as far on another way", async () => {
    const medium = createMemoryMedium();
    const markers: string[] = [];
    {
      await using device = await opened(1, medium);
      await device.rows.put("kept", 1);
      markers.push(device.rows.marker());
    }
    const backup = await copyMedium(medium);
    {
      await using device = await opened(1, medium);
      await device.rows.put("lost", 1);
      markers.push(device.rows.marker());
    }
    for (let opening = 0; opening < 2; opening++) {
      await using restored = await opened(1, backup);
      const { rows } = restored;
      expect(() => rows.watch({ after: markers[1] as string })).toThrow(UNKNOWN);
      await rows.put("another", opening);
      expect(() => rows.watch({ after: markers[1] as string })).toThrow(UNKNOWN);
      expect(keysOf(await since(rows, markers[0] as string))).toEqual(["another"]);
      expect(await since(rows, rows.marker())).toEqual([]);
    }
  });
});

test("[DB29] [HI60] each row that changed is told once, as it is, in the order of its last change", async () => {
  await using device = await opened();
  await using other = await opened(2);
  const { ada, rows } = device;
  await rows.put("untouched", 1);
  await rows.put("gone", 1);
  await settleDevices([ada, other.ada], [rows.id]);
  const marker = rows.marker();
  for (let i = 0; i < 300; i++) await rows.put(`${i % 3}`, i);
  await rows.put("contended", "here");
  await rows.delete("gone");
  await other.rows.put("contended", "there");
  await other.rows.put("from afar", 1);
  await rows.put("last", 1);
  await exchange(other.ada, ada, [rows.id]);
  const told = await since(rows, marker);
  expect(keysOf(told)).toEqual(["0", "1", "2", "gone", "last", "contended", "from afar"]);
  expect(told[3]).toEqual({ type: "delete", key: "gone", conflict: false });
  expect(told[5]).toMatchObject({ conflict: true });
  // Whoever applied what came before holds what a scan gives.
  const pages = rows.watch({ after: marker });
  const [page] = await beginning(pages);
  expect([page?.fromSync, page?.marker]).toEqual([false, rows.marker()]);
  const waiting = next(pages);
  await rows.put("live", 1);
  expect(keysOf((await waiting).changes)).toEqual(["live"]);
  await pages.return();
});

test("[DB30] what a revocation took back is told, at once and after a marker", async () => {
  await using device = await opened();
  const bea = await makeDevice(2);
  const { ada, rows } = device;
  await rows.put("both", "ada's");
  await grant(ada, rows.id, bea.user, "writer");
  await exchange(ada, bea, [rows.id]);
  const theirs = (await bea.db("app")).collection<unknown>(rows.id);
  await theirs.put("both", "bea's");
  await theirs.put("only bea's", 1);
  await exchange(bea, ada, [rows.id]);
  const marker = rows.marker();
  const pages = rows.watch();
  await beginning(pages);
  await ada.history.write({
    parts: [
      {
        scope: rows.id,
        rows: [],
        controls: [{ type: "revoke", user: bea.user, freeze: new Map() }],
      },
    ],
  });
  const expected = [
    { type: "put", key: "both", value: "ada's", conflict: false },
    { type: "delete", key: "only bea's", conflict: false },
  ];
  expect((await next(pages)).changes).toEqual(expected);
  expect(await since(rows, marker)).toEqual(expected);
  await pages.return();
  await bea.close();
});

test("[DB29] a row of which several changes took something back is told once after a marker", async () => {
  await using here = await opened();
  const { ada, rows } = here;
  await using bea = await makeDevice(2);
  const theirs = (await bea.db("app")).collection<unknown>(rows.id);
  await rows.put("ours", 1);
  await grant(ada, rows.id, bea.user, "writer");
  await settleDevices([ada, bea], [rows.id]);
  for (const value of [2, 3]) {
    await theirs.put("ours", value);
    await exchange(bea, ada, [rows.id]);
  }
  const pages = rows.watch();
  const marker = (await beginning(pages)).at(-1)?.marker ?? expect.unreachable();
  await pages.return();
  const state = ada.history.scope(rows.id) ?? expect.unreachable();
  const [[log, last] = expect.unreachable()] = [...state.vector()].filter(([one]) =>
    one.startsWith(bea.device),
  );
  for (const freeze of [new Map([[log, last - 1]]), new Map()])
    await ada.history.write({
      parts: [{ scope: rows.id, rows: [], controls: [{ type: "revoke", user: bea.user, freeze }] }],
    });
  expect(await since(rows, marker)).toMatchObject([{ key: "ours", value: 1 }]);
});

test("[DB30] a policy that was set while nobody watched is told after a marker", async () => {
  await using device = await opened();
  await using other = await opened(2);
  const { ada, rows } = device;
  await rows.put("a/first", 1);
  await settleDevices([ada, other.ada], [rows.id]);
  for (const key of ["a/one", "b/one"]) {
    await rows.put(key, "here");
    await other.rows.put(key, "there");
  }
  await settleDevices([ada, other.ada], [rows.id]);
  const marker = rows.marker();
  expect(await since(rows, marker)).toEqual([]);
  await rows.setPolicy("a/", "keepAll");
  expect(keysOf(await since(rows, marker))).toEqual(["a/one"]);
  expect(await since(rows, rows.marker())).toEqual([]);
});

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
