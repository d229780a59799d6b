import {
  type GenVector,
  generationIn,
  type LogKey,
  type ScopeId,
  type ScopeKey,
} from "../base/index.ts";
import type { History, Written } from "../history/index.ts";
import { DeltaMode } from "../wire/index.ts";
import { BRANCH_ASKED_MAX, BRANCHED_LOGS_MAX } from "./limits.ts";

/**
 * Logs of one stream that have forked, where generations no longer say what is lacking: those of which the peer holds a branch that
 * does not begin where ours ends, and those of which we have given some up. [SY95]
 */
export class BranchedLogs {
  readonly #history: History;
  /** Asked for from further back than is known until the round ends, by scope: above which generation. */
  readonly #open = new Map<ScopeKey, Map<LogKey, number>>();
  /** How often each was asked for from the beginning: who never shows that is not asked again. */
  readonly #asked = new Map<string, number>();

  constructor(history: History) {
    this.#history = history;
  }

  /** Notes that the peer holds another branch of a log; answers whether it is to be asked for all of it. */
  add(scope: ScopeKey, log: LogKey): boolean {
    const place = `${scope} ${log}`;
    const times = this.#asked.get(place) ?? 0;
    const isFull = times === 0 && this.#asked.size >= BRANCHED_LOGS_MAX;
    if (times >= BRANCH_ASKED_MAX || isFull) return false;
    this.#asked.set(place, times + 1);
    this.#above(scope, log, 0);
    return true;
  }

  /** What is said to be known of a scope. */
  lessen(scope: ScopeKey, vector: GenVector): GenVector {
    const logs = this.#open.get(scope);
    if (logs === undefined) return vector;
    const less = new Map(vector);
    for (const [log, above] of logs) {
      const known = Math.min(above, generationIn(vector, log));
      if (known > 0) less.set(log, known);
      else less.delete(log);
    }
    return less;
  }

  /** Whether all of a log is asked for now. */
  isFromStart(scope: ScopeKey, log: LogKey): boolean {
    return this.#open.get(scope)?.get(log) === 0;
  }

  /** All of these scopes has been sent. */
  end(scopes: Iterable<ScopeKey>): void {
    for (const scope of scopes) this.#open.delete(scope);
  }

  /**
   * Modes in which less is known since a write. Of a log that has forked, what others hold before the fork may be of another branch:
   * they are asked for what they hold under the last generation that is left.
   */
  lowered({ database, takenBack = [] }: Written): ReadonlySet<DeltaMode> {
    const modes = new Set<DeltaMode>();
    if (takenBack.length === 0) return modes;
    for (const { id, key, number, numbers, access } of this.#history.scopes(database)) {
      for (const { scope, log } of takenBack) {
        const name = this.#history.logOf(log);
        if (scope !== number || access.frozenAt(name) === Number.POSITIVE_INFINITY) continue;
        this.#above(key, name, Math.max(0, (numbers.get(log) ?? 0) - 1));
        modes.add(modeOf(id));
      }
    }
    return modes;
  }

  #above(scope: ScopeKey, log: LogKey, generation: number): void {
    const logs = this.#open.get(scope) ?? new Map<LogKey, number>();
    this.#open.set(scope, logs);
    logs.set(log, Math.min(generation, logs.get(log) ?? generation));
  }
}

/** The mode in which a scope is asked for. */
export function modeOf({ kind }: ScopeId): DeltaMode {
  return kind === "syncgroup" ? DeltaMode.SYNCGROUPS : DeltaMode.DATA;
}
