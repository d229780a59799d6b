import { type DeviceId, type ScopeId, type ScopeKey, scopeKeyOf } from "../base/index.ts";
import { ACQUAINTANCES_MAX } from "./limits.ts";

/** Peers that have shown on the connection they have now that they have read groups which are here. Nothing of it is durable. */
export class Acquaintances {
  readonly #groups = new Map<DeviceId, ReadonlySet<ScopeKey>>();

  get devices(): Iterable<DeviceId> {
    return this.#groups.keys();
  }

  has(peer: DeviceId, group: ScopeId): boolean {
    return this.#groups.get(peer)?.has(scopeKeyOf(group)) === true;
  }

  /** Notes what a peer has shown now, in place of what it showed before. Answers whether there was room. */
  note(peer: DeviceId, groups: readonly ScopeId[]): boolean {
    if (this.#groups.size >= ACQUAINTANCES_MAX && !this.#groups.has(peer)) return false;
    this.#groups.set(peer, new Set(groups.map(scopeKeyOf)));
    return true;
  }

  forget(peer: DeviceId): void {
    this.#groups.delete(peer);
  }
}
