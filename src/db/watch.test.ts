import { getEventListeners } from "node:events";
import { expect, test, vi } from "vitest";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import {
  exchange,
  makeDevice,
  rowsOf,
  settleDevices,
  type TestDevice,
  type TestDeviceOptions,
} from "../testkit/device.ts";
import { FakeClock, settle } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { FaultyMedium, fullDiskError } from "../testkit/store/store-faults.ts";
import { recovered } from "../testkit/store/store-world.ts";
import type { Collection, Database, WatchPage } from "./index.ts";

type Pages = AsyncGenerator<WatchPage<unknown>, void, undefined>;

async function opened(
  seed = 1,
  options: TestDeviceOptions = { user: 1 },
): Promise<{ ada: TestDevice; db: Database; rows: Collection<unknown> }> {
  const ada = await makeDevice(seed, options);
  const db = await ada.db("app");
  return { ada, db, rows: db.collection<unknown>("rows") };
}

/** The next page, of a watch that goes on. */
async function next(pages: Pages): Promise<WatchPage<unknown>> {
  const { value } = await pages.next();
  if (value === undefined) throw new Error("The watch has ended");
  return value;
}

/** Pages up to the first that is caught up. */
async function presentState(pages: Pages): Promise<WatchPage<unknown>[]> {
  const state = [];
  do state.push(await next(pages));
  while (state.at(-1)?.caughtUp !== true);
  return state;
}

const keysOf = (pages: readonly WatchPage<unknown>[]): string[][] =>
  pages.map(({ changes }) => changes.map(({ key }) => key));

const fill = (
  db: Database,
  rows: Collection<unknown>,
  count: number,
  value: unknown,
): Promise<void> =>
  db.batch((batch) => {
    for (let i = 0; i < count; i++) batch.put(rows, String(i).padStart(5, "0"), value);
  });

test("[DB8] first the present state in pages, then each commit", async () => {
  const { db, rows } = await opened();
  await fill(db, rows, 1000, 1);
  await rows.delete("00000");
  const pages = rows.watch();
  const present = await presentState(pages);
  expect(present.map(({ changes }) => changes.length)).toEqual([256, 256, 256, 231]);
  expect(keysOf(present).flat()).toEqual((await rowsOf(rows)).map(([key]) => key));
  expect(present.every(({ fromSync }) => !fromSync)).toBe(true);
  await rows.put("new", 1);
  await db.batch((batch) => {
    batch.put(rows, "new", 2);
    batch.delete(rows, "00005");
  });
  await rows.put("last", null);
  // The first put has been overtaken before it was asked for: its row comes with the batch.
  expect(await next(pages)).toEqual({
    caughtUp: true,
    fromSync: false,
    marker: expect.any(String),
    changes: [
      { type: "put", key: "new", value: 2, conflict: false },
      { type: "delete", key: "00005", conflict: false },
    ],
  });
  expect(await next(pages)).toMatchObject({ changes: [{ key: "last", value: null }] });
  await pages.return();
});

test("[DB8] an empty collection is caught up at once, and what is written first is told", async () => {
  const { rows } = await opened();
  const pages = rows.watch();
  expect(await next(pages)).toEqual({
    changes: [],
    caughtUp: true,
    fromSync: false,
    marker: rows.marker(),
  });
  const waiting = next(pages);
  await rows.put("a", 1);
  expect((await waiting).changes).toEqual([{ type: "put", key: "a", value: 1, conflict: false }]);
});

test("[DB8] what is written while the present state is told comes after it", async () => {
  const { db, rows } = await opened();
  await fill(db, rows, 600, "old");
  const pages = rows.watch();
  const first = await next(pages);
  await fill(db, rows, 600, "new");
  const rest = await presentState(pages);
  const told = [first, ...rest].flatMap(({ changes }) => changes);
  expect(told.length).toBe(600);
  expect(told.every((change) => change.type === "put" && change.value === "old")).toBe(true);
  const later = [await next(pages), await next(pages), await next(pages)];
  expect(keysOf(later).flat()).toEqual(told.map(({ key }) => key));
  expect(later.map(({ caughtUp }) => caughtUp)).toEqual([true, true, true]);
});

test("[DB8] only keys under the prefix, and only this collection, are told", async () => {
  const { db, rows } = await opened();
  const others = db.collection<unknown>("others");
  await rows.put("a", 1);
  await rows.put("a/1", 1);
  const pages = rows.watch({ prefix: "a/" });
  expect(keysOf(await presentState(pages))).toEqual([["a/1"]]);
  for (let i = 0; i < 200; i++) await others.put("a/other", i);
  await rows.put("b", 1);
  await rows.put("a0", 1);
  await db.batch((batch) => {
    batch.put(rows, "a/2", 1);
    batch.put(rows, "a", 2);
  });
  expect(keysOf([await next(pages)])).toEqual([["a/2"]]);
  const waiting = next(pages);
  await settle();
  for (let i = 0; i < 200; i++) await others.put("a/other", i);
  await rows.delete("a/1");
  expect((await waiting).changes).toEqual([{ type: "delete", key: "a/1", conflict: false }]);
});

test("[DB8] aborting throws the signal's reason, wherever the watch is", async () => {
  const { db, rows } = await opened();
  await fill(db, rows, 600, 1);
  const reason = new Error("enough");
  const aborted = AbortSignal.abort(reason);
  await expect(rows.watch({ signal: aborted }).next()).rejects.toBe(reason);
  for (const pagesBefore of [1, 3]) {
    const abort = new AbortController();
    const pages = rows.watch({ signal: abort.signal });
    for (let i = 0; i < pagesBefore; i++) await next(pages);
    abort.abort(reason);
    await expect(pages.next()).rejects.toBe(reason);
    expect(await pages.next()).toEqual({ done: true, value: undefined });
  }
  const abort = new AbortController();
  const pages = rows.watch({ signal: abort.signal });
  await presentState(pages);
  const waiting = pages.next();
  await settle();
  abort.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect(getEventListeners(abort.signal, "abort")).toEqual([]);
});

test("[DB8] closing the database ends a watch, wherever it is", async () => {
  const { ada, db, rows } = await opened();
  await fill(db, rows, 600, 1);
  const [early, middle, waiting] = [rows.watch(), rows.watch(), rows.watch()];
  await next(middle);
  await presentState(waiting);
  const last = waiting.next();
  await settle();
  await db.close();
  await ada.close();
  for (const end of [early.next(), middle.next(), last])
    expect(await end).toEqual({ done: true, value: undefined });
});

test("[DB8] leaving the loop lets everything go", async () => {
  const { ada, db, rows } = await opened();
  await fill(db, rows, 600, 1);
  const { signal } = new AbortController();
  let [listening, snapshots] = [0, 0];
  const { history } = ada;
  const [onWritten, snapshot] = [history.onWritten.bind(history), history.snapshot.bind(history)];
  vi.spyOn(history, "onWritten").mockImplementation((listener) => {
    const stop = onWritten(listener);
    listening += 1;
    return () => {
      listening -= 1;
      stop();
    };
  });
  vi.spyOn(history, "snapshot").mockImplementation(() => {
    const taken = snapshot();
    const close = taken.close.bind(taken);
    snapshots += 1;
    taken.close = () => {
      snapshots -= 1;
      return close();
    };
    return taken;
  });
  const counts = (): number[] => [listening, snapshots, getEventListeners(signal, "abort").length];
  const pages = rows.watch({ signal });
  expect(counts()).toEqual([0, 0, 0]);
  await next(pages);
  expect(counts()).toEqual([1, 1, 1]);
  await presentState(pages);
  const waiting = pages.next();
  await settle();
  expect(counts()).toEqual([1, 0, 1]);
  await rows.put("a", 1);
  await waiting;
  await pages.return();
  expect(counts()).toEqual([0, 0, 0]);
  for await (const page of rows.watch({ signal })) if (page.changes.length > 0) break;
  expect(counts()).toEqual([0, 0, 0]);
});

test("[DB9] what a peer brings is one page, told as such", async () => {
  const { ada, rows } = await opened();
  const other = await opened(2);
  for (let i = 0; i < 20; i++) await other.rows.put(`${i}`, i);
  await other.rows.delete("7");
  await other.rows.put("8", "again");
  const pages = rows.watch();
  await presentState(pages);
  await exchange(other.ada, ada, [rows.id]);
  await rows.put("mine", 1);
  const page = await next(pages);
  expect([page.fromSync, page.changes.length]).toEqual([true, 20]);
  expect(page.changes.filter(({ key }) => key === "7" || key === "8")).toEqual([
    { type: "delete", key: "7", conflict: false },
    { type: "put", key: "8", value: "again", conflict: false },
  ]);
  expect(await next(pages)).toMatchObject({ fromSync: false, changes: [{ key: "mine" }] });
});

test("[DB9] a change that only adds or ends a conflict is a change", async () => {
  const { ada, rows } = await opened();
  const other = await opened(2);
  await other.rows.put("a", "earlier");
  await rows.put("a", "later");
  await rows.put("a", "later still");
  const pages = rows.watch();
  await presentState(pages);
  await exchange(other.ada, ada, [rows.id]);
  expect((await next(pages)).changes).toEqual([
    { type: "put", key: "a", value: "later still", conflict: true },
  ]);
  await rows.delete("a");
  expect((await next(pages)).changes).toEqual([{ type: "delete", key: "a", conflict: false }]);
  await other.rows.put("a", "again");
  await exchange(other.ada, ada, [rows.id]);
  const page = await next(pages);
  expect(page.changes).toHaveLength(1);
  expect(page.changes[0]).toMatchObject({ key: "a", conflict: true });
  // The present state of a deletion that something contends with is told as well.
  expect((await presentState(rows.watch()))[0]?.changes).toEqual(page.changes);
});

test("[DB9] a large delivery comes in pages, none over its limits", async () => {
  const { ada, rows } = await opened();
  const other = await opened(2);
  await fill(other.db, other.rows, 700, 1);
  const pages = rows.watch();
  await presentState(pages);
  await exchange(other.ada, ada, [rows.id]);
  const got = [await next(pages), await next(pages), await next(pages)];
  expect(got.map(({ changes, fromSync }) => [changes.length, fromSync])).toEqual([
    [256, true],
    [256, true],
    [188, true],
  ]);
  await fill(other.db, other.rows, 5, "x".repeat(400_000));
  await other.rows.put("large", "x".repeat(1_048_000));
  await exchange(other.ada, ada, [rows.id]);
  expect(
    keysOf([await next(pages), await next(pages), await next(pages), await next(pages)]),
  ).toEqual([["00000", "00001"], ["00002", "00003"], ["00004"], ["large"]]);
});

test("[DB17] a watch goes on when the store has to be reopened under it", async () => {
  const below = createMemoryMedium();
  const medium = new FaultyMedium(() => below.openEngine());
  const clock = new FakeClock();
  const store = await openMemoryStore({ medium, clock, random: seededRandom(1) });
  const { db, rows } = await opened(1, { store, clock });
  await fill(db, rows, 600, "old");
  const [telling, following] = [rows.watch(), rows.watch()];
  const told = new Map<string, unknown>();
  const tell = ({ changes }: WatchPage<unknown>): void => {
    for (const change of changes) if (change.type === "put") told.set(change.key, change.value);
  };
  tell(await next(telling));
  await presentState(following);
  medium.failWrite({ error: fullDiskError() });
  await expect(rows.put("lost", 1)).rejects.toThrow(
    expect.objectContaining({ code: "STORE_FULL" }),
  );
  await recovered(store, clock);
  expect(medium.openCount).toBe(2);
  await rows.put("00599", "new");
  await rows.put("end", 1);
  while (!told.has("end")) tell(await next(telling));
  expect(told).toEqual(new Map(await rowsOf(rows)));
  expect(keysOf([await next(following), await next(following)])).toEqual([["00599"], ["end"]]);
});

test("[DB17] a slow watch is told each row once, however often it was written", async () => {
  const { rows } = await opened();
  const pages = rows.watch();
  await presentState(pages);
  for (let i = 0; i < 500; i++) await rows.put(`${i % 3}`, i);
  await rows.put("end", 1);
  const told = [];
  while (told.at(-1) !== "end") told.push(...keysOf([await next(pages)]).flat());
  expect(told).toEqual(["2", "0", "1", "end"]);
});

test("[DB9] many watches at once are each told everything", async () => {
  const { ada, rows } = await opened();
  const other = await opened(2);
  const watches = Array.from({ length: 20 }, () => rows.watch());
  await Promise.all(watches.map(presentState));
  const waiting = watches.map(next);
  await other.rows.put("a", 1);
  await settleDevices([ada, other.ada], [rows.id]);
  for (const page of await Promise.all(waiting)) expect(keysOf([page])).toEqual([["a"]]);
});

test("[DB8] a watch misses nothing that is written while it looks, and does not look at what others write", async () => {
  const { ada, db, rows } = await opened();
  const others = db.collection<unknown>("others");
  const changesAfter = ada.history.changes.after.bind(ada.history.changes);
  const askedFrom: number[] = [];
  let meanwhile: (() => Promise<void>) | undefined;
  vi.spyOn(ada.history.changes, "after").mockImplementation(async function* (name, sequence) {
    askedFrom.push(sequence);
    yield* changesAfter(name, sequence);
    const act = meanwhile;
    meanwhile = undefined;
    await act?.();
  });
  const pages = rows.watch();
  await presentState(pages);
  // After the watch has read the log to its end, and before it waits.
  meanwhile = async () => {
    await others.put("x", 1);
    await rows.put("a", 1);
    await others.put("x", 2);
  };
  expect(keysOf([await next(pages)])).toEqual([["a"]]);
  const waiting = next(pages);
  await settle();
  for (let i = 0; i < 50; i++) await others.put("x", i);
  const asked = askedFrom.length;
  await rows.put("b", 1);
  expect(keysOf([await waiting])).toEqual([["b"]]);
  // The fifty are passed over: one look, from the last of them.
  expect(askedFrom.slice(asked)).toEqual([ada.history.sequence("app") - 1]);
});

test("[DB9] a delivery of many rows in conflict reads each commit once, not once a row", async () => {
  const [ada, ben] = [await makeDevice(1), await makeDevice(2, { user: 1 })];
  const [here, there] = [await ada.db("app"), await ben.db("app")];
  const rows = here.collection<string>("rows");
  await rows.put("x", "first");
  await settleDevices([ada, ben], [rows.id]);
  const marker = rows.marker();
  for (const db of [here, there])
    await db.batch((batch) => {
      for (let i = 0; i < 200; i++) batch.put(db.collection("rows"), `${i}`, db.name);
    });
  for (const db of [here, there]) await db.collection("rows").put("0", db === here ? "a" : "b");
  await settleDevices([ada, ben], [rows.id]);
  const arrivalOf = vi.spyOn(ada.history.changes, "arrivalOf");
  const told = new Map<string, boolean>();
  for await (const { changes, caughtUp } of rows.watch({ after: marker })) {
    for (const { key, conflict } of changes) told.set(key, conflict);
    if (caughtUp) break;
  }
  expect([told.size, told.get("0")]).toEqual([200, true]);
  // Four commits, held against each of the changes that came since.
  expect(arrivalOf.mock.calls.length).toBeLessThan(40);
});
