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
