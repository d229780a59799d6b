/**
 * `npm run fuzz`: bytes that make no sense for every decoder.
 *
 *     [--inputs 2000000] [--seed 1] [--only NAME]    NAME: a part of a decoder's name
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { DECODERS } from "./decoders.ts";
import { fuzz } from "./fuzz.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "2000000" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "" },
  },
});

let failures = 0;
for (const decoder of DECODERS.filter(({ name }) => name.includes(values.only))) {
  try {
    const { name, inputs, good, refused, seconds } = fuzz(
      decoder,
      Number(values.inputs),
      Number(values.seed),
    );
    const codes = [...refused].map(([code, count]) => `${code} ${count}`).join(", ");
    console.log(`${name}: ${inputs} inputs in ${seconds.toFixed(1)} s, ${good} read, ${codes}`);
  } catch (error) {
    failures += 1;
    console.log(String(error));
  }
}
console.log(`${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
