import { describe, test } from "vitest";
import { libp2pWorld, transportRules } from "../testkit/index.ts";

describe("conformance", () => {
  // What takes minutes of silence is in the process tests, with less of it.
  test.for(transportRules.filter(({ id }) => id !== "NE17"))(
    "[$id] libp2p: $says",
    async (rule) => {
      await using world = libp2pWorld();
      await rule.check(world);
    },
  );
});
