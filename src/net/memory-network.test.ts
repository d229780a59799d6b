import { describe, test } from "vitest";
import { memoryWorld, transportRules } from "../testkit/index.ts";

describe("conformance", () => {
  test.for(transportRules)("[$id] memory: $says", async (rule) => {
    await using world = memoryWorld();
    await rule.check(world);
  });

  test.for(transportRules)(
    "[$id] memory with latency, in pieces of chance sizes: $says",
    async (rule) => {
      await using world = memoryWorld({ seed: 7, latencyMs: 3 });
      await rule.check(world);
    },
  );
});
