import { expect, test } from "vitest";
import { type ScopeId, scopeKeyOf } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { create, type ScopeSum, ScopeSumSchema, scopeToWire, vectorToWire } from "../wire/index.ts";
import { Reconciliations, Sums } from "./sums.ts";

const crypto = nodeCrypto();

async function opened() {
  const ada = await makeDevice(1);
  await ada.history.createDatabase("notes");
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  const { user } = await makeDevice(2);
  await grant(ada, scope, user, "reader");
  const told: string[] = [];
  const reconciliations = new Reconciliations(new FakeClock());
  const logger = (_: string, event: string): void => void told.push(event);
  const deps = { history: ada.history, crypto, logger, reconciliations };
  return { ada, scope, key: scopeKeyOf(scope), told, deps, sums: new Sums(deps, ada.device) };
}

/** What a peer says that holds what we do, but for these. */
function sumOf({ history }: TestDevice, scope: ScopeId, other: Partial<ScopeSum>): ScopeSum {
  const state = history.scope(scope) ?? expect.unreachable();
  return create(ScopeSumSchema, {
    scope: scopeToWire(scope),
    vector: vectorToWire(state.vector()),
    headSum: state.sum.toBytes(),
    controlSum: state.access.controlSum(crypto),
    ...other,
  });
}

test("[SY116] control ops have come with the round that asked for them, not with one that it replaced", async () => {
  const { ada, scope, key, deps, sums } = await opened();
  const sum = sumOf(ada, scope, { controlSum: new Uint8Array(32).fill(1) });
  const takes = async (at: Sums, round: number): Promise<boolean> =>
    (await at.take(sum, round, () => true)).isToAsk;
  for (const round of [1, 2]) expect(sums.ask(key, round)).toBe(false);
  expect(await takes(sums, 1)).toBe(true);
  expect(sums.ask(key, 3)).toBe(true);
  expect(await takes(sums, 2)).toBe(false);
  // The stream ends: nothing has come.
  const next = new Sums(deps, ada.device);
  expect(await takes(next, 1)).toBe(true);
  expect(next.ask(key, 2)).toBe(true);
  expect(await takes(next, 2)).toBe(false);
  expect(await takes(new Sums(deps, ada.device), 1)).toBe(false);
  await ada.close();
});

test("[SY116] a scope is asked for from scratch until the round that did so has ended, and nothing of whoever is told nothing", async () => {
  const { ada, scope, key, told, sums } = await opened();
  const sum = sumOf(ada, scope, { headSum: new Uint8Array(32).fill(1) });
  expect((await sums.take(sum, 1, () => false)).isToAsk).toBe(false);
  expect((await sums.take(sum, 1, () => true)).isToAsk).toBe(true);
  sums.ask(key, 3);
  expect((await sums.take(sum, 2, () => true)).isToAsk).toBe(false);
  expect([...sums.reconciling.keys()]).toEqual([key]);
  expect((await sums.take(sum, 3, () => true)).isToAsk).toBe(false);
  expect(sums.reconciling.size).toBe(0);
  expect(told).toEqual(["sync.sums.differ", "sync.sums.differ"]);
  await ada.close();
});
