import { expect, test } from "vitest";
import { planOf, runPlan } from "./index.ts";
import { Tally } from "./report.ts";

/** With the other half and those of sim.test.ts 506 in all. */
const SEEDS_PER_PROFILE = 40;
const FIRST_SEED = 1000;

test.for(["clocks", "backups", "liars", "members", "mixed"])(
  "[SI5] no seed of many of profile %s finds anything",
  { timeout: 600_000 },
  async (name) => {
    const tally = new Tally();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS_PER_PROFILE; seed++) {
      const report = await runPlan(planOf(seed, name));
      tally.add(report);
      expect(report.error?.message, `npm run sim -- --seed ${seed} --profile ${name}`).toBe(
        undefined,
      );
    }
    console.log(tally.text().split("\n").slice(0, 2).join("\n"));
  },
);
