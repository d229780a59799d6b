import { writeFileSync } from "node:fs";
import process from "node:process";
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node";

/** The file that the counts go to, for `scripts/test.ts` to add up. */
const COUNTS_FILE = "ROOKERY_TEST_COUNTS";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** Skipped with a note that says why. */
  readonly noted: number;
}

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
    let passed = 0;
    let noted = 0;
    let failed = unhandled.length;
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state === "failed") failed += 1;
        else if (noteOf(test) !== undefined) noted += 1;
        else failed += this.#refuse(test);
      }
      // A file that cannot be loaded has no test to blame.
      if (module.state() === "failed" && module.errors().length > 0) failed += 1;
    }
    if (modules.length === 0) this.#vitest?.logger.log("No test files found");
    const counts: Counts = { passed, failed, noted };
    const file = process.env[COUNTS_FILE];
    if (file !== undefined) writeFileSync(file, JSON.stringify(counts));
    if (failed > 0) process.exitCode = 1;
  }

  #refuse(test: TestCase): number {
    // A filter by name leaves tests out too; that is a choice of the one who runs them.
    if (this.#vitest?.config.testNamePattern !== undefined) return 0;
    this.#vitest?.logger.error(
      `Skipped without a note: ${test.module.relativeModuleId} ${test.fullName}`,
    );
    return 1;
  }
}

function noteOf(test: TestCase): string | undefined {
  const result = test.result();
  const note = result.state === "skipped" ? result.note : undefined;
  return note === undefined || note.trim() === "" ? undefined : note;
}
