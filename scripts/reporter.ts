import { writeFileSync } from "node:fs";
import process from "node:process";
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node";

/** Names the file that the counts go to, for `scripts/test.ts` to add up. */
const COUNTS_FILE = "ROOKERY_TEST_COUNTS";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** Skipped with a note that says why. */
  readonly noted: number;
}

type Outcome = keyof Counts | "filtered";

/**
 * Counts what ran, prints why a test was skipped, and fails the run on a skip that does not say why:
 * a test that is silently left out looks like one that passes.
 */
export default class HouseReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandled.length, noted: 0, filtered: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[this.#outcomeOf(test)] += 1;
      // A file or a group that breaks outside its tests has no test to blame.
      if (module.errors().length > 0) counts.failed += 1;
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0) counts.failed += 1;
    }
    const { filtered: _, ...counted } = counts;
    const file = process.env[COUNTS_FILE];
    if (file !== undefined) writeFileSync(file, JSON.stringify(counted satisfies Counts));
    if (counts.failed > 0) process.exitCode = 1;
  }

  #outcomeOf(test: TestCase): Outcome {
    const result = test.result();
    if (result.state === "passed") return "passed";
    if (result.state === "failed") return "failed";
    const name = `${test.module.relativeModuleId} ${test.fullName}`;
    const note = result.state === "skipped" ? result.note?.trim() : undefined;
    if (note !== undefined && note !== "") {
      this.#vitest?.logger.log(`Skipped: ${name}: ${note}`);
      return "noted";
    }
    // A filter by name leaves tests out too; that is the choice of who runs them.
    if (this.#vitest?.config.testNamePattern !== undefined) return "filtered";
    this.#vitest?.logger.error(`Skipped without a note: ${name}`);
    return "failed";
  }
}
