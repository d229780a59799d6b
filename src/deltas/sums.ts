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
import { CONTROLS_ASKED_MAX, RECONCILE_MIN_MS, RECONCILED_SCOPES_MAX } from "./limits.ts";
import { claimFromWire } from "./page.ts";

const NOTHING = new Uint8Array();

/** What control ops of a scope sum up to here and at a peer. */
interface ControlSums {
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
}

/** What was last done about a scope with one peer, on whatever stream: not again and again, where the two cannot agree. */
export class Reconciliations {
  readonly #clock: Clock;
  readonly #last = new Map<ScopeKey, number>();
  /** Where all control ops that a peer has were asked for, and came: neither holds what would make the sums the same. */
  readonly #controls = new Map<ScopeKey, ControlSums>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether it may be done now; then it counts as done. */
  begin(scope: ScopeKey): boolean {
    const now = this.#clock.monotonic();
    const last = this.#last.get(scope);
    if (last !== undefined && now - last < RECONCILE_MIN_MS) return false;
    setLast(this.#last, scope, now);
    return true;
  }

  /** Notes sums that differ after all control ops of the peer have come. */
  noteControls(scope: ScopeKey, sums: ControlSums): void {
    setLast(this.#controls, scope, sums);
  }

  /** Whether asking for control ops has already brought what it can. */
  isSettled(scope: ScopeKey, { ours, theirs }: ControlSums): boolean {
    const known = this.#controls.get(scope);
    return known !== undefined && equalBytes(known.ours, ours) && equalBytes(known.theirs, theirs);
  }
}

/** Sets what is to be forgotten last. */
function setLast<Value>(map: Map<ScopeKey, Value>, scope: ScopeKey, value: Value): void {
  map.delete(scope);
  map.set(scope, value);
  const [oldest] = map.keys();
  if (map.size > RECONCILED_SCOPES_MAX && oldest !== undefined) map.delete(oldest);
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
  /** Scopes that are asked for from scratch, with the round that does so; 0: the next one. */
  readonly #reconciling = new Map<ScopeKey, number>();
  /** How often all control ops of a scope were asked for, and what ours summed up to at the last time. */
  readonly #askedControls = new Map<
    ScopeKey,
    { readonly times: number; readonly sum: Uint8Array }
  >();
  /** Scopes of which they are asked for now, with the round that does so; 0: the next one. */
  readonly #lacking = new Map<ScopeKey, number>();

  constructor(deps: SumsDeps, peer: DeviceId) {
    this.#deps = deps;
    this.#peer = peer;
  }

  /** Scopes of which all is to be sent, known or not. */
  get reconciling(): ReadonlyMap<ScopeKey, unknown> {
    return this.#reconciling;
  }

  /** A scope is asked for in this round. Answers whether all of its control ops are to be sent. */
  ask(scope: ScopeKey, round: number): boolean {
    for (const open of [this.#reconciling, this.#lacking])
      if (open.get(scope) === 0) open.set(scope, round);
    return this.#lacking.has(scope);
  }

  /**
   * Takes a scope's sum, told at the end of a round; answers what the peer knows, whether both hold the same, and whether the scope has to be asked for again: from
   * scratch, or for its control ops. `isTold`: whether the peer is told what we know.
   */
  async take(
    { scope, vector, headSum, controlSum }: ScopeSum,
    round: number,
    isTold: (scope: ScopeId) => boolean,
  ): Promise<{
    readonly vector: GenVector;
    readonly isAlike: boolean;
    readonly isToAsk: boolean;
  }> {
    const told = claimFromWire({ ...(scope && { scope }), ...(vector && { vector }) });
    const key = scopeKeyOf(told.scope);
    // Who is told nothing is asked for all of it anyway.
    const differ = (): boolean =>
      isTold(told.scope) && this.#differ(told.scope, told.vector, headSum, controlSum);
    // What was asked for by a later request is still to come.
    if (isUnderWay(this.#reconciling, key, round))
      return { vector: told.vector, isAlike: false, isToAsk: false };
    const wasReconciling = this.#reconciling.delete(key);
    let isToReconcile = false;
    if (differ()) {
      this.#report(told.scope, wasReconciling);
      if (this.#deps.reconciliations.begin(key)) {
        // Ours may be wrong without a row lacking: then there is nothing to ask for.
        await this.#deps.history.mendSum(told.scope);
        isToReconcile = differ();
      }
    }
    if (isToReconcile) this.#reconciling.set(key, 0);
    const isToAsk =
      isToReconcile || (isTold(told.scope) && this.#isLacking(key, round, told.scope, controlSum));
    const isAlike =
      !isTold(told.scope) || this.#isAlike(told.scope, told.vector, headSum, controlSum);
    return { vector: told.vector, isAlike, isToAsk };
  }

  /**
   * Whether control ops may be lacking that nothing else shows: those of a commit under a log and generation of which we have
   * another one. Once for what both hold, since the peer may simply hold less. [SY85]
   */
  #isLacking(key: ScopeKey, round: number, id: ScopeId, controlSum: Uint8Array): boolean {
    if (isUnderWay(this.#lacking, key, round)) return false;
    const { history, crypto, reconciliations } = this.#deps;
    const haveCome = this.#lacking.delete(key);
    const ours = history.scope(id)?.access.controlSum(crypto);
    if (ours === undefined || equalBytes(ours, controlSum)) return false;
    const sums = { ours, theirs: controlSum };
    if (haveCome) reconciliations.noteControls(key, sums);
    if (reconciliations.isSettled(key, sums)) return false;
    const { times, sum } = this.#askedControls.get(key) ?? { times: 0, sum: NOTHING };
    if (times >= CONTROLS_ASKED_MAX || equalBytes(ours, sum)) return false;
    this.#askedControls.set(key, { times: times + 1, sum: ours });
    this.#lacking.set(key, 0);
    return true;
  }

  /** Equal knowledge and equal access with different rows: somebody claims what it lacks. */
  #differ(id: ScopeId, vector: GenVector, headSum: Uint8Array, controlSum: Uint8Array): boolean {
    const scope = this.#deps.history.scope(id);
    if (scope === undefined || !equalVectors(scope.vector(), vector)) return false;
    if (!equalBytes(scope.access.controlSum(this.#deps.crypto), controlSum)) return false;
    return !equalBytes(scope.sum.toBytes(), headSum);
  }

  #isAlike(id: ScopeId, vector: GenVector, headSum: Uint8Array, controlSum: Uint8Array): boolean {
    const scope = this.#deps.history.scope(id);
    if (scope === undefined) return true;
    if (!equalVectors(scope.vector(), vector)) return false;
    const isSameAccess = equalBytes(scope.access.controlSum(this.#deps.crypto), controlSum);
    return isSameAccess && equalBytes(scope.sum.toBytes(), headSum);
  }

  /** `isStill`: although all of it was asked for. */
  #report({ database, kind }: ScopeId, isStill: boolean): void {
    const fields = { peer: this.#peer, database, kind, isStill };
    this.#deps.logger("error", "sync.sums.differ", fields);
  }
}

/** Whether a scope is asked for in this way by a later request than that of a round. */
function isUnderWay(open: ReadonlyMap<ScopeKey, number>, scope: ScopeKey, round: number): boolean {
  const of = open.get(scope);
  return of !== undefined && (of === 0 || of > round);
}
