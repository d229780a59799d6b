import type { Canary, CanaryOutcome } from "./canary.ts";
import { loadWith } from "./loader.ts";

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
    const { from = 0, seeds } = canary;
    for (let seed = from; seed < from + seeds; seed++) {
      const { error } = await runPlan(planOf(seed, canary.profile));
      if (error === undefined) continue;
      if (canary.breaks.includes(error.promise)) return end(seed, error.message);
      others.push(`seed ${seed}: ${error.message.slice(0, 200)}`);
    }
  } catch (error) {
    return end(undefined, error instanceof Error ? error.message : String(error));
  }
  return end(undefined, others.length === 0 ? "nothing" : others.join("; "));
}
