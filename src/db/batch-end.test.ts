/** What ends a batch. */

import { describe, expect, test } from "vitest";
import { makeDevice, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import type { Batch, Collection, Database } from "./index.ts";

async function opened(): Promise<{
  readonly ada: TestDevice;
  readonly clock: FakeClock;
  readonly db: Database;
  readonly rows: Collection<unknown>;
}> {
  const clock = new FakeClock();
  const ada = await makeDevice(1, { clock });
  const db = await ada.db("app");
  return { ada, clock, db, rows: db.collection("rows") };
}

const coded = (code: string): unknown => expect.objectContaining({ code });

describe("what a batch has not awaited", () => {
  type Begin = (batch: Batch, rows: Collection<unknown>) => unknown;
  const BEGUN: readonly [string, Begin][] = [
    ["deleteRange", (batch, rows) => batch.deleteRange(rows, { prefix: "x" })],
    ["get", (batch, rows) => batch.get(rows, "x1")],
    ["has", (batch, rows) => batch.has(rows, "x1")],
    ["a scan", (batch, rows) => batch.scan(rows).next()],
    ["a counter", (batch, rows) => batch.counter(rows, "n").add(1)],
    [
      "what is put once it is read",
      async (batch, rows) => {
        for await (const { key } of batch.scan(rows)) {
          await batch.get(rows, key);
          batch.put(rows, key, "late");
        }
      },
    ],
  ];
  test.each(BEGUN)(
    "[DB40] %s: nothing is written, and nobody misses a rejection",
    async (_, begin) => {
      const { ada, db, rows } = await opened();
      await db.batch((batch) => {
        batch.put(rows, "x1", 1);
        batch.put(rows, "x2", 2);
      });
      const refused = db.batch((batch) => {
        void begin(batch, rows);
        batch.put(rows, "y", 1);
      });
      await expect(refused).rejects.toThrow(coded("DB_BATCH_ENDED"));
      await expect(refused).rejects.toThrow("await");
      expect([await rows.has("x1"), await rows.has("y")]).toEqual([true, false]);
      expect(ada.history.sequence("app")).toBe(1);
    },
  );

  test("[DB40] a function that throws is heard, and not what it had begun", async () => {
    const { db, rows } = await opened();
    const refused = db.batch((batch) => {
      void batch.deleteRange(rows, {});
      throw new Error("enough");
    });
    await expect(refused).rejects.toThrow("enough");
  });

  test("[DB40] a scan that was left early, and reads that were awaited together, are done", async () => {
    const { db, rows } = await opened();
    await rows.put("a", 1);
    await db.batch(async (batch) => {
      for await (const { key } of batch.scan(rows)) if (key === "a") break;
      await batch.scan(rows).next();
      await Promise.all([batch.get(rows, "a"), batch.deleteRange(rows, {})]);
    });
    expect(await rows.has("a")).toBe(false);
  });
});

describe("the end of a batch", () => {
  const never = (): Promise<void> => new Promise(() => {});

  test("[DB23] a batch whose function takes too long is given up", async () => {
    const { ada, clock, db, rows } = await opened();
    let kept: Batch | undefined;
    const late = db.batch(
      async (batch) => {
        kept = batch;
        batch.put(rows, "a", 1);
        await batch.get(rows, "b");
        await never();
      },
      { timeoutMs: 500 },
    );
    const failure = expect(late).rejects.toThrow(coded("DB_BATCH_TIMEOUT"));
    await clock.advance(499);
    await clock.advance(1);
    await failure;
    expect(() => kept?.put(rows, "a", 2)).toThrow(coded("DB_BATCH_ENDED"));
    await expect(kept?.get(rows, "b")).rejects.toThrow(coded("DB_BATCH_ENDED"));
    expect(ada.history.sequence("app")).toBe(0);
  });

  test("[DB23] the time is that of all runs together, and one that is none is refused", async () => {
    const { clock, db, rows } = await opened();
    let runs = 0;
    const late = db.batch(
      async (batch) => {
        runs += 1;
        await batch.get(rows, "a");
        await rows.put("a", runs);
        await clock.sleep(300);
        batch.put(rows, "b", 1);
      },
      { timeoutMs: 500 },
    );
    const failure = expect(late).rejects.toThrow(coded("DB_BATCH_TIMEOUT"));
    while (runs < 1) await rows.has("a");
    for (let i = 0; i < 60; i++) {
      await rows.has("a");
      await clock.advance(10);
    }
    await failure;
    expect(runs).toBe(2);
    for (const timeoutMs of [0, -1, Number.NaN, 600_001])
      await expect(db.batch(() => {}, { timeoutMs })).rejects.toThrow(RangeError);
  });

  test("[DB23] a signal and a database that closes end it at once", async () => {
    const { db, rows } = await opened();
    const abort = new AbortController();
    const reason = new Error("enough");
    const aborted = db.batch(
      async (batch) => {
        batch.put(rows, "a", 1);
        await never();
      },
      { signal: abort.signal },
    );
    abort.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    const open = db.batch(never);
    await db.close();
    await expect(open).rejects.toThrow(coded("DB_CLOSED"));
  });
});
