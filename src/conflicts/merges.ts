import { type Clock, encodeValue, type Logger, type Value } from "../base/index.ts";
import { ConflictError } from "./errors.ts";
import { compareHeads, type Head } from "./head.ts";
import { MERGE_MS_MAX } from "./limits.ts";
import { isMergeName } from "./policy.ts";
import { shownOf } from "./reading.ts";

/**
 * Brings concurrent values of one row together: two or more, of which none is a deletion, in an order that is the same on
 * every device. Its answer must depend on nothing else, or devices show different things for ever.
 */
export type MergeFunction = (values: readonly Value[]) => Value;

/** Why a row under `merge:NAME` shows what last-write-wins shows. */
export type MergeFailure = "failed" | "slow" | "unregistered";

export interface MergesDeps {
  readonly clock: Pick<Clock, "monotonic">;
  readonly logger: Logger;
}

interface Registered {
  readonly merge: MergeFunction;
  /** Took too long once: it is not called again. */
  isSlow: boolean;
  /** Has been reported to have thrown. */
  hasFailed: boolean;
}

/** The merge functions that an application has registered, by name. [CO11] [CO12] */
export class Merges {
  readonly #deps: MergesDeps;
  readonly #byName = new Map<string, Registered>();
  /** Names that have been reported to be missing. */
  readonly #missed = new Set<string>();

  constructor(deps: MergesDeps) {
    this.#deps = deps;
  }

  /** Registers a function, in place of another of that name. @throws {ConflictError} `CONFLICT_MERGE_INVALID`; {TypeError}. */
  register(name: string, merge: MergeFunction): void {
    if (typeof merge !== "function") throw new TypeError("A merge is a function");
    if (!isMergeName(name)) {
      throw new ConflictError(
        "CONFLICT_MERGE_INVALID",
        "Cannot register merge: its name has 1 to 64 letters, digits, dots, hyphens and underscores",
      );
    }
    this.#missed.delete(name);
    this.#byName.set(name, { merge, isSlow: false, hasFailed: false });
  }

  /** What the function makes of the heads that are no deletions, or why nothing. Never throws. */
  run(
    name: string,
    heads: readonly Head[],
  ): { readonly value: Value } | { readonly failure: MergeFailure } {
    const registered = this.#byName.get(name);
    if (registered === undefined) {
      if (!this.#missed.has(name)) this.#report("conflicts.merge.unregistered", name);
      this.#missed.add(name);
      return { failure: "unregistered" };
    }
    if (registered.isSlow) return { failure: "slow" };
    const { clock } = this.#deps;
    const start = clock.monotonic();
    const result = this.#result(registered, name, heads);
    const tookMs = clock.monotonic() - start;
    // Also where it threw: what it cannot read may cost it as much as what it can.
    if (tookMs <= MERGE_MS_MAX) return result;
    registered.isSlow = true;
    this.#report("conflicts.merge.slow", name, undefined, tookMs);
    return { failure: "slow" };
  }

  #result(
    registered: Registered,
    name: string,
    heads: readonly Head[],
  ): { readonly value: Value } | { readonly failure: MergeFailure } {
    try {
      const values = [...heads].sort(compareHeads).map((head) => shownOf(head) as Value);
      const value = registered.merge(values);
      // What is no row value, or too large for one, is shown by no other read either.
      encodeValue(value);
      return { value };
    } catch (error) {
      if (!registered.hasFailed) this.#report("conflicts.merge.failed", name, error);
      registered.hasFailed = true;
      return { failure: "failed" };
    }
  }

  #report(event: string, name: string, error?: unknown, tookMs?: number): void {
    this.#deps.logger("warn", event, {
      name,
      // The error's class alone: its text may repeat what the row holds.
      ...(error !== undefined && { error: error instanceof Error ? error.name : typeof error }),
      ...(tookMs !== undefined && { tookMs }),
    });
  }
}
