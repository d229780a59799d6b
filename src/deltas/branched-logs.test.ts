import { expect, test } from "vitest";
import type { LogKey, ScopeKey } from "../base/index.ts";
import { BranchedLogs } from "./branched-logs.ts";
import { BRANCH_ASKED_MAX, BRANCHED_LOGS_MAX } from "./limits.ts";

test("[SY95] a log is asked for from its beginning so many times, and so many logs on one stream", () => {
  const branched = new BranchedLogs({ scopes: () => [] } as never);
  const scope = "scope" as ScopeKey;
  const log = (i: number): LogKey => `log ${i}` as LogKey;
  for (let i = 0; i < BRANCHED_LOGS_MAX; i++) expect(branched.add(scope, log(i))).toBe(true);
  expect(branched.add(scope, log(BRANCHED_LOGS_MAX))).toBe(false);
  expect(branched.isFromStart(scope, log(BRANCHED_LOGS_MAX))).toBe(false);
  // Those that it knows are not refused for it.
  for (let i = 1; i < BRANCH_ASKED_MAX; i++) expect(branched.add(scope, log(0))).toBe(true);
  expect(branched.add(scope, log(0))).toBe(false);
  expect(
    branched.lessen(
      scope,
      new Map([
        [log(1), 5],
        [log(BRANCHED_LOGS_MAX), 6],
      ]),
    ),
  ).toEqual(new Map([[log(BRANCHED_LOGS_MAX), 6]]));
  branched.end([scope]);
  expect(branched.isFromStart(scope, log(1))).toBe(false);
});
