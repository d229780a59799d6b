/** Scopes that began in this process: what the store cannot hold of their rows is not looked for there. */

import { expect, test } from "vitest";
import { codeOf, type ScopeId, utf8 } from "../base/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { makeDevice, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { FaultyMedium, fullDiskError } from "../testkit/store/store-faults.ts";
import { ROW_SPACE, type WriteRequest } from "./index.ts";

const ROWS = 300;

async function opened(): Promise<{ ada: TestDevice; scope: ScopeId; medium: FaultyMedium }> {
  const below = createMemoryMedium();
  const medium = new FaultyMedium(() => below.openEngine());
  const clock = new FakeClock();
  const store = await openMemoryStore({ medium, clock, random: seededRandom(1) });
  const ada = await makeDevice(1, { store, clock });
  await ada.history.createDatabase("notes");
  const scope = { database: "notes", kind: "collection", owner: ada.user, name: "list" } as const;
  return { ada, scope, medium };
}

function write(scope: ScopeId, from: number, end: number): WriteRequest {
  const rows = Array.from({ length: end - from }, (_, i) => {
    const text = `row-${from + i}`;
    return { name: { space: ROW_SPACE.rows, key: utf8(text), text }, value: Uint8Array.of(1) };
  });
  return { parts: [{ scope, rows }] };
}

/** How many versions there are of each of the rows `from` to `end`. */
async function versions(
  { history }: TestDevice,
  scope: ScopeId,
  from: number,
  end: number,
): Promise<number[]> {
  const counts: number[] = [];
  for (let i = from; i < end; i++) {
    const key = utf8(`row-${i}`);
    const kept = await history.versionsOf(scope, ROW_SPACE.rows, key, 10);
    const { heads } = await history.row(scope, ROW_SPACE.rows, key);
    expect(heads).toHaveLength(1);
    counts.push(kept.length);
  }
  return counts;
}

test("[HI8] a new row's first version has seen nothing, and its second one the first", async () => {
  const { ada, scope } = await opened();
  await ada.history.write(write(scope, 0, ROWS));
  // Some of them new, in one read and without waiting.
  await ada.history.write(write(scope, 100, 2 * ROWS));
  await ada.history.write(write(scope, 2 * ROWS - 10, 2 * ROWS + 10));
  expect(new Set(await versions(ada, scope, 0, 100))).toEqual(new Set([1]));
  expect(new Set(await versions(ada, scope, 100, ROWS))).toEqual(new Set([2]));
  expect(new Set(await versions(ada, scope, ROWS, 2 * ROWS - 10))).toEqual(new Set([1]));
  expect(new Set(await versions(ada, scope, 2 * ROWS - 10, 2 * ROWS))).toEqual(new Set([2]));
  await ada.close();
});

test("[HI2] rows of a scope's first write, which failed and is there all the same, are superseded by the next", async () => {
  const { ada, scope, medium } = await opened();
  medium.failWrite({ error: fullDiskError(), isApplied: true });
  const failed = ada.history.write(write(scope, 0, ROWS)).catch(codeOf);
  expect(await failed).toBe("STORE_FULL");
  while (ada.store.state !== "open") await (ada.clock as FakeClock).advance(1000);
  await ada.history.write(write(scope, 0, ROWS));
  expect(new Set(await versions(ada, scope, 0, ROWS))).toEqual(new Set([2]));
  await ada.close();
});

test("[HI2] the same of a later write", async () => {
  const { ada, scope, medium } = await opened();
  await ada.history.write(write(scope, 0, 1));
  medium.failWrite({ error: fullDiskError(), isApplied: true });
  const failed = ada.history.write(write(scope, 0, ROWS)).catch(codeOf);
  expect(await failed).toBe("STORE_FULL");
  while (ada.store.state !== "open") await (ada.clock as FakeClock).advance(1000);
  await ada.history.write(write(scope, 1, ROWS));
  expect(new Set(await versions(ada, scope, 1, ROWS))).toEqual(new Set([2]));
  await ada.close();
});
