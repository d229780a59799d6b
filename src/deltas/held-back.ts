/**
 * What one serving stream does not send at once, because its initiator most likely gets it from whoever made it. Where n members
 * are all connected with each other, each commit would else go over all n² links.
 */

import {
  type DeviceId,
  deviceOfLog,
  type GenVector,
  generationIn,
  type LogKey,
} from "../base/index.ts";
import type { ScopeState } from "../history/index.ts";
import type { Crowd } from "./crowd.ts";

export interface HeldBackDeps {
  /** The two devices of the stream: ours and the initiator. */
  readonly own: DeviceId;
  readonly peer: DeviceId;
  readonly crowd: Pick<Crowd, "isCrowd" | "hasAuthor">;
}

type Scope = Pick<ScopeState, "vector">;

/** What of a scope is due at once. */
export interface DueNow {
  /** What the initiator need not be sent now. */
  readonly has: GenVector;
  readonly until: GenVector;
  readonly isHeldBack: boolean;
}

/** [SY86] [SY87] */
export class HeldBack {
  readonly #deps: HeldBackDeps;
  /** By scope and log: the last generation that the initiator was told of. */
  readonly #told = new Map<Scope, Map<LogKey, number>>();
  /** Logs that the initiator turned out to get from us alone. */
  readonly #awaited = new Set<LogKey>();

  constructor(deps: HeldBackDeps) {
    this.#deps = deps;
  }

  /** What of all up to `until` is due at once to an initiator that has `sent`. */
  dueNow(sent: GenVector, until: GenVector): DueNow {
    if (!this.#deps.crowd.isCrowd) return { has: sent, until, isHeldBack: false };
    const [has, now] = [new Map(sent), new Map(until)];
    for (const [log, end] of until) {
      if (end <= generationIn(sent, log) || !this.#isFromElsewhere(log)) continue;
      has.set(log, end);
      now.delete(log);
    }
    return { has, until: now, isHeldBack: now.size < until.size };
  }

  /** Whether news of all these logs are held back, or most likely the initiator's own: a turn in a crowd brings some of everybody. */
  isForLater(logs: readonly LogKey[]): boolean {
    const { crowd, peer } = this.#deps;
    return (
      crowd.isCrowd && logs.every((log) => this.#isFromElsewhere(log) || deviceOfLog(log) === peer)
    );
  }

  #isFromElsewhere(log: LogKey): boolean {
    if (this.#awaited.has(log)) return false;
    const { own, peer, crowd } = this.#deps;
    const device = deviceOfLog(log);
    return device !== own && device !== peer && crowd.hasAuthor(log);
  }

  /** The initiator has said that it holds what it was not sent: it gets that log from others too. */
  noteHeard(log: LogKey): void {
    this.#awaited.delete(log);
  }

  /** It has asked anew, and is sent this: what it was told of and lacks, it gets from us alone. */
  noteAsked(scope: Scope, log: LogKey, generation: number): void {
    if (generation <= (this.#told.get(scope)?.get(log) ?? 0)) this.#awaited.add(log);
  }

  /** What we hold of a scope, and the initiator has neither been sent nor told of. */
  tell(scope: Scope, sent: GenVector): Map<LogKey, number> {
    const told = this.#told.get(scope) ?? new Map<LogKey, number>();
    this.#told.set(scope, told);
    const news = new Map<LogKey, number>();
    for (const [log, end] of scope.vector()) {
      if (end <= Math.max(generationIn(sent, log), told.get(log) ?? 0)) continue;
      news.set(log, end);
      told.set(log, end);
    }
    return news;
  }
}
