import {
  type GenVector,
  generationIn,
  type LogKey,
  type ScopeId,
  scopeKeyOf,
} from "../base/index.ts";
import type { ScopeKey } from "../base/index.ts";
import type { Connection } from "../net/index.ts";
import { PEER_KNOWN_ENTRIES_MAX } from "./limits.ts";
import type { ScopeClaim } from "./page.ts";

/**
 * What a peer has said on one connection that it holds: it need not be sent that. Forgotten with the connection, since the
 * peer may come back with an older store.
 */
export class PeerKnowledge {
  readonly #scopes = new Map<ScopeKey, Map<LogKey, number>>();
  #entries = 0;

  note({ scope, vector }: ScopeClaim): void {
    const key = scopeKeyOf(scope);
    const known = this.#scopes.get(key) ?? new Map<LogKey, number>();
    this.#scopes.set(key, known);
    for (const [log, generation] of vector) {
      if (!known.has(log)) {
        if (this.#entries >= PEER_KNOWN_ENTRIES_MAX) continue;
        this.#entries += 1;
      }
      known.set(log, Math.max(generation, generationIn(known, log)));
    }
  }

  of(scope: ScopeId): GenVector {
    return this.#scopes.get(scopeKeyOf(scope)) ?? NOTHING;
  }
}

const NOTHING: GenVector = new Map();

/** What is known of the peers at the other ends of connections. */
export class PeerKnowledges {
  readonly #connections = new WeakMap<Connection, PeerKnowledge>();

  at(connection: Connection): PeerKnowledge {
    let knowledge = this.#connections.get(connection);
    if (knowledge === undefined)
      this.#connections.set(connection, (knowledge = new PeerKnowledge()));
    return knowledge;
  }
}
