/**
 * `npm test` and `npm run check`: every step one after another, all of them even when one fails, and as the last line
 * what came of it: `N passed, N failed`. Each test counts one, and so does each step that is no test.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Counts } from "./reporter.ts";
import { run } from "./run.ts";

interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** Runs vitest, whose tests count one each. */
  readonly tests?: true;
}

interface Outcome extends Counts {
  readonly name: string;
  readonly seconds: number;
}

/** Failed tests that are named again at the end: more are told apart better by the steps' own output. */
const FAILURES_TOLD_MAX = 30;

const CHECK: readonly Step[] = [
  { name: "format", command: ["oxfmt", "--check"] },
  { name: "lint", command: ["oxlint"] },
  { name: "types", command: ["tsc", "-p", "tsconfig.json"] },
  { name: "types of the neutral folders", command: ["tsc", "-p", "tsconfig.core.json"] },
  { name: "tidy", command: ["node", "scripts/tidy.ts"] },
  { name: "unit tests", command: ["vitest", "run", "--project", "unit"], tests: true },
];

/** Built first: the tests of the package pack what was built. */
const ALL: readonly Step[] = [
  ...CHECK,
  { name: "build", command: ["node", "scripts/build.ts"] },
  { name: "tests with processes", command: ["vitest", "run", "--project", "process"], tests: true },
  { name: "knip", command: ["knip"] },
  { name: "publint", command: ["publint", "--strict"] },
];

const STEPS: Readonly<Record<string, readonly Step[]>> = { check: CHECK, all: ALL };

async function take(step: Step, folder: string): Promise<Outcome> {
  console.log(`\n── ${step.name}`);
  const start = performance.now();
  const file = join(folder, "counts.json");
  rmSync(file, { force: true });
  const code = await run(step.command, { ROOKERY_TEST_COUNTS: file });
  const seconds = (performance.now() - start) / 1000;
  if (step.tests === undefined) {
    const [passed, failed] = [Number(code === 0), Number(code !== 0)];
    return { name: step.name, passed, failed, noted: 0, failures: [], seconds };
  }
  const counts = readCounts(file);
  // A run that ends badly without a failed test has failed as a run.
  const failed = code !== 0 && counts.failed === 0 ? 1 : counts.failed;
  return { ...counts, name: step.name, failed, seconds };
}

function readCounts(file: string): Counts {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Counts;
  } catch {
    return { passed: 0, failed: 1, noted: 0, failures: [] };
  }
}

/** Names once more what failed: what a step has said of it may be far above, or cut off. */
function tellFailures(failures: readonly string[]): void {
  if (failures.length > 0) console.log("Failed tests:");
  for (const failure of failures.slice(0, FAILURES_TOLD_MAX)) console.log(`  ${failure}`);
  const left = failures.length - FAILURES_TOLD_MAX;
  if (left > 0) console.log(`  and ${left} more`);
}

async function main(which: string | undefined): Promise<number> {
  const steps = STEPS[which ?? "all"];
  if (steps === undefined) {
    console.error(`Unknown set of steps: ${which}; there are ${Object.keys(STEPS).join(" and ")}`);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), "rookery-test-"));
  const outcomes: Outcome[] = [];
  try {
    for (const step of steps) outcomes.push(await take(step, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  let passed = 0;
  let failed = 0;
  console.log("");
  for (const outcome of outcomes) {
    passed += outcome.passed;
    failed += outcome.failed;
    const noted = outcome.noted === 0 ? "" : `, ${outcome.noted} skipped with a note`;
    const counts = `${outcome.passed} passed, ${outcome.failed} failed${noted}`;
    console.log(
      `${outcome.failed === 0 ? "ok    " : "FAILED"} ${outcome.name}: ${counts} (${outcome.seconds.toFixed(1)} s)`,
    );
  }
  tellFailures(outcomes.flatMap(({ failures }) => failures));
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv[2]);
