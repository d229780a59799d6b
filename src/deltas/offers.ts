import { type Clock, type LogKey, type ScopeId, type ScopeKey, scopeKeyOf } from "../base/index.ts";
import type { History } from "../history/index.ts";
import type { DeltaMode } from "../wire/index.ts";
import { modeOf } from "./branched-logs.ts";
import type { Crowd } from "./crowd.ts";
import { AUTHOR_GRACE_MS, OFFER_GRACE_MS, OFFERED_LOGS_MAX } from "./limits.ts";
import type { ScopeClaim } from "./page.ts";

export interface OffersDeps {
  readonly history: Pick<History, "scope">;
  readonly clock: Clock;
}

/** What was offered of one log. */
interface Offered {
  readonly generation: number;
  /** When it is asked for, by the monotonic clock. */
  readonly due: number;
}

/** What was offered of one scope. */
interface Lacking {
  readonly scope: ScopeId;
  readonly logs: Map<LogKey, Offered>;
  /** When it is asked for anyway, since more was offered than is kept. */
  anyway: number;
}

/**
 * What a peer has said that it holds and does not send by itself: it comes from whoever made it, most likely, and is asked for
 * if it has not after a while. Once each time that it is said, so that what never counts here is not asked for again and again.
 */
export class Offers {
  readonly #deps: OffersDeps;
  readonly #crowd: Pick<Crowd, "hasAuthor" | "mayAsk" | "answered">;
  readonly #ask: (mode: DeltaMode) => void;
  readonly #lacking = new Map<ScopeKey, Lacking>();
  /** Modes that have been asked for and not answered. */
  readonly #open = new Set<DeltaMode>();
  #isWaiting = false;

  /** `ask`: asks the peer for all that is lacking of a mode's scopes. */
  constructor(
    deps: OffersDeps,
    crowd: Pick<Crowd, "hasAuthor" | "mayAsk" | "answered">,
    ask: (mode: DeltaMode) => void,
  ) {
    this.#deps = deps;
    this.#crowd = crowd;
    this.#ask = ask;
  }

  /** Takes note; looks later, unless `ended` is aborted before. */
  note({ scope, vector }: ScopeClaim, ended: AbortSignal): void {
    const now = this.#deps.clock.monotonic();
    const key = scopeKeyOf(scope);
    for (const [log, generation] of vector) {
      if (this.#has(scope, log, generation)) continue;
      const of = this.#lacking.get(key) ?? {
        scope,
        logs: new Map<LogKey, Offered>(),
        anyway: NEVER,
      };
      this.#lacking.set(key, of);
      const grace = this.#crowd.hasAuthor(log) ? AUTHOR_GRACE_MS : OFFER_GRACE_MS;
      const due = Math.min(now + grace, of.logs.get(log)?.due ?? NEVER);
      if (of.logs.has(log) || of.logs.size < OFFERED_LOGS_MAX)
        of.logs.set(log, { generation, due });
      else of.anyway = Math.min(due, of.anyway);
    }
    if (this.#lacking.size > 0 && !this.#isWaiting) void this.#look(ended);
  }

  /** A round of this mode has come to its end. */
  noteAnswered(mode: DeltaMode): void {
    if (this.#open.delete(mode) && this.#open.size === 0) this.#crowd.answered(this);
  }

  async #look(ended: AbortSignal): Promise<void> {
    this.#isWaiting = true;
    try {
      while (this.#forgetHeld()) {
        await this.#deps.clock.sleep(this.#untilDue(), ended);
        if (this.#forgetHeld()) this.#askForDue();
      }
      this.#isWaiting = false;
    } catch {
      // The stream has ended: another one begins with a request.
      this.#crowd.answered(this);
    }
  }

  /**
   * Milliseconds until something is to be asked for; a while more where that is now, and another peer is being asked. No longer than
   * what is offered meanwhile may be due.
   */
  #untilDue(): number {
    const now = this.#deps.clock.monotonic();
    const first = Math.min(...Array.from(this.#lacking.values(), dueOf));
    return first > now ? Math.min(first - now, OFFER_GRACE_MS) : OFFER_GRACE_MS;
  }

  #askForDue(): void {
    const now = this.#deps.clock.monotonic();
    const due = [...this.#lacking].filter(([, lacking]) => dueOf(lacking) <= now);
    if (due.length === 0 || !this.#crowd.mayAsk(this)) return;
    const modes = new Set<DeltaMode>();
    for (const [key, { scope }] of due) {
      modes.add(modeOf(scope));
      // The answer brings all of the scope.
      this.#lacking.delete(key);
    }
    for (const mode of modes) {
      this.#open.add(mode);
      this.#ask(mode);
    }
  }

  /** Forgets what is here by now; answers whether anything is still lacking. */
  #forgetHeld(): boolean {
    for (const [key, { scope, logs, anyway }] of this.#lacking) {
      for (const [log, { generation }] of logs)
        if (this.#has(scope, log, generation)) logs.delete(log);
      if (logs.size === 0 && anyway === NEVER) this.#lacking.delete(key);
    }
    return this.#lacking.size > 0;
  }

  #has(scope: ScopeId, log: LogKey, generation: number): boolean {
    return generation <= (this.#deps.history.scope(scope)?.generationOf(log) ?? 0);
  }
}

const NEVER = Number.POSITIVE_INFINITY;

/** When a scope is asked for. */
function dueOf({ logs, anyway }: Lacking): number {
  let first = anyway;
  for (const { due } of logs.values()) first = Math.min(first, due);
  return first;
}
