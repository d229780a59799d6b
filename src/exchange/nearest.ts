import {
  ADDRESS_SIZE,
  compareBytes,
  type Crypto,
  type DeviceId,
  overlayOf,
} from "../base/index.ts";

/** Whether the overlay of `own` is nearest to an address, by exclusive or, among it and `others`. */
export function isNearest(
  crypto: Pick<Crypto, "sha256">,
  address: Uint8Array,
  own: DeviceId,
  others: readonly DeviceId[],
): boolean {
  const distanceOf = (device: DeviceId): Uint8Array => {
    const overlay = overlayOf(crypto, device);
    return Uint8Array.from(
      { length: ADDRESS_SIZE },
      (_, i) => (overlay[i] ?? 0) ^ (address[i] ?? 0),
    );
  };
  const distance = distanceOf(own);
  return others.every((other) => other === own || compareBytes(distance, distanceOf(other)) < 0);
}
