import { describe, expect, test } from "vitest";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs } from "../testkit/golden.ts";
import { asideOf } from "./doctor.ts";

const NOTHING = new Uint8Array();
const CASES: readonly GoldenCase[] = [
  {
    record: "aside key",
    name: "typical",
    value: { key: Uint8Array.of(0x20, 0, 0, 0, 1, 0, 0x61) },
    output: asideOf(Uint8Array.of(0x20, 0, 0, 0, 1, 0, 0x61), NOTHING).key,
  },
];

describe("what was taken out", () => {
  test.for(goldenPairs("doctor", CASES))("[FO2] [FO3] $name", ({ written, committed }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
  });
});
