import { expect, test } from "vitest";
import type { LogKey, ScopeId } from "../base/index.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { DeltaMode } from "../wire/index.ts";
import { AUTHOR_GRACE_MS, OFFER_GRACE_MS, OFFERED_LOGS_MAX } from "./limits.ts";
import { Offers } from "./offers.ts";

const scope = { database: "notes", kind: "collection", owner: "ada", name: "list" } as ScopeId;
const log = (name: string | number): LogKey => `${name}/1` as LogKey;

/** Offers of one peer to a device that holds what is in `held`, whose author pulls from it if it is named `near`. */
function world() {
  const clock = new FakeClock();
  const stream = new AbortController();
  const held = new Map<LogKey, number>();
  const asked: number[] = [];
  const history = { scope: () => ({ generationOf: (of: LogKey) => held.get(of) ?? 0 }) as never };
  const crowd = {
    hasAuthor: (of: LogKey) => of === log("near"),
    mayAsk: () => true,
    answered: () => {},
  };
  const offers = new Offers({ history, clock }, crowd, (mode) => {
    expect(mode).toBe(DeltaMode.DATA);
    asked.push(clock.monotonic());
  });
  const note = (...logs: LogKey[]): void =>
    offers.note({ scope, vector: new Map(logs.map((of) => [of, 1])) }, stream.signal);
  return { clock, held, asked, note, end: () => stream.abort() };
}

test("[SY87] what does not come is asked for after a while, later where its author could bring it", async () => {
  const { clock, asked, note, end } = world();
  note(log("near"));
  await clock.advance(OFFER_GRACE_MS);
  expect(asked).toEqual([]);
  // Offered while the other is waited for, and due before it.
  note(log("far"));
  await clock.advance(2 * OFFER_GRACE_MS);
  expect(asked).toEqual([2 * OFFER_GRACE_MS]);
  await clock.advance(2 * AUTHOR_GRACE_MS);
  expect(asked.length).toBe(1);
  note(log("near"));
  await clock.advance(2 * AUTHOR_GRACE_MS);
  expect(asked.length).toBe(2);
  end();
});

test("[SY87] what comes meanwhile is not asked for", async () => {
  const { clock, held, asked, note, end } = world();
  note(log("far"));
  held.set(log("far"), 1);
  await clock.advance(AUTHOR_GRACE_MS);
  expect(asked).toEqual([]);
  expect(clock.sleeperCount).toBe(0);
  end();
});

test("[SY87] of a scope of which too much is offered all is asked for, once", async () => {
  const { clock, held, asked, note, end } = world();
  const logs = Array.from({ length: OFFERED_LOGS_MAX + 1 }, (_, i) => log(i));
  note(...logs);
  // All that was kept has come.
  for (const one of logs.slice(0, -1)) held.set(one, 1);
  await clock.advance(AUTHOR_GRACE_MS);
  expect(asked).toEqual([OFFER_GRACE_MS]);
  expect(clock.sleeperCount).toBe(0);
  end();
});
