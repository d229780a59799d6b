import { BlockList, isIP } from "node:net";
import type { Libp2p, PeerDiscovery } from "@libp2p/interface";
import type { MulticastDNSComponents } from "@libp2p/mdns";
import { type Clock, type DeviceId, type Logger, parseDeviceId } from "../base/index.ts";
import {
  LOCAL_ADDRESS_CHARS_MAX,
  LOCAL_ADDRESSES_MAX,
  LOCAL_CHANGE_MS_MIN,
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
    {
      readonly addresses: readonly string[];
      /** When it was said last, and when first. */
      readonly at: number;
      readonly since: number;
    }
  >();
  readonly #listeners = new Set<(device: DeviceId) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Notes what somebody said; the oldest of too many goes. Listeners hear of what is new. Something else in place of what was
   * said a moment ago does not count, or who is nobody could have us dial on and on. [NE35]
   */
  note(device: DeviceId, addresses: readonly string[]): void {
    const kept = addresses
      .filter((text) => text.length <= LOCAL_ADDRESS_CHARS_MAX && isLocal(text))
      .slice(0, LOCAL_ADDRESSES_MAX);
    if (kept.length === 0) return;
    const at = this.#clock.monotonic();
    const before = this.of(device);
    const isNew = kept.join() !== before.join();
    const since = this.#places.get(device)?.since ?? at;
    if (isNew && before.length > 0 && at - since < LOCAL_CHANGE_MS_MIN) return;
    this.#places.delete(device);
    this.#places.set(device, { addresses: kept, at, since: isNew ? at : since });
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

/** Addresses that lead no further than the local network: nobody there tells us to dial elsewhere. */
const LOCAL_HOSTS = new BlockList();
for (const [network, prefix] of [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
] as const)
  LOCAL_HOSTS.addSubnet(network, prefix, "ipv4");
LOCAL_HOSTS.addSubnet("fc00::", 7, "ipv6");
LOCAL_HOSTS.addSubnet("fe80::", 10, "ipv6");
LOCAL_HOSTS.addAddress("::1", "ipv6");

function isLocal(address: string): boolean {
  const [, name, host = ""] = address.split("/");
  const family = name === "ip4" ? 4 : name === "ip6" ? 6 : undefined;
  return isIP(host) === family && LOCAL_HOSTS.check(host, family === 4 ? "ipv4" : "ipv6");
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
