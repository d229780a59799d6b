import { equalBytes, toHex } from "../base/index.ts";
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
