/** Makes a plan that finds something smaller, as long as it still finds the same. */

import type { Plan, Step } from "./plan.ts";
import { runPlan } from "./run.ts";

export interface ShrinkOptions {
  /** Runs at most. */
  readonly runsMax: number;
  /** Told of each smaller plan. */
  readonly onSmaller?: ((plan: Plan, runs: number) => void) | undefined;
}

/** Whether a plan finds a breach of this promise. */
export async function finds(plan: Plan, promise: string): Promise<boolean> {
  const { error } = await runPlan(plan);
  return error?.promise === promise;
}

/**
 * The smallest plan on the way from `plan` by leaving out steps (halves, then quarters, … then one by one), ending
 * earlier, and making what is left plain.
 */
export async function shrink(plan: Plan, promise: string, options: ShrinkOptions): Promise<Plan> {
  const { runsMax, onSmaller } = options;
  let runs = 0;
  let best = plan;
  const attempt = async (smaller: Plan): Promise<boolean> => {
    if (runs >= runsMax) return false;
    runs += 1;
    if (!(await finds(smaller, promise))) return false;
    best = smaller;
    onSmaller?.(smaller, runs);
    return true;
  };
  let before: Plan | undefined;
  while (before !== best && runs < runsMax) {
    before = best;
    await dropSteps(() => best, attempt);
    await endEarlier(() => best, attempt);
    await makePlain(() => best, attempt);
  }
  return best;
}

type Attempt = (smaller: Plan) => Promise<boolean>;

async function dropSteps(best: () => Plan, attempt: Attempt): Promise<void> {
  for (let size = Math.ceil(best().steps.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < best().steps.length;) {
      const { steps } = best();
      const rest = [...steps.slice(0, from), ...steps.slice(from + size)];
      if (!(await attempt({ ...best(), steps: rest }))) from += size;
    }
  }
}

/** Milliseconds that stay after the last step. */
const TAIL_MS = 500;

async function endEarlier(best: () => Plan, attempt: Attempt): Promise<void> {
  const last = best().steps.at(-1)?.at ?? 0;
  if (last + TAIL_MS < best().endMs) await attempt({ ...best(), endMs: last + TAIL_MS });
}

async function makePlain(best: () => Plan, attempt: Attempt): Promise<void> {
  for (const [i, device] of best().devices.entries()) {
    if (device.clockAheadMs === 0 && device.drift === 0) continue;
    const devices = best().devices.with(i, { ...device, clockAheadMs: 0, drift: 0 });
    await attempt({ ...best(), devices });
  }
  for (const [i, step] of best().steps.entries()) {
    if ("ms" in step && step.ms > 1000) {
      const shorter: Step = { ...step, ms: 1000 };
      await attempt({ ...best(), steps: best().steps.with(i, shorter) });
    }
  }
}
