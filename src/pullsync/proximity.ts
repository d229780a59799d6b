import { ADDRESS_SIZE } from "../base/index.ts";
import { BINS } from "./limits.ts";

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
