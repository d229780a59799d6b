import { type Clock, type LogKey, type ScopeId, scopeKeyOf } from "../base/index.ts";
import type { History } from "../history/index.ts";
import type { DeltaMode } from "../wire/index.ts";
import { modeOf } from "./branched-logs.ts";
import { controlHeads } from "./intake.ts";
import { ASKED_AGAIN_AT_ONCE, ASK_AGAIN_MS, WAITING_LOGS_MAX } from "./limits.ts";

export interface WaitingLogsDeps {
  readonly history: History;
  readonly clock: Clock;
}

/**
 * Logs of one stream that wait for a control log to grow: they are asked for again once it has. At once a few times, then with
 * a pause: what the peer answers may make the control log grow each time. [SY110]
 */
export class WaitingLogs {
  readonly #deps: WaitingLogsDeps;
  readonly #onDue: () => void;
  /** With the heads of the control log when they began to wait. */
  readonly #logs = new Map<string, { readonly scope: ScopeId; readonly heads: string }>();
  /** Times that may be asked at once, when that was worked out. */
  #left = ASKED_AGAIN_AT_ONCE;
  #leftAt: number;
  #isResting = false;

  /** `onDue`: called when something may be due that was not to be asked for at once. */
  constructor(deps: WaitingLogsDeps, onDue: () => void) {
    this.#deps = deps;
    this.#onDue = onDue;
    this.#leftAt = deps.clock.monotonic();
  }

  get size(): number {
    return this.#logs.size;
  }

  add(scope: ScopeId, log: LogKey, heads: string): void {
    const place = `${scopeKeyOf(scope)} ${log}`;
    if (this.#logs.size < WAITING_LOGS_MAX || this.#logs.has(place))
      this.#logs.set(place, { scope, heads });
  }

  /** The modes in which is to be asked again now. What is asked for waits no more. `ended`: of the stream, once it is open. */
  due(ended: AbortSignal | undefined): ReadonlySet<DeltaMode> {
    const due = [...this.#logs].filter(
      ([, { scope, heads }]) => controlHeads(this.#deps.history, scope) !== heads,
    );
    if (ended === undefined || due.length === 0 || !this.#mayAsk(ended)) return new Set();
    for (const [place] of due) this.#logs.delete(place);
    return new Set(due.map(([, { scope }]) => modeOf(scope)));
  }

  #mayAsk(ended: AbortSignal): boolean {
    const { clock } = this.#deps;
    const now = clock.monotonic();
    const earned = Math.floor((now - this.#leftAt) / ASK_AGAIN_MS);
    this.#left = Math.min(ASKED_AGAIN_AT_ONCE, this.#left + earned);
    this.#leftAt = this.#left === ASKED_AGAIN_AT_ONCE ? now : this.#leftAt + earned * ASK_AGAIN_MS;
    if (this.#left > 0) {
      this.#left -= 1;
      return true;
    }
    if (this.#isResting || ended.aborted) return false;
    this.#isResting = true;
    // Whole milliseconds: a rest of rounding would end before any time has gone by.
    clock.sleep(Math.max(1, Math.ceil(this.#leftAt + ASK_AGAIN_MS - now)), ended).then(
      () => {
        this.#isResting = false;
        this.#onDue();
      },
      () => {}, // The stream has ended.
    );
    return false;
  }
}
