import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { DECODERS, NO_DECODERS } from "./decoders.ts";
import { fuzz } from "./fuzz.ts";

/** `npm run fuzz` gives each decoder 2 000 000. */
const INPUTS = Number(process.env["ROOKERY_INPUTS"] ?? 20_000);
const SEED = Number(process.env["ROOKERY_SEED"] ?? 20_261_127);
const SRC = join(import.meta.dirname, "../../src");

describe(`whatever the bytes, seed ${SEED}`, () => {
  test.for(DECODERS.map((decoder) => [decoder.name, decoder] as const))(
    `[TO5] [WI12] [WI15] %s: ${INPUTS} inputs are read and written again the same, or refused with a code`,
    ([, decoder]) => {
      const { good, refused } = fuzz(decoder, INPUTS, SEED);
      let bad = 0;
      for (const count of refused.values()) bad += count;
      expect(good + bad).toBe(INPUTS);
      // The inputs are worth something.
      expect(good).toBeGreaterThan(0);
    },
  );
});

describe("the table of decoders", () => {
  const named = new Set<string>();
  for (const file of readdirSync(SRC, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts") || /\.test\.ts$|^testkit|generated/.test(file)) continue;
    const text = readFileSync(join(SRC, file), "utf8");
    for (const [, name] of text.matchAll(
      /^export (?:async )?function\*? ((?:decode|read|parse)(?:[A-Z]\w*)?)\b/gm,
    ))
      named.add(name as string);
  }

  test("[TO6] names every exported function that reads bytes or texts, or says why it need not", () => {
    const known = new Set([...DECODERS.flatMap(({ runs }) => runs), ...Object.keys(NO_DECODERS)]);
    expect([...named].filter((name) => !known.has(name))).toEqual([]);
    expect([...known].filter((name) => !named.has(name))).toEqual([]);
  });
});
