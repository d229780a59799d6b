import { join } from "node:path";
import { expect, test } from "vitest";
import { spawnChild } from "../child.ts";
import { CANARIES } from "./canaries.ts";
import type { CanaryOutcome } from "./canary.ts";

/** Processes that share the canaries: each loads the product anew for every one. */
const PARTS = 2;

/** As `npm run sim` has it, but for compiling each function at once: most of what is loaded here runs for a few seeds. */
const FLAGS = [
  "--disable-warning=ExperimentalWarning",
  "--min-semi-space-size=16",
  "--max-semi-space-size=32",
];

async function run(part: number): Promise<CanaryOutcome[]> {
  await using child = spawnChild(join(import.meta.dirname, "main.ts"), {
    flags: FLAGS,
    args: ["--child", "--part", `${part}/${PARTS}`],
  });
  const lines = await child.rest();
  const { code, signal } = await child.ended;
  // 1: some were missed, which is told by their lines.
  expect([0, 1], `${String(signal)} ${child.errorText}`).toContain(code);
  return lines.map((line) => JSON.parse(line) as CanaryOutcome);
}

test(
  "[SI9] every planted fault is found, by the promise that it breaks, within its seeds",
  { timeout: 600_000 },
  async () => {
    const outcomes = (await Promise.all(Array.from({ length: PARTS }, (_, i) => run(i)))).flat();
    const seconds = outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0);
    console.log(`${outcomes.length} canaries in ${seconds.toFixed(1)} s`);
    expect(outcomes.filter(({ seed }) => seed === undefined)).toEqual([]);
    expect(outcomes.map(({ name }) => name).toSorted()).toEqual(
      CANARIES.map(({ name }) => name).toSorted(),
    );
  },
);
