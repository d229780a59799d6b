import type { Clock, DeviceId } from "../base/index.ts";
import { BLOCK_MAX_MS, BLOCK_MIN_MS, BLOCKED_PEERS_MAX } from "./limits.ts";

/** Peers that broke the protocol, how often, and until when they are not talked to. Forgotten when the process ends. */
export class BlockedPeers {
  readonly #clock: Clock;
  readonly #peers = new Map<DeviceId, { faults: number; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts a fault and blocks the peer, each time twice as long. */
  add(peer: DeviceId): void {
    const faults = this.faults(peer) + 1;
    const until =
      this.#clock.monotonic() + Math.min(BLOCK_MIN_MS * 2 ** (faults - 1), BLOCK_MAX_MS);
    this.#peers.delete(peer);
    this.#peers.set(peer, { faults, until });
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > BLOCKED_PEERS_MAX && oldest !== undefined) this.#peers.delete(oldest);
  }

  faults(peer: DeviceId): number {
    return this.#peers.get(peer)?.faults ?? 0;
  }

  has(peer: DeviceId): boolean {
    return (this.#peers.get(peer)?.until ?? Number.NEGATIVE_INFINITY) > this.#clock.monotonic();
  }
}
