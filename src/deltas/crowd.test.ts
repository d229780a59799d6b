import { expect, test } from "vitest";
import type { DeviceId, LogKey } from "../base/index.ts";
import { FakeClock, settle } from "../testkit/fake-clock.ts";
import { Crowds } from "./crowd.ts";
import {
  ASKED_MS_MAX,
  CROWD_DEVICES_MIN,
  GATHER_MS,
  HELD_BACK_MS,
  PACE_MS_A_DEVICE,
  PACE_MS_MAX,
  TELL_EVERY_MS,
} from "./limits.ts";
import { News } from "./news.ts";

const device = (name: string): DeviceId => name as DeviceId;
const PEERS = ["a", "b", "c", "d", "g", "h", "i", "j"].map(device);

function world() {
  const clock = new FakeClock();
  const ending = new AbortController();
  const crowd = new Crowds({ clock, ending: ending.signal }, device("f")).of("notes");
  return { clock, ending, crowd, stops: PEERS.map((peer) => crowd.serve(peer)) };
}

test("[SY86] a crowd has its devices, on however many streams they pull from us", () => {
  const { crowd, stops } = world();
  expect(PEERS.length).toBe(CROWD_DEVICES_MIN);
  expect(crowd.isCrowd).toBe(true);
  const pace = crowd.pace;
  // Of one device, however many streams it opens.
  const more = Array.from({ length: CROWD_DEVICES_MIN }, () => crowd.serve(device("b")));
  expect(crowd.pace).toBe(pace);
  expect(crowd.hasAuthor("a/1" as LogKey)).toBe(true);
  expect(crowd.hasAuthor("f/1" as LogKey)).toBe(false);
  stops[0]?.();
  expect(crowd.isCrowd).toBe(false);
  for (const stop of more) stop();
  expect(crowd.hasAuthor("b/1" as LogKey)).toBe(true);
  expect(crowd.hasAuthor("a/1" as LogKey)).toBe(false);
});

test("[SY86] they are told one after the other, from our own name on", async () => {
  const { clock, crowd } = world();
  const told: [number, string][] = [];
  for (const peer of ["a", "g", "b", "j"].map(device))
    crowd.tellLater(peer, () => told.push([clock.monotonic(), peer]));
  const gone = (): void => void told.push([0, "gone"]);
  crowd.tellLater(device("h"), gone);
  crowd.forget(device("h"), gone);
  await clock.advance(60_000);
  const at = (step: number): number => HELD_BACK_MS + step * TELL_EVERY_MS;
  expect(told).toEqual([
    [at(0), "g"],
    [at(1), "j"],
    [at(2), "a"],
    [at(3), "b"],
  ]);
  crowd.tellLater(device("a"), () => told.push([clock.monotonic(), "a"]));
  await clock.advance(HELD_BACK_MS);
  expect(told.at(-1)).toEqual([60_000 + HELD_BACK_MS, "a"]);
});

test("[SY87] one is asked at a time, until it has answered or taken too long", async () => {
  const { clock, crowd } = world();
  const [first, second] = [{}, {}];
  expect([crowd.mayAsk(first), crowd.mayAsk(second)]).toEqual([true, false]);
  crowd.answered(second);
  expect(crowd.mayAsk(second)).toBe(false);
  crowd.answered(first);
  expect([crowd.mayAsk(second), crowd.mayAsk(first)]).toEqual([true, false]);
  await clock.advance(ASKED_MS_MAX);
  expect(crowd.mayAsk(first)).toBe(true);
});

test("[SY88] news go out at once after a rest, and then together", async () => {
  const { clock, crowd, stops } = world();
  expect(crowd.pace).toBe(CROWD_DEVICES_MIN * PACE_MS_A_DEVICE);
  const news = new News({ clock, crowd });
  const looks: number[] = [];
  void (async () => {
    for (;;) {
      await news.wait();
      looks.push(clock.monotonic());
    }
  })();
  for (let i = 0; i < 10; i++) {
    news.note();
    await clock.advance(crowd.pace / 4);
  }
  await clock.advance(10_000);
  expect(looks).toEqual([0, crowd.pace, 2 * crowd.pace, 3 * crowd.pace]);
  // What was asked for does not wait.
  news.wake();
  await settle();
  expect(looks.length).toBe(5);
  for (let i = 0; i < 100; i++) crowd.serve(device(`more ${i}`));
  expect(crowd.pace).toBe(PACE_MS_MAX);
  for (const stop of stops) stop();
});

test("[SY89] what comes is written at once, or together a while after the last", async () => {
  const { clock, ending, crowd, stops } = world();
  const written: number[] = [];
  const take = (): void => void crowd.gathered().then(() => written.push(clock.monotonic()));
  take();
  await clock.advance(1);
  take();
  await clock.advance(100);
  take();
  await clock.advance(10 * GATHER_MS);
  expect(written).toEqual([0, GATHER_MS, GATHER_MS]);
  take();
  take();
  await settle();
  expect(written.length).toBe(4);
  // Nobody waits longer than sync is open.
  ending.abort();
  await settle();
  expect(written.length).toBe(5);
  stops[0]?.();
  take();
  take();
  await settle();
  expect(written.length).toBe(7);
});

test("[SY87] who offers again and never answers keeps nobody from being asked", async () => {
  const { clock, crowd } = world();
  const [silent, other] = [{}, {}];
  expect(crowd.mayAsk(silent)).toBe(true);
  for (let ms = 500; ms < ASKED_MS_MAX; ms += 500) {
    await clock.advance(500);
    expect([silent, other].map((one) => crowd.mayAsk(one))).toEqual([false, false]);
  }
  await clock.advance(500);
  expect([silent, other].map((one) => crowd.mayAsk(one))).toEqual([false, true]);
  crowd.answered(other);
  crowd.answered(silent);
  expect(crowd.mayAsk(silent)).toBe(true);
});
