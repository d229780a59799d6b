import { type ScopeKey, scopeKeyOf } from "../base/index.ts";
import type { CatchUp } from "../deltas/index.ts";
import type { PeerStatus } from "./peer-link.ts";

/** What is on its way here, each scope once: by the peer that has most of it. */
export function catchUps(peers: readonly PeerStatus[]): CatchUp[] {
  const most = new Map<ScopeKey, CatchUp>();
  const pulls = peers.flatMap((peer) => Object.values(peer.pulls));
  for (const one of pulls.flatMap(({ catchingUp }) => catchingUp)) {
    const key = scopeKeyOf(one.scope);
    const known = most.get(key);
    if (known === undefined || one.need - one.have > known.need - known.have) most.set(key, one);
  }
  return [...most.values()];
}
