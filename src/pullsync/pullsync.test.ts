import { describe, test } from "vitest";
import { memoryPullWorld, type PullDisks } from "../testkit/pullsync/pull-worlds.ts";
import { pullerRules } from "../testkit/pullsync/puller-rules.ts";
import { pullStorageRules } from "../testkit/pullsync/storage-rules.ts";
import { syncerRules } from "../testkit/pullsync/syncer-rules.ts";

const RULES = [...pullStorageRules, ...syncerRules, ...pullerRules];

const DISKS: readonly [string, PullDisks][] = [
  ["reserves in memory", "memory"],
  ["reserves over chunk stores", "reserve"],
];

describe.for(DISKS)("over memory streams and %s", ([, disks]) => {
  test.for(RULES)("[$id] $says", async (rule) => {
    await using world = memoryPullWorld(disks);
    await rule.check(world);
  });
});
