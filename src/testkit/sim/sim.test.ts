import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Plan, planOf, PROFILES, runPlan, shrink, SimError } from "./index.ts";
import { Tally } from "./report.ts";

const REGRESSIONS = join(import.meta.dirname, "regressions");

/** Seeds of each profile: a taste of what the tests with processes run. */
const SEEDS_PER_PROFILE = 6;

/** What must have happened in so many seeds, or the profiles hide it. */
const SOMETIMES: readonly string[] = [
  "added",
  "as expected",
  "cleared",
  "converged",
  "converged after a lie in a join",
  "disk.eio",
  "disk.full",
  "disk.open",
  "done add",
  "done change",
  "done clear",
  "done describe",
  "done disown",
  "done eject",
  "done family",
  "done grant",
  "done leave",
  "done pair",
  "done pause",
  "done publish",
  "done scan",
  "done unfamily",
  "fault backup",
  "fault block",
  "fault copy",
  "fault crash",
  "fault cut",
  "fault cutStream",
  "fault freeze",
  "fault jump",
  "fault noDial",
  "fault partition",
  "fault restore",
  "fault slow",
  "fault slowDisk",
  "fault swap",
  "fault wipe",
  "joined",
  "joined a second group",
  "lie in a join: less",
  "lie in a join: no such log",
  "log sync.checkpoint.fresh",
  "log sync.ejected",
  "log sync.published",
  "log store.read-only STORE_WRITE_FAILED",
  "log store.reopened",
  "net.dial",
  "net.half-open",
  "waits after a lie in a join",
  "watched",
  "watched sync",
];

describe("[SI5] seeds", () => {
  const tally = new Tally();

  test.for(PROFILES.map(({ name }) => name))(
    "no seed of profile %s finds anything",
    { timeout: 600_000 },
    async (name) => {
      for (let seed = 0; seed < SEEDS_PER_PROFILE; seed++) {
        const report = await runPlan(planOf(seed, name));
        tally.add(report);
        expect(report.error?.message, `npm run sim -- --seed ${seed} --profile ${name}`).toBe(
          undefined,
        );
      }
    },
  );

  test("[SI6] what is worth seeing has been seen", () => {
    console.log(tally.text());
    expect(SOMETIMES.filter((what) => !tally.seen.has(what))).toEqual([]);
  });
});

test("[SI1] a seed that runs twice does the same twice", async () => {
  for (const name of ["calm", "mixed"]) {
    const [one, two] = [await runPlan(planOf(1, name)), await runPlan(planOf(1, name))];
    expect(two.trace, name).toBe(one.trace);
    expect(two.events).toBe(one.events);
    expect([...two.seen]).toEqual([...one.seen]);
  }
});

test.for(readdirSync(REGRESSIONS))("[SI7] what %s once found is found no more", async (file) => {
  const plan = JSON.parse(readFileSync(join(REGRESSIONS, file), "utf8")) as Plan;
  const { error } = await runPlan(plan);
  expect(error?.message, `npm run sim -- --replay ${join(REGRESSIONS, file)}`).toBe(undefined);
});

test("[SI10] what is killed signs nothing more, though the end of its connections wakes it", async () => {
  const plan = JSON.parse(
    readFileSync(join(REGRESSIONS, "A5-signed-by-what-was-killed.json"), "utf8"),
  ) as Plan;
  const { seen, error } = await runPlan(plan);
  expect(error).toBe(undefined);
  // Of the log that both copies of a store went on with; not the one that a dead process meant to write on as well.
  expect(seen.get("forked")).toBe(1);
});

test("[SI8] a plan that finds something is made smaller and still finds it", async () => {
  // A plan that cannot be carried out: it names a device that is not there.
  const whole = planOf(3, "calm");
  const plan: Plan = {
    ...whole,
    steps: [...whole.steps, { at: whole.endMs - 1, device: 99, fault: "backup" }],
  };
  const found = (await runPlan(plan)).error;
  expect(found).toBeInstanceOf(SimError);
  const small = await shrink(plan, (found as SimError).promise, { runsMax: 100 });
  expect(small.steps).toHaveLength(1);
});
