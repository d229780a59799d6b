import { describe, expect, test } from "vitest";
import { createMemoryMedium } from "../store/index.ts";
import { exchange, grant, makeDevice, settleDevices } from "../testkit/device.ts";
import { copyMedium } from "../testkit/medium-copy.ts";
import { beginning, keysOf, next, opened } from "../testkit/watch-pages.ts";
import type { Change, Collection } from "./index.ts";

/** What has changed since a marker, as a watch tells it before it has caught up. */
async function since(rows: Collection<unknown>, after: string): Promise<Change<unknown>[]> {
  const pages = rows.watch({ after });
  const told = await beginning(pages);
  await pages.return();
  return told.flatMap(({ changes }) => changes);
}

const UNKNOWN = expect.objectContaining({ code: "DB_RESUME_MARKER_UNKNOWN" }) as unknown;

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
