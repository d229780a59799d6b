import { writeFileSync } from "node:fs";
import process from "node:process";
import { inspect, stripVTControlCharacters } from "node:util";
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node";

/** Names the file that the counts go to, for `scripts/test.ts` to add up. */
const COUNTS_FILE = "ROOKERY_TEST_COUNTS";

/** Characters of what is said of one failure: its first line, and no more than a terminal's. */
const FAILURE_LENGTH_MAX = 300;

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** Skipped with a note that says why. */
  readonly noted: number;
  /** What failed, a line each: where, and the first line of why. */
  readonly failures: readonly string[];
}

type Outcome = Exclude<keyof Counts, "failures"> | "filtered";

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
    const counts = { passed: 0, failed: 0, noted: 0, filtered: 0 };
    const failures: string[] = [];
    const fail = (where: string, errors: Errors | undefined): void => {
      failures.push(lineOf(where, errors));
    };
    for (const error of unhandled) fail("Outside of all tests", [error]);
    for (const module of modules) {
      const { relativeModuleId: file } = module;
      for (const test of module.children.allTests()) {
        const outcome = this.#outcomeOf(test);
        if (outcome === "failed") fail(`${file} ${test.fullName}`, test.result().errors);
        else counts[outcome] += 1;
      }
      // A file or a group that breaks outside its tests has no test to blame.
      if (module.errors().length > 0) fail(file, module.errors());
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0) fail(`${file} ${suite.fullName}`, suite.errors());
    }
    const { passed, noted } = counts;
    const counted: Counts = { passed, failed: failures.length, noted, failures };
    const file = process.env[COUNTS_FILE];
    if (file !== undefined) writeFileSync(file, JSON.stringify(counted));
    if (failures.length > 0) process.exitCode = 1;
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

type Errors = readonly unknown[];

function lineOf(where: string, errors: Errors | undefined): string {
  const [first] = errors ?? [];
  const said = first === undefined ? "skipped without a note" : messageOf(first);
  const [line = ""] = stripVTControlCharacters(said).split("\n");
  return `${where}: ${line}`.slice(0, FAILURE_LENGTH_MAX);
}

/** vitest hands over what was thrown in its worker as a plain object. */
function messageOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return inspect(error);
  return typeof error.message === "string" ? error.message : inspect(error.message);
}
