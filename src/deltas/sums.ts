/** Comparing what a peer says that its rows sum up to with ours, and what follows when they differ. [SY12] */

import {
  equalVectors,
  type Clock,
  type Crypto,
  type DeviceId,
  equalBytes,
  type GenVector,
  type Logger,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import type { History } from "../history/index.ts";
import type { ScopeSum } from "../wire/index.ts";
import { RECONCILE_MIN_MS, RECONCILED_SCOPES_MAX } from "./limits.ts";
import { claimFromWire } from "./page.ts";

/** When a scope was last reconciled with one peer: not again and again, where the two cannot agree. */
export class Reconciliations {
  readonly #clock: Clock;
  readonly #last = new Map<ScopeKey, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether it may be done now; then it counts as done. */
  begin(scope: ScopeKey): boolean {
    const now = this.#clock.monotonic();
    const last = this.#last.get(scope);
    if (last !== undefined && now - last < RECONCILE_MIN_MS) return false;
    this.#last.delete(scope);
    this.#last.set(scope, now);
    const [oldest] = this.#last.keys();
    if (this.#last.size > RECONCILED_SCOPES_MAX && oldest !== undefined) this.#last.delete(oldest);
    return true;
  }
}

export interface SumsDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly reconciliations: Reconciliations;
}

/** The sums of one peer. */
export class Sums {
  readonly #deps: SumsDeps;
  readonly #peer: DeviceId;
  /** Scopes that are asked for from scratch. */
  readonly #reconciling = new Map<ScopeKey, ScopeId>();

  constructor(deps: SumsDeps, peer: DeviceId) {
    this.#deps = deps;
    this.#peer = peer;
  }

  /** Scopes of which all is to be sent, known or not. */
  get reconciling(): ReadonlyMap<ScopeKey, ScopeId> {
    return this.#reconciling;
  }

  /** Takes a scope's sum; answers what the peer knows, and whether the scope has to be asked for from scratch. */
  async take({ scope, vector, headSum, controlSum }: ScopeSum): Promise<{
    readonly vector: GenVector;
    readonly isToReconcile: boolean;
  }> {
    const told = claimFromWire({
      $typeName: "rookery.ScopeVector",
      controlSum,
      ...(scope && { scope }),
      ...(vector && { vector }),
    });
    const key = scopeKeyOf(told.scope);
    const differ = (): boolean => this.#differ(told.scope, told.vector, headSum, controlSum);
    const wasReconciling = this.#reconciling.delete(key);
    let isToReconcile = false;
    if (differ()) {
      this.#report(told.scope, wasReconciling);
      // Ours may be wrong without a row lacking: then there is nothing to ask for.
      await this.#deps.history.mendSum(told.scope);
      isToReconcile = differ() && this.#deps.reconciliations.begin(key);
    }
    if (isToReconcile) this.#reconciling.set(key, told.scope);
    return { vector: told.vector, isToReconcile };
  }

  /** Equal knowledge and equal access with different rows: somebody claims what it lacks. */
  #differ(id: ScopeId, vector: GenVector, headSum: Uint8Array, controlSum: Uint8Array): boolean {
    const scope = this.#deps.history.scope(id);
    if (scope === undefined || !equalVectors(scope.vector(), vector)) return false;
    if (!equalBytes(scope.access.controlSum(this.#deps.crypto), controlSum)) return false;
    return !equalBytes(scope.sum.toBytes(), headSum);
  }

  /** `isStill`: although all of it was asked for. */
  #report({ database, kind }: ScopeId, isStill: boolean): void {
    const fields = { peer: this.#peer, database, kind, isStill };
    this.#deps.logger("error", "sync.sums.differ", fields);
  }
}
