/**
 * `npm run sim`: runs seeds until there are enough, or the time is over, or one fails.
 *
 *     --seed N        this seed alone (0x… too)       --seeds N     so many seeds, from --from (default 0)
 *     --minutes N     as long as this                 --profile P   plans of this profile only
 *     --shrink        makes a failing plan smaller, and writes it to a file
 *     --replay FILE   runs a plan that was written    --trace       says everything that happens
 *     --keep-going    goes on after a failure         --canaries    plants faults and says which seed finds each
 */

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Plan } from "./plan.ts";
import { planOf } from "./profile.ts";
import { failureText, planText, Tally } from "./report.ts";
import { runPlan, type RunReport } from "./run.ts";
import { shrink } from "./shrink.ts";

/** Runs of one shrinking. */
const SHRINK_RUNS_MAX = 2_000;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    from: { type: "string" },
    minutes: { type: "string" },
    profile: { type: "string" },
    replay: { type: "string" },
    shrink: { type: "boolean" },
    trace: { type: "boolean" },
    "keep-going": { type: "boolean" },
    canaries: { type: "boolean" },
  },
});

const say = (line: string): void => console.log(line);

async function main(): Promise<number> {
  const tally = new Tally();
  let code = 0;
  for (const { plan, command } of plans(tally)) {
    const report = await runPlan(plan, values.trace === true ? { onTrace: say } : {});
    tally.add(report);
    if (report.error === undefined) continue;
    code = 1;
    await tellFailure(report, command);
    if (values["keep-going"] !== true) break;
  }
  say(tally.text());
  return code;
}

function* plans(tally: Tally): Generator<{ readonly plan: Plan; readonly command: string }> {
  const { seed, replay, profile, minutes } = values;
  if (replay !== undefined) {
    const plan = JSON.parse(readFileSync(replay, "utf8")) as Plan;
    yield { plan, command: `npm run sim -- --replay ${replay}` };
    return;
  }
  const suffix = profile === undefined ? "" : ` --profile ${profile}`;
  const of = (one: number): { readonly plan: Plan; readonly command: string } => ({
    plan: planOf(one, profile),
    command: `npm run sim -- --seed ${one}${suffix}`,
  });
  if (seed !== undefined) {
    yield of(Number(seed));
    return;
  }
  const from = Number(values.from ?? 0);
  const count = minutes === undefined ? Number(values.seeds ?? 100) : Number.POSITIVE_INFINITY;
  const seconds = minutes === undefined ? Number.POSITIVE_INFINITY : 60 * Number(minutes);
  for (let i = 0; i < count && tally.seconds < seconds; i++) yield of(from + i);
}

async function tellFailure(report: RunReport, command: string): Promise<void> {
  if (values.shrink !== true || report.error === undefined)
    return say(failureText(report, command));
  const small = await shrink(report.plan, report.error.promise, {
    runsMax: SHRINK_RUNS_MAX,
    onSmaller: ({ steps }, runs) =>
      process.stderr.write(`\r${steps.length} steps after ${runs} runs `),
  });
  const text = JSON.stringify(small);
  const name = createHash("sha256").update(text).digest("hex").slice(0, 8);
  const file = `${report.error.promise}-${name}.json`;
  writeFileSync(file, `${text}\n`);
  say(`\n${planText(small)}`);
  say(failureText(await runPlan(small), `npm run sim -- --replay ${file}`));
}

async function canaries(): Promise<number> {
  const { CANARIES, runCanary } = await import("../sim-canaries/index.ts");
  let missed = 0;
  for (const canary of CANARIES) {
    const { name, seed, seconds, found } = await runCanary(canary);
    missed += Number(seed === undefined);
    say(
      `${seed === undefined ? "MISSED" : `seed ${seed}`} ${name} (${seconds.toFixed(1)} s): ${found}`,
    );
  }
  say(`${CANARIES.length} canaries, ${missed} missed`);
  return missed === 0 ? 0 : 1;
}

process.exitCode = values.canaries === true ? await canaries() : await main();
