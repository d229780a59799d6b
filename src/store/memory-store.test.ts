import { describe, expect, test } from "vitest";
import { deepEqual, memoryStoreWorld, rejects, storeRules } from "../testkit/index.ts";
import { openMemoryStore } from "./index.ts";

describe("conformance", () => {
  test.for(storeRules)("[$id] memory: $says", async (rule) => {
    await using world = memoryStoreWorld();
    await rule.check(world);
  });
});

describe("canary", () => {
  test("[ST20] the rule finds a store that does not really reopen its engine", async () => {
    const rule = storeRules.find(({ id }) => id === "ST20") ?? expect.unreachable();
    await using world = memoryStoreWorld();
    world.medium.keepsHandle = true;
    await expect(rule.check(world)).rejects.toThrow(/^Expected value to be/);
  });
});

test("[ST24] two stores draw different ids, and one without chance has zeros", async () => {
  await using store = await openMemoryStore();
  deepEqual(store.id, new Uint8Array(16));
  await using world = memoryStoreWorld();
  await using other = await world.open();
  expect(other.id).not.toEqual(store.id);
});

test("[ST7] a snapshot of another store is a mistake", async () => {
  await using one = await openMemoryStore();
  await using other = await openMemoryStore();
  const key = Uint8Array.of(1);
  await expect(one.get(key, { snapshot: { close: async () => {} } })).rejects.toThrow(TypeError);
  // Taken from a store all the same, but not from this one: never handed to an engine that did not make it.
  await rejects(one.get(key, { snapshot: other.snapshot() }), "STORE_READ_FAILED");
});
