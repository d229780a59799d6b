import type { Rule } from "../expect.ts";
import { storeFailureRules } from "./store-failure-rules.ts";
import { storeReadRules } from "./store-read-rules.ts";
import { storeWriteRules } from "./store-write-rules.ts";
import type { StoreWorld } from "./store-world.ts";

/** The store contract (docs/spec/store.md): an engine is finished when a world over it keeps all of these. */
export const storeRules: readonly Rule<StoreWorld>[] = [
  ...storeReadRules,
  ...storeWriteRules,
  ...storeFailureRules,
];
