import type { Rule } from "../expect.ts";
import { chunkFailureRules } from "./chunk-failure-rules.ts";
import { chunkOpenRules } from "./chunk-open-rules.ts";
import { chunkPutRules } from "./chunk-put-rules.ts";
import { chunkReadRules } from "./chunk-read-rules.ts";
import type { ChunkWorld } from "./chunk-world.ts";

/** Rules of every `ChunkStore`. */
export const chunkStoreRules: readonly Rule<ChunkWorld>[] = [
  ...chunkPutRules,
  ...chunkReadRules,
  ...chunkFailureRules,
  ...chunkOpenRules,
];
