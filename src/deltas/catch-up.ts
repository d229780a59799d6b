/** How far catching up with one peer is, for people. */

import {
  generationIn,
  type GenVector,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import type { History } from "../history/index.ts";
import { DeltaMode, type RoundBegins } from "../wire/index.ts";
import { claimFromWire } from "./page.ts";

/** How much is here of what one scope is catching up with: generations, summed over its logs, since it began. */
export interface CatchUp {
  readonly scope: ScopeId;
  readonly have: number;
  /** At least 1. */
  readonly need: number;
}

/** How far a pull is. */
export interface PullProgress {
  readonly state: "opening" | "catchingUp" | "live";
  /** Row ops taken on this stream. */
  readonly rows: number;
  /** Bytes of the stream's content, both ways. */
  readonly bytes: number;
  /** Scopes of which more is on its way, as far as the peer has said. */
  readonly catchingUp: readonly CatchUp[];
}

interface Goal {
  readonly scope: ScopeId;
  readonly from: GenVector;
  readonly to: GenVector;
}

/** What one peer has said that its rounds will bring. Never more than is asked for, whatever it says. [SY46] */
export class CatchUps {
  readonly #history: History;
  readonly #goals = new Map<ScopeKey, Goal>();

  constructor(history: History) {
    this.#history = history;
  }

  /** Takes the peer's word for a round. Scopes that were not asked for are passed over. */
  begin({ vectors }: RoundBegins, asked: ReadonlySet<ScopeKey>): void {
    for (const { scope, vector: to } of vectors.map(claimFromWire)) {
      const key = scopeKeyOf(scope);
      const from = this.#history.scope(scope)?.vector() ?? new Map();
      if (asked.has(key)) this.#goals.set(key, { scope, from, to });
    }
  }

  /** A round of a mode has been caught up. */
  end(mode: DeltaMode): void {
    const kind = mode === DeltaMode.SYNCGROUPS ? "syncgroup" : "collection";
    for (const [key, { scope }] of this.#goals) if (scope.kind === kind) this.#goals.delete(key);
  }

  /** Scopes of which something has still to come. */
  get all(): CatchUp[] {
    return [...this.#goals.values()].flatMap((goal) => this.#progressOf(goal));
  }

  #progressOf({ scope, from, to }: Goal): CatchUp[] {
    const state = this.#history.scope(scope);
    let [have, need] = [0, 0];
    for (const [log, goal] of to) {
      const began = generationIn(from, log);
      if (goal <= began) continue;
      need += goal - began;
      have += Math.max(0, Math.min(state?.generationOf(log) ?? 0, goal) - began);
    }
    return have < need ? [{ scope, have, need }] : [];
  }
}
