import { ByteReader, type Random } from "../base/index.ts";
import { BIN_ID_BITS } from "./limits.ts";

/** The greatest BinID and epoch. */
export const BIN_ID_MAX: bigint = 2n ** BigInt(BIN_ID_BITS) - 1n;

/** A number that names one life of a reserve: 53 random bits, not 0. [PS4] */
export function newEpoch(random: Random): bigint {
  for (;;) {
    const epoch = new ByteReader(random.bytes(8)).u64() & BIN_ID_MAX;
    if (epoch !== 0n) return epoch;
  }
}
