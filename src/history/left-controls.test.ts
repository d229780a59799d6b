/** Control ops whose part is left with its sender: what it follows on is not here. */

import { expect, test } from "vitest";
import type { VerifiedOp } from "../access/index.ts";
import { type ScopeId, toHex, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { openMemoryStore } from "../store/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { type PreparedPart, ROW_SPACE } from "./index.ts";

const crypto = nodeCrypto();
const POLICY: VerifiedOp = { type: "policy", prefix: "", policy: "keepAll" };

const say = (by: TestDevice, scope: ScopeId, ...controls: VerifiedOp[]): Promise<unknown> =>
  by.history.write({ parts: [{ scope, rows: [], controls }] });

const put = (by: TestDevice, scope: ScopeId, text: string): Promise<unknown> => {
  const name = { space: ROW_SPACE.rows, key: utf8(text), text };
  return by.history.write({
    parts: [{ scope, rows: [{ name, value: Uint8Array.of(0x61, 0x61) }] }],
  });
};

function held({ history }: TestDevice, id: ScopeId): unknown {
  const scope = history.scope(id);
  if (scope === undefined) return undefined;
  const vector = [...scope.vector()].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [vector, toHex(scope.sum.toBytes()), toHex(scope.access.controlSum(crypto))];
}

/** Gives `to` all that `from` holds of its own log, but for the generations `without`. */
async function give(
  from: TestDevice,
  to: TestDevice,
  id: ScopeId,
  without: readonly number[],
): Promise<unknown> {
  const scope = from.history.scope(id);
  if (scope === undefined) throw new Error("Nothing to give");
  const parts: PreparedPart[] = [];
  for await (const { part, generation } of from.history.partsAbove([
    { scope, vector: new Map() },
  ])) {
    const prepared = to.history.prepare(part);
    if (prepared.author === from.device && !without.includes(generation)) parts.push(prepared);
  }
  const asked = new Set([scope.key]);
  const claims = [{ scope: id, vector: scope.vector() }];
  return to.history.receive(id.database, { from: from.device, asked, parts, claims });
}

test("[HI43] [HI71] are handed on, and those that build on them stand everywhere", async () => {
  const store = await openMemoryStore();
  const before = await makeDevice(1, { store });
  await using bea = await makeDevice(2);
  await using cai = await makeDevice(3);
  const scope: ScopeId = {
    database: "notes",
    kind: "collection",
    owner: before.user,
    name: "list",
  };
  for (const { history } of [before, bea, cai]) await history.createDatabase("notes");
  await grant(before, scope, bea.user, "admin");
  await grant(before, scope, cai.user, "writer");
  await exchange(before, bea, [scope]);
  await exchange(before, cai, [scope]);
  await put(bea, scope, "a");
  await put(bea, scope, "b");
  await say(bea, scope, POLICY);
  // Bea keeps a commit back from Ada: what follows it waits, its control ops do not.
  expect(await give(bea, before, scope, [2])).toMatchObject({ waiting: [{ generation: 3 }] });
  expect(before.history.scope(scope)?.access.policies.get("")).toBe("keepAll");
  await before.close();
  await using ada = await makeDevice(1, { store });
  await grant(ada, scope, (await makeDevice(4)).user, "reader");

  // Cai hears nothing of Bea.
  await exchange(ada, cai, [scope]);
  expect(held(cai, scope)).toEqual(held(ada, scope));
  expect(cai.history.scope(scope)?.access.policies.get("")).toBe("keepAll");
  await exchange(bea, cai, [scope]);
  await exchange(cai, ada, [scope]);
  await exchange(ada, bea, [scope]);
  expect(ada.history.scope(scope)?.aside.isEmpty).toBe(true);
  expect(held(ada, scope)).toEqual(held(bea, scope));
  expect(held(cai, scope)).toEqual(held(bea, scope));
  await store.close();
});

test("[HI41] who vouches for the control ops of a part aside takes none of its rows away", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  await using cai = await makeDevice(3);
  await using dan = await makeDevice(4);
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  for (const { history } of [ada, bea, cai, dan]) await history.createDatabase("notes");
  for (const { user } of [bea, cai, dan]) await grant(ada, scope, user, "admin");
  for (const to of [bea, cai, dan]) await exchange(ada, to, [scope]);
  await say(ada, scope, { type: "revoke", user: bea.user, freeze: new Map() });
  await exchange(ada, cai, [scope]);
  const name = { space: ROW_SPACE.rows, key: utf8("a"), text: "a" };
  const rows = [{ name, value: Uint8Array.of(0x61, 0x61) }];
  await bea.history.write({ parts: [{ scope, rows, controls: [POLICY] }] });
  const asideAt = ({ history }: TestDevice): unknown[] =>
    [...(history.scope(scope)?.aside.logs() ?? [])].flatMap(([, log]) =>
      Array.from(log.entries(), ([, { isLoose, isVouched }]) => ({ isLoose, isVouched })),
    );
  await give(bea, cai, scope, []);
  // Her introduction, and what she wrote.
  expect(asideAt(cai)).toEqual(Array(2).fill({ isLoose: false, isVouched: false }));
  await exchange(bea, dan, [scope]);
  await exchange(dan, ada, [scope]);
  await exchange(ada, cai, [scope]);
  expect(asideAt(cai)).toEqual(Array(2).fill({ isLoose: false, isVouched: true }));
  expect(held(cai, scope)).toEqual(held(ada, scope));
});
