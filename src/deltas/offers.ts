import {
  type Clock,
  type GenVector,
  type LogKey,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import type { History } from "../history/index.ts";
import { DeltaMode } from "../wire/index.ts";
import { OFFER_GRACE_MS } from "./limits.ts";
import type { ScopeClaim } from "./page.ts";

export interface OffersDeps {
  readonly history: History;
  readonly clock: Clock;
}

/**
 * What a peer has said that it holds and does not send by itself: it comes from whoever made it, most likely, and is asked for
 * if it has not after a while. Once each time that it is said, so that what never counts here is not asked for again and again.
 */
export class Offers {
  readonly #deps: OffersDeps;
  readonly #ask: (mode: DeltaMode) => void;
  readonly #lacking = new Map<ScopeKey, { readonly scope: ScopeId; vector: GenVector }>();
  #isWaiting = false;

  /** `ask`: asks the peer for all that is lacking of a mode's scopes. */
  constructor(deps: OffersDeps, ask: (mode: DeltaMode) => void) {
    this.#deps = deps;
    this.#ask = ask;
  }

  /** Takes note; looks later, unless `ended` is aborted before. */
  note({ scope, vector }: ScopeClaim, ended: AbortSignal): void {
    const lacking = this.#lackingOf(scope, vector);
    if (lacking.size === 0) return;
    const key = scopeKeyOf(scope);
    const before = this.#lacking.get(key)?.vector ?? new Map<LogKey, number>();
    this.#lacking.set(key, { scope, vector: new Map([...before, ...lacking]) });
    if (!this.#isWaiting) void this.#look(ended);
  }

  async #look(ended: AbortSignal): Promise<void> {
    this.#isWaiting = true;
    try {
      await this.#deps.clock.sleep(OFFER_GRACE_MS, ended);
    } catch {
      // The stream has ended: another one begins with a request.
      return;
    }
    this.#isWaiting = false;
    const modes = new Set<DeltaMode>();
    for (const { scope, vector } of this.#lacking.values())
      if (this.#lackingOf(scope, vector).size > 0)
        modes.add(scope.kind === "syncgroup" ? DeltaMode.SYNCGROUPS : DeltaMode.DATA);
    this.#lacking.clear();
    for (const mode of modes) this.#ask(mode);
  }

  #lackingOf(scope: ScopeId, vector: GenVector): Map<LogKey, number> {
    const state = this.#deps.history.scope(scope);
    return new Map([...vector].filter(([log, end]) => end > (state?.generationOf(log) ?? 0)));
  }
}
