import { type LogKey, type ScopeId, scopeKeyOf } from "../base/index.ts";
import type { History } from "../history/index.ts";
import { DeltaMode } from "../wire/index.ts";
import { controlHeads } from "./intake.ts";
import { WAITING_LOGS_MAX } from "./limits.ts";

/** Logs of one stream that wait for a control log to grow: they are asked for again once it has. */
export class WaitingLogs {
  readonly #history: History;
  /** With the heads of the control log when they began to wait. */
  readonly #logs = new Map<string, { readonly scope: ScopeId; readonly heads: string }>();

  constructor(history: History) {
    this.#history = history;
  }

  get size(): number {
    return this.#logs.size;
  }

  add(scope: ScopeId, log: LogKey, heads: string): void {
    const place = `${scopeKeyOf(scope)} ${log}`;
    if (this.#logs.size < WAITING_LOGS_MAX || this.#logs.has(place))
      this.#logs.set(place, { scope, heads });
  }

  /** The modes in which is to be asked again now. What is asked for waits no more. */
  due(): ReadonlySet<DeltaMode> {
    const modes = new Set<DeltaMode>();
    for (const [place, { scope, heads }] of this.#logs) {
      if (controlHeads(this.#history, scope) === heads) continue;
      this.#logs.delete(place);
      modes.add(scope.kind === "syncgroup" ? DeltaMode.SYNCGROUPS : DeltaMode.DATA);
    }
    return modes;
  }
}
