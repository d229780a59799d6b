import { expect, test } from "vitest";
import type { Clock, LogKey, ScopeId } from "../base/index.ts";
import { grant, makeDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/index.ts";
import { DeltaMode } from "../wire/index.ts";
import { controlHeads } from "./intake.ts";
import { ASK_AGAIN_MS, ASKED_AGAIN_AT_ONCE } from "./limits.ts";
import { WaitingLogs } from "./waiting-logs.ts";

test("[SY110] what makes the control log grow with each answer is asked for again with pauses, and for all that is due", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  const { history } = ada;
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  await history.createDatabase("notes");
  const fake = new FakeClock();
  const slept: number[] = [];
  const clock: Clock = {
    now: () => fake.now(),
    monotonic: () => fake.monotonic(),
    sleep: (ms, signal) => {
      slept.push(ms);
      return fake.sleep(ms, signal);
    },
  };
  const stream = new AbortController();
  let asked = 0;
  const ask = (): void => {
    for (const mode of waiting.due(stream.signal)) {
      expect(mode).toBe(DeltaMode.DATA);
      asked += 1;
    }
  };
  const waiting = new WaitingLogs({ history, clock }, ask);
  let answers = 0;
  /** An answer of which something waits, and which has made the control log grow. */
  const answer = async (): Promise<void> => {
    answers += 1;
    waiting.add(scope, `log ${answers}` as LogKey, controlHeads(history, scope));
    await grant(ada, scope, bea.user, answers % 2 === 0 ? "reader" : "writer");
    ask();
  };
  // A clock with parts of milliseconds: what is left of a pause may round to nothing.
  await fake.advance(0.3);
  for (let i = 0; i < 2 * ASKED_AGAIN_AT_ONCE; i++) await answer();
  expect([asked, fake.sleeperCount]).toEqual([ASKED_AGAIN_AT_ONCE, 1]);
  // One request is enough for all of them.
  await fake.advance(ASK_AGAIN_MS - 0.1);
  await fake.advance(0.1);
  expect([asked, waiting.size]).toEqual([ASKED_AGAIN_AT_ONCE + 1, 0]);
  await answer();
  expect(asked).toBe(ASKED_AGAIN_AT_ONCE + 1);
  stream.abort();
  await fake.advance(10 * ASK_AGAIN_MS);
  expect([asked, fake.sleeperCount]).toEqual([ASKED_AGAIN_AT_ONCE + 1, 0]);
  expect(slept.every((ms) => Number.isInteger(ms) && ms > 0)).toBe(true);
});
