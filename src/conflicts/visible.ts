import { equalBytes, type Value } from "../base/index.ts";
import { mergeContents } from "./merge.ts";
import { compareHeads, type Head } from "./head.ts";
import type { MergeFailure, Merges } from "./merges.ts";
import type { Policy } from "./policy.ts";
import { shownAs, shownOf } from "./reading.ts";

/** What a row shows. */
export interface Visible {
  /** `undefined`: the row is not there. */
  readonly value: Value | undefined;
  /** Whether it has other values, which the one shown does not hold. */
  readonly conflict: boolean;
  /** Why the policy could not do its part: then the row is shown as by last-write-wins. */
  readonly fallback?: MergeFailure | "kind" | undefined;
}

/** Whether heads say different things. Equal values are no conflict, nor are equal deletions. [CO3] */
export function differ(heads: readonly Pick<Head, "value">[]): boolean {
  const [first, ...others] = heads;
  return others.some(({ value }) =>
    value === undefined || first?.value === undefined
      ? value !== first?.value
      : !equalBytes(value, first.value),
  );
}

/**
 * What is visible of a row: a function of its heads, its policy and the registered merge functions alone, whatever the order of
 * the heads. It never throws for what heads hold. [CO3] [CO4] [CO9] [CO12]
 */
export function visibleOf(policy: Policy, heads: readonly Head[], merges: Merges): Visible {
  const [winner, ...others] = [...heads].sort(compareHeads);
  if (winner === undefined) return { value: undefined, conflict: false };
  if (others.length === 0) return { value: shownOf(winner), conflict: false };
  switch (policy.type) {
    case "counter":
    case "set":
    case "map": {
      if (heads.every(({ value }) => value === undefined))
        return { value: undefined, conflict: false };
      const content = mergeContents(policy.type, heads);
      if (content !== undefined) return { value: shownAs(content), conflict: false };
      return { ...lastWrite(winner, heads), fallback: "kind" };
    }
    case "merge": {
      if (!differ(heads)) return lastWrite(winner, heads);
      const live = heads.filter(({ value }) => value !== undefined);
      const [only] = live;
      if (only !== undefined && !differ(live)) return { value: shownOf(only), conflict: false };
      const merged = merges.run(policy.name, live);
      if ("value" in merged) return { value: merged.value, conflict: false };
      return { ...lastWrite(winner, heads), fallback: merged.failure };
    }
    default:
      return lastWrite(winner, heads);
  }
}

function lastWrite(winner: Head, heads: readonly Head[]): Visible {
  return { value: shownOf(winner), conflict: differ(heads) };
}
