import type { Libp2p, PeerDiscovery } from "@libp2p/interface";
import type { MulticastDNSComponents } from "@libp2p/mdns";
import { type Clock, type DeviceId, type Logger, parseDeviceId } from "../base/index.ts";
import {
  DIAL_ADDRESSES_MAX,
  LOCAL_ADDRESS_CHARS_MAX,
  LOCAL_DEVICES_MAX,
  LOCAL_PLACE_MS,
  LOCAL_QUERY_INTERVAL_MS,
} from "./libp2p-limits.ts";

/** Under which Rookery peers ask for each other: not libp2p's own, so that nobody else is told. */
const SERVICE_TAG = "_rookery._udp.local";

/** Where devices say on the local network that they are: hearsay, until one is dialled and proves its key. */
export class FoundPlaces {
  readonly #clock: Clock;
  readonly #places = new Map<
    DeviceId,
    { readonly addresses: readonly string[]; readonly at: number }
  >();
  readonly #listeners = new Set<(device: DeviceId) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes what somebody said; the oldest of too many goes. Listeners hear of what is new. */
  note(device: DeviceId, addresses: readonly string[]): void {
    const kept = addresses
      .filter((text) => text.length <= LOCAL_ADDRESS_CHARS_MAX)
      .slice(0, DIAL_ADDRESSES_MAX);
    if (kept.length === 0) return;
    const isNew = kept.join() !== this.of(device).join();
    this.#places.delete(device);
    this.#places.set(device, { addresses: kept, at: this.#clock.monotonic() });
    for (const oldest of this.#places.keys()) {
      if (this.#places.size <= LOCAL_DEVICES_MAX) break;
      this.#places.delete(oldest);
    }
    if (isNew) for (const listener of this.#listeners) listener(device);
  }

  /** Where a device was last heard to be, not long ago. */
  of(device: DeviceId): readonly string[] {
    const found = this.#places.get(device);
    if (found === undefined || this.#clock.monotonic() - found.at > LOCAL_PLACE_MS) return [];
    return found.addresses;
  }

  onFound(listener: (device: DeviceId) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** What `Libp2p` has and does not show. */
interface WithComponents {
  readonly components: MulticastDNSComponents;
}

/**
 * Tells the local network of this device by mDNS, and notes who else is there. Run beside libp2p, which would remember everybody who says
 * to be there. Answers a function that ends it.
 */
export async function announceLocally(
  host: Libp2p,
  found: FoundPlaces,
  logger: Logger,
): Promise<() => Promise<void>> {
  const { mdns } = await import("@libp2p/mdns");
  const make = mdns({ serviceTag: SERVICE_TAG, interval: LOCAL_QUERY_INTERVAL_MS });
  const discovery = make((host as unknown as WithComponents).components) as PeerDiscovery & {
    start(): Promise<void>;
    stop(): Promise<void>;
  };
  discovery.addEventListener("peer", ({ detail }) => {
    const device = parseDeviceId(detail.id.toString());
    if (device !== undefined && device !== host.peerId.toString())
      found.note(device, detail.multiaddrs.map(String));
  });
  try {
    await discovery.start();
  } catch (error) {
    // A machine without multicast is reached by its addresses.
    logger("info", "net.mdns.failed", { message: String(error) });
  }
  return () => discovery.stop();
}
