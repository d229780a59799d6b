import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { CANARIES } from "./canaries.ts";
import type { CanaryOutcome } from "./canary.ts";

/** Processes that share the canaries: each loads the product anew for every one. */
const PARTS = 2;

/** As `npm run sim` has it, but for compiling each function at once: most of what is loaded here runs for a few seeds. */
const FLAGS = [
  "--conditions=rookery-source",
  "--disable-warning=ExperimentalWarning",
  "--min-semi-space-size=16",
  "--max-semi-space-size=32",
];

function run(part: number): Promise<CanaryOutcome[]> {
  const main = join(import.meta.dirname, "main.ts");
  const child = spawn(process.execPath, [...FLAGS, main, "--part", `${part}/${PARTS}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (piece: Buffer) => (text += piece.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => {
      const lines = text.split("\n").filter((line) => line !== "");
      resolve(lines.map((line) => JSON.parse(line) as CanaryOutcome));
    });
  });
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
