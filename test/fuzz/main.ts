/** `npm run fuzz`: bytes that make no sense for every decoder. */

import process from "node:process";
import { type Asked, runCommand, UsageError } from "../../src/testkit/command-line.ts";
import { DECODERS } from "./decoders.ts";
import { fuzz } from "./fuzz.ts";

const USAGE = `npm run fuzz -- [options]: bytes that make no sense for every decoder

    --inputs N   for each decoder (2000000)    --seed N   of the first input (1)
    --only NAME  decoders that have this in their name

Decoders: ${DECODERS.map(({ name }) => name).join(", ")}`;

const OPTIONS = { inputs: "number", seed: "number", only: "text" } as const;

async function fuzzAll({
  inputs: count = 2_000_000,
  seed = 1,
  only = "",
}: Asked<typeof OPTIONS>["values"]): Promise<number> {
  const chosen = DECODERS.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) throw new UsageError(`No decoder has '${only}' in its name`);
  let failures = 0;
  for (const decoder of chosen) {
    try {
      const { name, inputs, good, refused, seconds } = fuzz(decoder, count, seed);
      const codes = [...refused].map(([code, times]) => `${code} ${times}`).join(", ");
      console.log(`${name}: ${inputs} inputs in ${seconds.toFixed(1)} s, ${good} read, ${codes}`);
    } catch (error) {
      failures += 1;
      console.log(String(error));
    }
  }
  console.log(`${failures} failures`);
  return failures === 0 ? 0 : 1;
}

process.exitCode = await runCommand({
  usage: USAGE,
  options: OPTIONS,
  run: ({ values }) => fuzzAll(values),
});
