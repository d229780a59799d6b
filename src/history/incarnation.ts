import type { Random } from "../base/index.ts";

/** 64 random bits: a new name for our log, that no backup and no copy of a store has used. */
export function randomIncarnation(random: Random): bigint {
  return new DataView(random.bytes(8).slice().buffer).getBigUint64(0);
}
