/**
 * Leaving a syncgroup: first what only this device holds is handed over, then the others are told.
 */

import {
  type Clock,
  codeOf,
  coversVector,
  type DeviceId,
  type Logger,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import { claimFromWire } from "../deltas/index.ts";
import type { History } from "../history/index.ts";
import { scopeToWire } from "../wire/index.ts";
import { type Groups, othersOf, refuseEnded, refuseLastAdmin } from "../groups/index.ts";
import type { Answer, RequestInit } from "./calls.ts";
import { HAND_OVER_MAX_MS, HAND_OVER_MIN_MS, RETRY_MAX_MS } from "./limits.ts";

export interface LeavingDeps {
  readonly history: History;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly groups: Groups;
  /** Asks a peer that is connected. @throws when it is not, or does not answer. */
  readonly call: (peer: DeviceId, request: RequestInit, signal?: AbortSignal) => Promise<Answer>;
  /** Lets our member record say what is so; where a crash comes before, it is said after a restart. */
  readonly publishOwn: () => Promise<void>;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
}

export interface HandOverOptions {
  /** Ends the waiting for others to hold what this device holds, not a leaving. */
  readonly signal?: AbortSignal | undefined;
}

export interface LeaveOptions extends HandOverOptions {
  /** Leaves although nobody who stays could admit anybody. Default false. [SY121] */
  readonly lastAdmin?: boolean | undefined;
}

export interface LeaveOutcome {
  /**
   * The collections, and the group itself, of which this device holds something that no other member was seen to hold: it stays
   * on this device alone, unless somebody got it without our hearing of it.
   */
  readonly onlyHere: readonly ScopeId[];
}

/** Leaves groups. Rules: [SY63] to [SY65], [SY121]. */
export class Leaving {
  readonly #deps: LeavingDeps;
  /** What is being told after `leave` has ended. */
  readonly #telling = new Map<ScopeKey, Promise<void>>();

  constructor(deps: LeavingDeps) {
    this.#deps = deps;
  }

  /**
   * Leaves a group: resolves when other members hold all that this device holds of it, or the signal aborts.
   *
   * @throws {SyncError} `SYNC_NO_GROUP`, `SYNC_GROUP_ENDED`, `SYNC_LAST_ADMIN`, `SYNC_CLOSED`: and the group is as before.
   */
  async leave(
    group: ScopeId,
    { signal, lastAdmin = false }: LeaveOptions = {},
  ): Promise<LeaveOutcome> {
    const { groups, ending, clock } = this.#deps;
    refuseEnded(groups, group);
    if (!lastAdmin) refuseLastAdmin(this.#deps, group);
    const waiting = signal === undefined ? ending : AbortSignal.any([ending, signal]);
    const onlyHere = this.#heldOf(group);
    // While we are a member still: others pull from members alone.
    await this.#handOver(group, onlyHere, waiting);
    ending.throwIfAborted();
    // The other admin may have gone while we waited.
    if (!lastAdmin) refuseLastAdmin(this.#deps, group);
    await groups.noteLeft(group, clock.now());
    if (!(await this.#tell(group, waiting, HAND_OVER_MAX_MS))) {
      if (this.#holdsAnything(group)) onlyHere.set(scopeKeyOf(group), group);
      this.#goOnTelling(group);
    }
    return { onlyHere: [...onlyHere.values()] };
  }

  /**
   * Resolves when another member holds all that this device holds of a group, or the signal aborts: what nobody was seen to hold
   * then is in the answer. [SY118]
   *
   * @throws {SyncError} `SYNC_NO_GROUP`, `SYNC_GROUP_ENDED`, `SYNC_CLOSED`.
   */
  async handOver(group: ScopeId, { signal }: HandOverOptions = {}): Promise<LeaveOutcome> {
    const { groups, ending } = this.#deps;
    refuseEnded(groups, group);
    const onlyHere = this.#heldOf(group);
    const waiting = signal === undefined ? ending : AbortSignal.any([ending, signal]);
    await this.#handOver(group, onlyHere, waiting);
    ending.throwIfAborted();
    return { onlyHere: [...onlyHere.values()] };
  }

  /** Goes on to tell others of groups that were left, where that was cut short. */
  start(): void {
    for (const { group, isTold } of this.#deps.groups.records.allLeft())
      if (!isTold) this.#goOnTelling(group);
  }

  /** Resolves when nothing is told any more: after the end of sync. */
  async settled(): Promise<void> {
    await Promise.all(this.#telling.values());
  }

  #goOnTelling(group: ScopeId): void {
    const key = scopeKeyOf(group);
    if (this.#telling.has(key)) return;
    const telling = this.#tell(group, this.#deps.ending, RETRY_MAX_MS)
      .then(() => {})
      .catch((error: unknown) =>
        this.#deps.logger("warn", "sync.leave.failed", { code: codeOf(error) }),
      )
      .finally(() => this.#telling.delete(key));
    this.#telling.set(key, telling);
  }

  /** Waits until a member holds our word that we have left. Whether one does: not when waiting has ended before. */
  async #tell(group: ScopeId, waiting: AbortSignal, waitMax: number): Promise<boolean> {
    const { groups } = this.#deps;
    await this.#deps.publishOwn();
    const told = new Map([[scopeKeyOf(group), group]]);
    await this.#handOver(group, told, waiting, waitMax);
    // Who has joined again meanwhile has nothing to tell.
    if (groups.records.left(group) === undefined) return true;
    if (told.size > 0 && this.#others(group).length > 0) return false;
    await groups.noteTold(group);
    return told.size === 0;
  }

  /** The group and its collections, as far as anything of them is here. */
  #heldOf(group: ScopeId): Map<ScopeKey, ScopeId> {
    return new Map(
      [group, ...this.#deps.groups.collections(group)]
        .filter((scope) => this.#holdsAnything(scope))
        .map((scope) => [scopeKeyOf(scope), scope]),
    );
  }

  #holdsAnything(scope: ScopeId): boolean {
    return (this.#deps.history.scope(scope)?.numbers.size ?? 0) > 0;
  }

  /** Asks members until each of `scopes` is held by one of them, and takes those out that are. */
  async #handOver(
    group: ScopeId,
    scopes: Map<string, ScopeId>,
    waiting: AbortSignal,
    waitMax = HAND_OVER_MAX_MS,
  ): Promise<void> {
    let wait = HAND_OVER_MIN_MS;
    const before = this.#deps.groups.records.left(group);
    const isOver = (): boolean =>
      waiting.aborted ||
      this.#others(group).length === 0 ||
      this.#deps.groups.records.left(group) !== before;
    while (scopes.size > 0 && !isOver()) {
      for (const peer of this.#others(group)) await this.#askWhatIsHeld(peer, scopes, waiting);
      if (scopes.size === 0) return;
      await this.#deps.clock.sleep(wait, waiting).catch(() => {});
      wait = Math.min(2 * wait, waitMax);
    }
  }

  #others(group: ScopeId): DeviceId[] {
    return othersOf(this.#deps, group).map(({ device }) => device);
  }

  async #askWhatIsHeld(
    peer: DeviceId,
    scopes: Map<string, ScopeId>,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted || scopes.size === 0) return;
    try {
      const value = { scopes: Array.from(scopes.values(), scopeToWire) };
      const answer = await this.#deps.call(peer, { case: "knows", value }, signal);
      if (answer.case !== "known") return;
      for (const { scope, vector } of answer.value.vectors.map(claimFromWire)) {
        const ours = this.#deps.history.scope(scope)?.vector() ?? new Map();
        if (coversVector(vector, ours)) scopes.delete(scopeKeyOf(scope));
      }
    } catch {
      // Not connected, or busy: another one may be, or this one later.
    }
  }
}
