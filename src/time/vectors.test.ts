import { expect, test } from "vitest";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs, twoWays } from "../testkit/golden.ts";
import { type ClockState, initialState } from "./clock-state.ts";
import { CLOCK_KEY, decodeClock, encodeClock } from "./record.ts";

const STATES: Readonly<Record<string, ClockState>> = {
  least: initialState(0),
  usual: {
    offset: -3_600_000,
    anchor: -3_590_000,
    lastNtp: 1_767_225_600_000,
    hops: 1,
    reboots: 2,
    bootedAt: 1_767_139_200_000,
  },
  greatest: {
    offset: 8_640_000_000_000_000,
    anchor: -8_640_000_000_000_000,
    lastNtp: Number.MAX_SAFE_INTEGER,
    hops: 2,
    reboots: 4_294_967_295,
    bootedAt: -8_640_000_000_000_000,
  },
};

const CASES: readonly GoldenCase[] = [
  { record: "estimate key", name: "the only one", value: null, output: CLOCK_KEY },
  ...Object.entries(STATES).map(([name, state]) =>
    twoWays("estimate", name, state, encodeClock, (bytes: Uint8Array) => decodeClock(bytes)),
  ),
];

test.for(goldenPairs("time", CASES))("[FO3] $name", ({ written, committed, readAgain }) => {
  expect(written, FORMAT_CHANGED).toEqual(committed);
  expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
});
