import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AssertionError } from "./assert.ts";
import { HybridClock, timestampMillis, timestampOf } from "./hlc.ts";
import { CLOCK_AHEAD_MS_MAX } from "./limits.ts";
import type { Clock } from "./ports.ts";

/** A wall clock that says what it is told to. */
class WallClock implements Clock {
  reading = Date.UTC(2026, 0, 1);

  now(): number {
    return this.reading;
  }

  monotonic(): number {
    return 0;
  }

  sleep(): Promise<void> {
    throw new Error("nobody sleeps here");
  }
}

const MILLIS_MAX = 2 ** 48 - 1;
const anyReading = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_000_100 }),
  fc.integer({ min: 0, max: 2 ** 47 }),
  fc.constantFrom(0, -1, Number.NaN, Infinity, -Infinity, 2 ** 48, 1e300, 1_700_000_000_000.5),
);
const anyStep = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), reading: anyReading }),
  fc.record({ kind: fc.constant("next" as const) }),
  fc.record({
    kind: fc.constant("observe" as const),
    remote: fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.integer({ min: 1_699_999_999_000, max: 1_700_000_400_000 }).map(timestampOf),
    ),
  }),
);

describe("the hybrid clock", () => {
  test("[BA7] gives timestamps that only grow, whatever the wall clock says and peers send", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 100 }), (steps) => {
        const wall = new WallClock();
        const clock = new HybridClock({ clock: wall }, 0n);
        let before = -1n;
        for (const step of steps) {
          if (step.kind === "set") wall.reading = step.reading;
          else if (step.kind === "observe") {
            const { last } = clock;
            const verdict = clock.observe(step.remote);
            if (verdict === "advanced") {
              expect(clock.last).toBe(step.remote);
              expect(step.remote > last).toBe(true);
            } else expect(clock.last).toBe(last);
            if (verdict === "behind") expect(step.remote <= last).toBe(true);
          } else {
            const { last } = clock;
            const next = clock.next();
            expect(next > before && next > last && next < 2n ** 64n).toBe(true);
            expect(clock.last).toBe(next);
            before = next;
          }
        }
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  test("[BA7] follows the wall clock, and counts while that stands still", () => {
    const wall = new WallClock();
    const clock = new HybridClock({ clock: wall }, 0n);
    const start = timestampOf(wall.reading);
    expect([clock.next(), clock.next(), clock.next()]).toEqual([start, start + 1n, start + 2n]);
    wall.reading += 0.9;
    expect(clock.next()).toBe(start + 3n);
    wall.reading += 0.1;
    expect(clock.next()).toBe(timestampOf(wall.reading));
    expect(timestampMillis(clock.last)).toBe(Math.floor(wall.reading));
  });

  test("[BA7] carries a full counter into the milliseconds", () => {
    const wall = new WallClock();
    const full = timestampOf(wall.reading) + 0xffffn;
    const clock = new HybridClock({ clock: wall }, full);
    expect(clock.next()).toBe(timestampOf(wall.reading + 1));
  });

  test("[BA8] goes on when the wall clock jumps back by years, and follows when it jumps ahead", () => {
    const wall = new WallClock();
    const clock = new HybridClock({ clock: wall }, 0n);
    const first = clock.next();
    wall.reading = Date.UTC(1999, 0, 1);
    expect(clock.next()).toBe(first + 1n);
    wall.reading = Date.UTC(2050, 0, 1);
    expect(clock.next()).toBe(timestampOf(Date.UTC(2050, 0, 1)));
  });

  test("[BA8] does not heed a wall clock that says what no timestamp holds", () => {
    const wall = new WallClock();
    const clock = new HybridClock({ clock: wall }, 100n);
    for (const reading of [Number.NaN, Infinity, -Infinity, -1, 2 ** 48, 1e300]) {
      wall.reading = reading;
      const { last } = clock;
      expect(clock.next()).toBe(last + 1n);
      expect(clock.observe(timestampOf(CLOCK_AHEAD_MS_MAX + 1))).toBe("tooFarAhead");
    }
    wall.reading = MILLIS_MAX;
    expect(timestampMillis(clock.next())).toBe(MILLIS_MAX);
  });

  test("[BA9] follows a peer up to five minutes ahead of the wall clock, and no farther", () => {
    const wall = new WallClock();
    const clock = new HybridClock({ clock: wall }, 0n);
    const most = timestampOf(wall.reading + CLOCK_AHEAD_MS_MAX) + 0xffffn;
    expect(clock.observe(most + 1n)).toBe("tooFarAhead");
    expect(clock.last).toBe(0n);
    expect(clock.observe(2n ** 64n - 1n)).toBe("tooFarAhead");
    expect(clock.observe(most)).toBe("advanced");
    expect(clock.next()).toBe(most + 1n);
    expect(clock.observe(most)).toBe("behind");
    expect(clock.observe(0n)).toBe("behind");
    expect(CLOCK_AHEAD_MS_MAX).toBe(5 * 60 * 1000);
  });

  test("[BA9] gives a write made after one received a later timestamp", () => {
    const [ours, theirs] = [new WallClock(), new WallClock()];
    theirs.reading += 60_000;
    const [a, b] = [new HybridClock({ clock: ours }, 0n), new HybridClock({ clock: theirs }, 0n)];
    const received = b.next();
    a.observe(received);
    expect(a.next() > received).toBe(true);
  });

  test("[BA7] begins after what was persisted, and knows no timestamps of other sizes", () => {
    const wall = new WallClock();
    const persisted = timestampOf(wall.reading + 1000);
    const clock = new HybridClock({ clock: wall }, persisted);
    expect(clock.last).toBe(persisted);
    expect(clock.next()).toBe(persisted + 1n);
    for (const bad of [-1n, 2n ** 64n]) {
      expect(() => new HybridClock({ clock: wall }, bad)).toThrow(AssertionError);
    }
    expect(() => clock.observe(2n ** 64n)).toThrow(AssertionError);
    expect(() => new HybridClock({ clock: wall }, 2n ** 64n - 1n).next()).toThrow(AssertionError);
    for (const bad of [-1, 2 ** 48, Number.NaN]) expect(() => timestampOf(bad)).toThrow(RangeError);
    expect(timestampOf(MILLIS_MAX)).toBe((2n ** 48n - 1n) << 16n);
  });
});
