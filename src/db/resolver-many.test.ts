import { expect, test, vi } from "vitest";
import { makeDevice, settleDevices } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import type { Value } from "../base/index.ts";
import type { ResolveFunction, Resolver } from "./index.ts";

/** Rows that are remembered, where there are 10 000: as many conflicts take a minute of the processor. */
const { KEYS_MAX } = vi.hoisted(() => ({ KEYS_MAX: 100 }));
vi.mock("./limits.ts", async (original) => ({
  ...(await original<object>()),
  RESOLVER_KEYS_MAX: KEYS_MAX,
}));

const BATCHES = 30;
const ROWS = 10;

/** Rows that two devices have written batch by batch: three times as many as are remembered. */
async function world() {
  const clock = new FakeClock();
  const devices = [await makeDevice(1, { clock }), await makeDevice(2, { user: 1 })];
  const [here, there] = [await devices[0]!.db("app"), await devices[1]!.db("app")];
  const rows = here.collection("rows");
  await rows.setPolicy("", "appResolves");
  await settleDevices(devices, [rows.id]);
  for (const db of [here, there]) {
    for (let i = 0; i < BATCHES; i++) {
      await db.batch((batch) => {
        for (let n = 0; n < ROWS; n++)
          batch.put(db.collection("rows"), `${String(i).padStart(2, "0")}/${n}`, db === here);
      });
    }
  }
  await settleDevices(devices, [rows.id]);
  let offers = 0;
  /** Gives what is under way the time to go on, and ends with what would never. */
  const settle = async (): Promise<number> => {
    for (let i = 0; i < 2000 && offers < 20 * BATCHES; i++)
      await new Promise((resolve) => setImmediate(resolve));
    return offers;
  };
  const resolve = (answer: ResolveFunction<Value>): Resolver => {
    offers = 0;
    return here.resolve(rows, (conflict) => {
      offers += 1;
      return answer(conflict);
    });
  };
  return { clock, rows, settle, resolve };
}

test("[CO21] more rows than are remembered are left without being offered in a circle", async () => {
  const { clock, rows, settle, resolve } = await world();
  await using _ = resolve(() => undefined);
  expect(await settle()).toBe(BATCHES);
  await rows.put("00/0", "solved");
  expect(await settle()).toBeLessThanOrEqual(BATCHES + 1);
  await clock.advance(600_000);
  expect(await settle()).toBeLessThanOrEqual(BATCHES + 1);
});

test("[CO23] what fails at more rows than are remembered is tried again after pauses", async () => {
  const { clock, settle, resolve } = await world();
  await using _ = resolve(() => {
    throw new Error("no");
  });
  expect(await settle()).toBe(BATCHES);
  // Those that are remembered first, all of them after the longest pause.
  await clock.advance(2_000);
  const some = await settle();
  expect(some).toBeGreaterThan(BATCHES);
  expect(some).toBeLessThan(2 * BATCHES);
  await clock.advance(60_000);
  const all = await settle();
  expect(all).toBeGreaterThanOrEqual(2 * BATCHES);
  expect(all).toBeLessThan(6 * BATCHES);
});

test("[CO20] more rows than are remembered are all resolved", async () => {
  const { rows, settle, resolve } = await world();
  await using _ = resolve(({ rows: offered }) =>
    offered.map(({ key, heads: [head] }) => [key, { take: head! }] as const),
  );
  expect(await settle()).toBe(BATCHES);
  for await (const { conflict } of rows.scan()) expect(conflict).toBe(undefined);
});
