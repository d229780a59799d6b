import { ADDRESS_SIZE, ByteReader, equalBytes, type Random, toHex } from "../base/index.ts";
import { BIN_ID_BITS, BINS } from "./limits.ts";
import type { PullEntry } from "./ports.ts";

const NOTHING = new Uint8Array();

/** An entry of a chunk without a stamp: all there are in the rookery profile. */
export function entryOf(address: Uint8Array): PullEntry {
  return { address, batch: NOTHING, stampHash: NOTHING };
}

/** The identity of an entry as a text, for maps. */
export function entryKeyOf({ address, batch, stampHash }: PullEntry): string {
  const key = toHex(address);
  return batch.length + stampHash.length === 0 ? key : `${key}/${toHex(batch)}/${toHex(stampHash)}`;
}

export function equalEntries(a: PullEntry, b: PullEntry): boolean {
  return (
    equalBytes(a.address, b.address) &&
    equalBytes(a.batch, b.batch) &&
    equalBytes(a.stampHash, b.stampHash)
  );
}

/**
 * How near two addresses are: the number of leading bits that they have in common, at most 31. A chunk's bin is its proximity to the
 * overlay of the device that holds it. [PS1]
 */
export function proximity(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < BINS / 8; i++) {
    const difference = (a[i] as number) ^ (b[i] as number);
    if (difference !== 0) return Math.min(8 * i + Math.clz32(difference) - 24, BINS - 1);
  }
  return BINS - 1;
}

/** Whether `bytes` can be an address. */
export function isAddress(bytes: Uint8Array): boolean {
  return bytes.length === ADDRESS_SIZE;
}

/** The greatest BinID and epoch. */
export const BIN_ID_MAX: bigint = 2n ** BigInt(BIN_ID_BITS) - 1n;

/** A number that names one life of a reserve: 53 random bits, not 0. [PS4] */
export function newEpoch(random: Random): bigint {
  for (;;) {
    const epoch = new ByteReader(random.bytes(8)).u64() & BIN_ID_MAX;
    if (epoch !== 0n) return epoch;
  }
}
