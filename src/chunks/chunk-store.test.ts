import { describe, test } from "vitest";
import { chunkFilesRules, chunkStoreRules, memoryChunkWorld } from "../testkit/index.ts";
import { memoryChunkFiles } from "./index.ts";

describe("conformance", () => {
  test.for(chunkFilesRules)("[$id] files in memory: $says", async (rule) => {
    const files = memoryChunkFiles();
    await rule.check({ open: async () => files, [Symbol.asyncDispose]: () => files.close() });
  });

  test.for(chunkStoreRules)("[$id] memory: $says", async (rule) => {
    await using world = memoryChunkWorld();
    await rule.check(world);
  });
});
