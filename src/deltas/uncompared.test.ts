import { expect, test } from "vitest";
import { CALLED_OFF } from "../base/index.ts";
import { FakeClock } from "../testkit/index.ts";
import { DeltaMode } from "../wire/index.ts";
import { COMPARE_AGAIN_MS, COMPARED_AGAIN_MAX } from "./limits.ts";
import { Uncompared } from "./uncompared.ts";

test("[SY114] what has not ended alike is asked for again, ever later, so many times a stream", async () => {
  const clock = new FakeClock();
  const stream = new AbortController();
  const asked: number[] = [];
  const uncompared = new Uncompared(clock, { isCrowd: false }, (mode) => {
    expect(mode).toBe(DeltaMode.DATA);
    asked.push(clock.monotonic());
    uncompared.note(mode, false, stream.signal);
  });
  uncompared.note(DeltaMode.SYNCGROUPS, true, stream.signal);
  expect(clock.sleeperCount).toBe(0);
  uncompared.note(DeltaMode.DATA, false, stream.signal);
  await clock.advance(COMPARE_AGAIN_MS * 2 ** (COMPARED_AGAIN_MAX + 1));
  const waits = asked.map((at, i) => at - (asked[i - 1] ?? 0));
  expect(waits).toEqual(waits.map((_, i) => COMPARE_AGAIN_MS * 2 ** i));
  expect(asked).toHaveLength(COMPARED_AGAIN_MAX);
});

test("[SY115] rows left out of what is written are asked about however often, and never oftener than after the last wait", async () => {
  const clock = new FakeClock();
  const stream = new AbortController();
  const asked: number[] = [];
  const uncompared = new Uncompared(clock, { isCrowd: false }, () => {
    asked.push(clock.monotonic());
    uncompared.note(DeltaMode.DATA, true, stream.signal);
    uncompared.notePartial([DeltaMode.DATA], stream.signal);
  });
  uncompared.notePartial([], stream.signal);
  expect(clock.sleeperCount).toBe(0);
  uncompared.notePartial([DeltaMode.DATA], stream.signal);
  await clock.advance(COMPARE_AGAIN_MS * 2 ** (COMPARED_AGAIN_MAX + 2));
  const waits = asked.map((at, i) => at - (asked[i - 1] ?? 0));
  expect(waits.length).toBeGreaterThan(COMPARED_AGAIN_MAX + 1);
  expect(waits).toEqual(
    waits.map((_, i) => COMPARE_AGAIN_MS * 2 ** Math.min(i, COMPARED_AGAIN_MAX)),
  );
  stream.abort(CALLED_OFF);
});

test("[SY114] what has ended alike meanwhile is not asked for, nor anything once the stream has ended", async () => {
  const clock = new FakeClock();
  const stream = new AbortController();
  const asked: DeltaMode[] = [];
  const uncompared = new Uncompared(clock, { isCrowd: false }, (mode) => asked.push(mode));
  uncompared.note(DeltaMode.DATA, false, stream.signal);
  uncompared.note(DeltaMode.DATA, true, stream.signal);
  await clock.advance(COMPARE_AGAIN_MS);
  expect(asked).toEqual([]);
  uncompared.note(DeltaMode.DATA, false, stream.signal);
  stream.abort(CALLED_OFF);
  await clock.advance(COMPARE_AGAIN_MS);
  expect(asked).toEqual([]);
  expect(clock.sleeperCount).toBe(0);
});

test("[SY114] in a crowd nothing is asked for again while something is written", async () => {
  const clock = new FakeClock();
  const stream = new AbortController();
  const asked: DeltaMode[] = [];
  const uncompared = new Uncompared(clock, { isCrowd: true }, (mode) => asked.push(mode));
  uncompared.note(DeltaMode.DATA, false, stream.signal);
  for (let i = 0; i < 3; i++) {
    uncompared.noteWritten();
    await clock.advance(COMPARE_AGAIN_MS);
  }
  expect(asked).toEqual([]);
  await clock.advance(COMPARE_AGAIN_MS);
  expect(asked).toEqual([DeltaMode.DATA]);
  stream.abort(CALLED_OFF);
});
