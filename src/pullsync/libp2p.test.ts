import { describe, test } from "vitest";
import { libp2pPullWorld } from "../testkit/pullsync/pull-worlds.ts";
import { pullerRules } from "../testkit/pullsync/puller-rules.ts";
import { syncerRules } from "../testkit/pullsync/syncer-rules.ts";

describe("over libp2p and reserves over chunk stores", () => {
  test.for([...syncerRules, ...pullerRules])("[$id] $says", async (rule) => {
    await using world = libp2pPullWorld();
    await rule.check(world);
  });
});
