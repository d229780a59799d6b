import { expect, test } from "vitest";

import { FakeClock } from "../testkit/index.ts";
import { LIVE_PER_PEER_MAX, LIVE_TURN_MS } from "./limits.ts";
import { WaitingPlaces, type WaitingPlace } from "./pace.ts";

test("[PS33] so many requests wait at a peer; where there are more, the one that waited longest makes room", async () => {
  const clock = new FakeClock();
  const places = new WaitingPlaces(clock);
  const { signal } = new AbortController();
  const held: WaitingPlace[] = [];
  for (let i = 0; i < LIVE_PER_PEER_MAX; i++) held.push(await places.take(signal));
  await clock.advance(10 * LIVE_TURN_MS);
  // Without need nobody gives one up.
  expect(held.filter(({ turn }) => turn.aborted)).toEqual([]);

  const got: string[] = [];
  const leaving = new AbortController();
  const gone = places.take(leaving.signal).catch(() => got.push("gone"));
  const next = places.take(signal).then((place) => {
    got.push("next");
    return place;
  });
  await clock.advance(1);
  expect(held.map(({ turn }) => turn.aborted)).toEqual(held.map((_, i) => i === 0));
  leaving.abort(new Error("enough"));
  await gone;
  held[0]?.free();
  const place = await next;
  expect(got).toEqual(["gone", "next"]);

  // Who came last has its turn too, whoever waits then.
  const last = places.take(signal);
  await clock.advance(1);
  expect([held[1]?.turn.aborted, place.turn.aborted]).toEqual([true, false]);
  held[1]?.free();
  await last;
  await clock.advance(10 * LIVE_TURN_MS);
  expect(held.slice(2).filter(({ turn }) => turn.aborted)).toEqual([]);
});
