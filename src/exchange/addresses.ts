import { ADDRESS_SIZE } from "../base/index.ts";

/** Addresses that stand one after another, as views; `undefined` when the last is not whole. */
export function addressesIn(packed: Uint8Array): Uint8Array[] | undefined {
  if (packed.length % ADDRESS_SIZE !== 0) return undefined;
  return Array.from({ length: packed.length / ADDRESS_SIZE }, (_, i) =>
    packed.subarray(i * ADDRESS_SIZE, (i + 1) * ADDRESS_SIZE),
  );
}
