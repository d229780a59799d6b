import type { DeviceId } from "../base/index.ts";
import type { Sharing } from "../groups/index.ts";
import type { Transport } from "../net/index.ts";

/** What else knows where devices are: a layer above. */
export interface Locator {
  /** Where a device is said to be. */
  addressesOf(device: DeviceId): readonly string[];
  /** A device that shares something with us was not reached. */
  noteUnreached(device: DeviceId): void;
}

/** Where devices are reached: as the local network says, as others find out, as their member records say. */
export class Whereabouts {
  readonly #transport: Transport;
  readonly #sharing: Sharing;
  readonly #onFound: (device: DeviceId) => void;
  readonly #locators = new Set<Locator>();

  /** `onFound` is told when a device may be known to be elsewhere. */
  constructor(transport: Transport, sharing: Sharing, onFound: (device: DeviceId) => void) {
    this.#transport = transport;
    this.#sharing = sharing;
    this.#onFound = onFound;
  }

  /**
   * The most likely ones first, and one of each source after the other: only so many are dialled, and what anybody may say on the
   * local network must not take the room of what the device itself has said. [NE35]
   */
  addressesOf(device: DeviceId): string[] {
    const found = Array.from(this.#locators, (locator) => locator.addressesOf(device));
    const heard = this.#transport.found?.(device) ?? [];
    const sources = [heard, ...found, this.#sharing.addressesOf(device)];
    const all = new Set<string>();
    const most = Math.max(...sources.map(({ length }) => length));
    for (let i = 0; i < most; i++) {
      for (const source of sources) {
        const address = source[i];
        if (address !== undefined) all.add(address);
      }
    }
    return [...all];
  }

  /** Asks `locator` too. Answers a function that ends it. */
  locateBy(locator: Locator): () => void {
    this.#locators.add(locator);
    return () => void this.#locators.delete(locator);
  }

  /** Where a device is may be known now, or known otherwise. */
  noteFound(device: DeviceId): void {
    this.#onFound(device);
  }

  noteUnreached(device: DeviceId): void {
    for (const locator of this.#locators) locator.noteUnreached(device);
  }
}
