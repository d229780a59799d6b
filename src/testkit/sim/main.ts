/** `npm run sim`: runs seeds until there are enough, or the time is over, or one fails. */

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { type Asked, runCommand, UsageError } from "../command-line.ts";
import type { Plan } from "./plan.ts";
import { planOf, PROFILES } from "./profile.ts";
import { failureText, planText, Tally } from "./report.ts";
import { runPlan, type RunReport } from "./run.ts";
import { shrink } from "./shrink.ts";

/** Runs of one shrinking. */
const SHRINK_RUNS_MAX = 2_000;

const USAGE = `npm run sim -- [options]: runs seeds until there are enough, or the time is over, or one fails

    --seed N        this seed alone (0x… too)       --seeds N     so many seeds (100), from --from (0)
    --minutes N     as long as this                 --profile P   plans of this profile only
    --shrink        makes a failing plan smaller, and writes it to a file
    --replay FILE   runs a plan that was written    --trace       says everything that happens
    --keep-going    goes on after a failure         --canaries    plants faults and says which seed finds each

Profiles: ${PROFILES.map(({ name }) => name).join(", ")}`;

const OPTIONS = {
  seed: "number",
  seeds: "number",
  from: "number",
  minutes: "number",
  profile: "text",
  replay: "text",
  shrink: "flag",
  trace: "flag",
  "keep-going": "flag",
  canaries: "flag",
} as const;

type Values = Asked<typeof OPTIONS>["values"];

const say = (line: string): void => console.log(line);

async function seeds(values: Values): Promise<number> {
  const tally = new Tally();
  let code = 0;
  for (const { plan, command } of plans(values, tally)) {
    const report = await runPlan(plan, values.trace ? { onTrace: say } : {});
    tally.add(report);
    if (report.error === undefined) continue;
    code = 1;
    await tellFailure(report, command, values.shrink);
    if (!values["keep-going"]) break;
  }
  say(tally.text());
  return code;
}

function* plans(
  { seed, seeds: count, from = 0, replay, profile, minutes }: Values,
  tally: Tally,
): Generator<{ readonly plan: Plan; readonly command: string }> {
  if (replay !== undefined) {
    yield { plan: planIn(replay), command: `npm run sim -- --replay ${replay}` };
    return;
  }
  if (profile !== undefined && !PROFILES.some(({ name }) => name === profile))
    throw new UsageError(`There is no profile '${profile}'`);
  const suffix = profile === undefined ? "" : ` --profile ${profile}`;
  const of = (one: number): { readonly plan: Plan; readonly command: string } => ({
    plan: planOf(one, profile),
    command: `npm run sim -- --seed ${one}${suffix}`,
  });
  if (seed !== undefined) {
    yield of(seed);
    return;
  }
  const most = minutes === undefined ? (count ?? 100) : Number.POSITIVE_INFINITY;
  const seconds = minutes === undefined ? Number.POSITIVE_INFINITY : 60 * minutes;
  for (let i = 0; i < most && tally.seconds < seconds; i++) yield of(from + i);
}

function planIn(file: string): Plan {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Plan;
  } catch (error) {
    throw new UsageError(`There is no plan in '${file}'`, { cause: error });
  }
}

async function tellFailure(report: RunReport, command: string, isShrunk: boolean): Promise<void> {
  if (!isShrunk || report.error === undefined) return say(failureText(report, command));
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

process.exitCode = await runCommand({
  usage: USAGE,
  options: OPTIONS,
  run: ({ values }) => (values.canaries ? canaries() : seeds(values)),
});
