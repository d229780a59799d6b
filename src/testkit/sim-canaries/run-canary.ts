import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plan, planOf as PlanOf } from "../sim/index.ts";
import type { Canary, CanaryOutcome } from "./canary.ts";
import { loadWith } from "./loader.ts";

const PLANS = join(import.meta.dirname, "../sim/regressions");

/** Runs seeds on a product with the fault until one finds it or there are no more. */
export async function runCanary(canary: Canary): Promise<CanaryOutcome> {
  const began = performance.now();
  const end = (seed: number | undefined, found: string): CanaryOutcome => ({
    name: canary.name,
    seed,
    found,
    seconds: (performance.now() - began) / 1000,
  });
  const others: string[] = [];
  try {
    const { planOf, runPlan } = await loadWith(canary);
    for (const plan of plansOf(canary, planOf)) {
      const { error } = await runPlan(plan);
      if (error === undefined) continue;
      if (canary.breaks.includes(error.promise)) return end(plan.seed, error.message);
      others.push(`seed ${plan.seed}: ${error.message.slice(0, 200)}`);
    }
  } catch (error) {
    return end(undefined, error instanceof Error ? error.message : String(error));
  }
  return end(undefined, others.length === 0 ? "nothing" : others.join("; "));
}

/** What is run to find it. */
function* plansOf(canary: Canary, planOf: typeof PlanOf): Generator<Plan> {
  if ("plan" in canary) {
    yield JSON.parse(readFileSync(join(PLANS, `${canary.plan}.json`), "utf8")) as Plan;
    return;
  }
  const { from = 0, seeds, profile } = canary;
  for (let seed = from; seed < from + seeds; seed++) yield planOf(seed, profile);
}
