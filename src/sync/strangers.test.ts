import { expect, test } from "vitest";
import type { Connection } from "../net/index.ts";
import { FakeClock } from "../testkit/index.ts";
import { STRANGER_MS_MAX } from "./limits.ts";
import { closeStranger, type StrangerDeps } from "./strangers.ts";

test("[SY36] who pulls from us is no stranger for as long as it does, though it shares no group", async () => {
  let doesPull = true;
  const { clock, why } = meet({ pulls: () => doesPull });
  await clock.advance(3 * STRANGER_MS_MAX);
  expect(why()).toBe(undefined);
  doesPull = false;
  await clock.advance(STRANGER_MS_MAX - 1);
  expect(why()).toBe(undefined);
  await clock.advance(1);
  expect(why()).toBe("shares nothing");
});

test("[SY36] who shares a group by then stays, whatever comes later", async () => {
  let sharesAny = true;
  const { clock, why } = meet({ sharesAny: () => sharesAny });
  await clock.advance(STRANGER_MS_MAX);
  sharesAny = false;
  await clock.advance(3 * STRANGER_MS_MAX);
  expect(why()).toBe(undefined);
});

/** Somebody connects. `why`: the connection was closed, if it was. */
function meet(known: Partial<StrangerDeps>): { clock: FakeClock; why: () => string | undefined } {
  const clock = new FakeClock(0);
  let reason: string | undefined;
  const closing = new AbortController();
  const connection = {
    closed: closing.signal,
    close: (why: string) => {
      reason = why;
      closing.abort();
      return Promise.resolve();
    },
  } as Partial<Connection> as Connection;
  const ending = new AbortController().signal;
  const deps = { clock, sharesAny: () => false, pulls: () => false, ending, ...known };
  void closeStranger(deps, connection);
  return { clock, why: () => reason };
}
