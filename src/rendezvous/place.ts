import { deviceInAddress, type DeviceId } from "../base/index.ts";
import { RendezvousError } from "./errors.ts";
import { RENDEZVOUS_ADDRESSES_MAX, RENDEZVOUS_MAX } from "./limits.ts";

/** Addresses of rendezvous by their devices, in the order given; what names no device is left out, and what is over the limits. */
export function placesOf(addresses: Iterable<string>): ReadonlyMap<DeviceId, readonly string[]> {
  const places = new Map<DeviceId, string[]>();
  for (const address of addresses) {
    const device = deviceInAddress(address);
    if (device === undefined) continue;
    const known = places.get(device);
    if (known === undefined) {
      if (places.size < RENDEZVOUS_MAX) places.set(device, [address]);
    } else if (known.length < RENDEZVOUS_ADDRESSES_MAX && !known.includes(address)) {
      known.push(address);
    }
  }
  return places;
}

/** Addresses of rendezvous that a device is opened with. @throws {RendezvousError} `RENDEZVOUS_ADDRESS_INVALID`. */
export function checkRendezvous(addresses: readonly string[]): readonly string[] {
  if (addresses.length > RENDEZVOUS_MAX)
    throw new RendezvousError(
      "RENDEZVOUS_ADDRESS_INVALID",
      `Cannot use rendezvous: over ${RENDEZVOUS_MAX} addresses`,
    );
  for (const address of addresses)
    if (deviceInAddress(address) === undefined)
      throw new RendezvousError(
        "RENDEZVOUS_ADDRESS_INVALID",
        `Cannot use rendezvous "${address}": not an address like /ip4/192.0.2.1/tcp/4001/p2p/…`,
      );
  return addresses;
}
