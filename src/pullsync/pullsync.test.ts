import { describe, test } from "vitest";
import { memoryPullWorld } from "../testkit/pullsync/pull-memory-world.ts";
import { pullStorageRules } from "../testkit/pullsync/storage-rules.ts";
import { syncerRules } from "../testkit/pullsync/syncer-rules.ts";

describe("reserve in memory", () => {
  test.for(pullStorageRules)("[$id] $says", async (rule) => {
    await using world = memoryPullWorld();
    await rule.check(world);
  });
});

describe("exchanges over memory streams and reserves in memory", () => {
  test.for(syncerRules)("[$id] $says", async (rule) => {
    await using world = memoryPullWorld();
    await rule.check(world);
  });
});
