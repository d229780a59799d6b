/** A device that signs other commits for what it wrote, one after another. */

import { expect, test } from "vitest";
import { FORKS_LOG_MAX, tagsOfRole } from "../access/index.ts";
import { encodeValue, type ScopeId, scopeKeyOf } from "../base/index.ts";
import { exchange, makeDevice, type TestDevice } from "../testkit/device.ts";
import { forge, freshLog } from "../testkit/sync-hostile.ts";
import type { CommitPart } from "./index.ts";

const GENERATIONS = 40;

test("[HI46] [AC50] forks from the end downwards are proven a few times, not once a generation, and the others agree", async () => {
  await using ada = await makeDevice(1);
  await using ben = await makeDevice(2);
  await using fay = await makeDevice(3);
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  for (const { history } of [ada, ben]) await history.createDatabase("notes");
  const tags = tagsOfRole("writer", "collection");
  const device = {
    type: "device",
    certificate: fay.identity.certified.bytes,
    certified: fay.identity.certified,
  } as const;
  const grants = [ben, fay].map(({ user }) => ({ type: "grant", user, tags }) as const);
  await ada.history.write({ parts: [{ scope, rows: [], controls: [...grants, device] }] });
  await exchange(ada, ben, [scope]);
  const log = freshLog(fay.device);
  const heads = ada.history.scope(scope)?.access.heads ?? [];
  const make = async (generation: number, text: string): Promise<CommitPart> => {
    const rows = [{ key: `row ${generation}`, value: encodeValue(text) }];
    const previousGeneration = generation - 1;
    const forged = {
      identity: fay.identity,
      scope,
      log,
      heads,
      rows,
      generation,
      previousGeneration,
    };
    return (await forge(forged)).part;
  };
  const give = (to: TestDevice, parts: readonly CommitPart[]): Promise<unknown> =>
    to.history.receive("notes", {
      from: fay.device,
      asked: new Set([scopeKeyOf(scope)]),
      parts: parts.map((part) => to.history.prepare(part)),
      claims: [{ scope, vector: new Map([[log, GENERATIONS]]) }],
    });
  const told: CommitPart[] = [];
  for (let generation = 1; generation <= GENERATIONS; generation++)
    told.push(await make(generation, "first"));
  for (const to of [ada, ben]) await give(to, told);
  expect(ben.history.scope(scope)?.vector().get(log)).toBe(GENERATIONS);
  for (let generation = GENERATIONS; generation > 0; generation--) {
    const other = await make(generation, "second");
    for (const to of [ada, ben]) await give(to, [other]);
  }
  for (const { history } of [ada, ben]) {
    const state = history.scope(scope) ?? expect.unreachable();
    expect(state.vector().has(log)).toBe(false);
    expect(state.access.frozenAt(log)).toBe(0);
  }
  const before = ada.history.scope(scope)?.control.size ?? 0;
  // What was granted and introduced, each one's own introduction and proofs.
  expect(before).toBeLessThanOrEqual(3 + 1 + FORKS_LOG_MAX + 1);
  for (const [from, to] of [
    [ada, ben],
    [ben, ada],
    [ada, ben],
  ] as const)
    await exchange(from, to, [scope]);
  const sums = [ada, ben].map(({ history }) => history.scope(scope)?.access.heads);
  expect(sums[0]).toEqual(sums[1]);
});
