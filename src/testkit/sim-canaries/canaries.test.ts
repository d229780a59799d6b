import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CANARIES } from "./canaries.ts";
import { plant } from "./loader.ts";

test("[SI9] the text of every planted fault stands exactly once in its file", () => {
  for (const canary of CANARIES) expect(plant(canary), canary.name).toContain(canary.replace);
});

test("[SI9] there are at least 30 planted faults, and each has a name of its own", () => {
  expect(CANARIES.length).toBeGreaterThanOrEqual(30);
  expect(new Set(CANARIES.map(({ name }) => name)).size).toBe(CANARIES.length);
});

test("[SI9] the table of rules in docs/spec/simulator.md names planted faults that there are", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../docs/spec/simulator.md"), "utf8");
  const table = text.slice(text.indexOf("## What the canaries switch off"));
  const rows = table.split("\n").filter((line) => line.startsWith("| ") && line.includes("(["));
  const named = rows.flatMap((row) => [...row.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name));
  const known = new Set(CANARIES.map(({ name }) => name));
  expect(named.filter((name) => name === undefined || !known.has(name))).toEqual([]);
  expect(rows.length).toBeGreaterThanOrEqual(15);
});
