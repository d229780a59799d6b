import { type DeviceId, deviceInAddress, parseDeviceId, utf8 } from "../base/index.ts";
import { SyncError } from "../deltas/index.ts";
import { ADDRESS_BYTES_MAX, ADDRESSES_MAX } from "./limits.ts";

/** The device that a group is published at, and where it is reached. */
export interface PublishTarget {
  readonly peer: DeviceId;
  readonly addresses: readonly string[];
}

/**
 * One device out of multiaddr texts that end in `/p2p/<device>`, or out of its bare name.
 *
 * @throws {SyncError} `SYNC_SPEC_INVALID` when they name none or several, or are too many or too long.
 */
export function publishTargetOf(texts: readonly string[]): PublishTarget {
  const devices = new Set<DeviceId>();
  const addresses: string[] = [];
  for (const text of texts) {
    const isAddress = text.startsWith("/");
    const device = isAddress ? deviceInAddress(text) : parseDeviceId(text);
    if (device === undefined || utf8(text).length > ADDRESS_BYTES_MAX)
      throw invalid("is no device, and no address that ends in one");
    devices.add(device);
    if (isAddress) addresses.push(text);
  }
  const [peer] = devices;
  if (peer === undefined || devices.size > 1) throw invalid("is not one device");
  if (addresses.length > ADDRESSES_MAX) throw invalid(`has over ${ADDRESSES_MAX} addresses`);
  return { peer, addresses };
}

function invalid(why: string): SyncError {
  return new SyncError("SYNC_SPEC_INVALID", `Cannot publish: the publish peer ${why}`);
}
