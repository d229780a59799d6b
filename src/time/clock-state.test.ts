import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CLOCK_AHEAD_MS_MAX } from "../base/index.ts";
import {
  afterNtp,
  afterPeer,
  afterStep,
  type ClockState,
  initialState,
  judgePeer,
  type PeerSample,
} from "./clock-state.ts";
import { HOPS_MAX } from "./limits.ts";

const NOW = Date.UTC(2026, 0, 1);
const HEARD: ClockState = { ...initialState(NOW), lastNtp: NOW - 1000 };

function sampleOf(fields: Partial<PeerSample> = {}): PeerSample {
  return {
    offsetMs: 30_000,
    roundTripMs: 20,
    sent: NOW,
    lastNtp: NOW - 500,
    hops: 0,
    reboots: 0,
    ...fields,
  };
}

describe("NTP", () => {
  test("[TI6] a small difference keeps the offset and says that NTP was heard; a larger one replaces it, backwards too", () => {
    const before: ClockState = { ...HEARD, offset: 5000, anchor: 0, hops: 2, reboots: 3 };
    for (const [measured, offset] of [
      [7000, 5000],
      [3000, 5000],
      [7001, 7001],
      [2999, 2999],
      [-86_400_000.4, -86_400_000],
    ] as const) {
      const after = afterNtp(before, measured, NOW + 0.7);
      expect(after).toEqual({
        ...before,
        offset,
        anchor: offset,
        lastNtp: NOW,
        hops: 0,
        reboots: 0,
      });
    }
  });
});

describe("peers", () => {
  test.for([
    ["a peer that has heard NTP leads one that has not", initialState(NOW), {}, "followed"],
    ["a later NTP leads", HEARD, {}, "followed"],
    ["an equally old one leads", HEARD, { lastNtp: NOW - 1000 }, "followed"],
    ["an older one does not", HEARD, { lastNtp: NOW - 1001 }, "older"],
    ["nobody who has heard none leads", HEARD, { lastNtp: undefined }, "noNtp"],
    ["a small difference changes nothing", HEARD, { offsetMs: -1999.5 }, "small"],
    ["two seconds do", HEARD, { offsetMs: -2000 }, "followed"],
    [
      "a restarted peer leads by a minute",
      HEARD,
      { reboots: 1, offsetMs: 60_000, lastNtp: NOW },
      "followed",
    ],
    ["and no further", HEARD, { reboots: 1, offsetMs: 60_001 }, "rebooted"],
    ["one peer between", HEARD, { hops: HOPS_MAX - 1 }, "followed"],
    ["too many between", HEARD, { hops: HOPS_MAX }, "far"],
  ] as const)("[TI7] %s", ([, state, fields, verdict]) => {
    expect(judgePeer(state, sampleOf(fields))).toBe(verdict);
  });

  test("[TI7] what is followed brings its NTP time and restarts, and one hop more", () => {
    const state = { ...HEARD, offset: 100 };
    expect(afterPeer(state, sampleOf({ hops: 1, reboots: 2 }), false)).toEqual({
      ...state,
      offset: 30_100,
      lastNtp: NOW - 500,
      hops: 2,
      reboots: 2,
    });
  });

  test.for([
    ["NTP that was heard after its own time", { lastNtp: NOW + 3000 }],
    ["an answer that took too long", { roundTripMs: 4001 }],
    ["no round trip", { roundTripMs: Number.NaN }],
  ] as const)("[TI8] %s is not believed", ([, fields]) => {
    expect(judgePeer(HEARD, sampleOf(fields))).toBe("implausible");
  });

  test("[TI9] whatever one user's peers say, and however often, they lead no further than the bound", () => {
    const word = fc.record({
      offsetMs: fc.double({ min: -1e15, max: 1e15, noNaN: true }),
      roundTripMs: fc.double({ min: 0, max: 5000, noNaN: true }),
      sent: fc.integer({ min: 0, max: 2 ** 50 }),
      lastNtp: fc.option(fc.integer({ min: 0, max: 2 ** 50 }), { nil: undefined }),
      hops: fc.nat(5),
      reboots: fc.nat(5),
      step: fc.option(fc.integer({ min: -1e12, max: 1e12 })),
    });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 50 }), (words) => {
        let state: ClockState = { ...HEARD, offset: 1234, anchor: 1234 };
        let moved = 0;
        for (const { step, ...sample } of words) {
          if (step !== null) {
            state = afterStep(state, step);
            moved += step;
          }
          if (judgePeer(state, sample) === "followed")
            state = afterPeer(state, sample, false) ?? state;
          expect(Math.abs(state.offset + moved - 1234)).toBeLessThanOrEqual(CLOCK_AHEAD_MS_MAX);
        }
      }),
    );
  });
});
