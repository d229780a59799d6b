import { expect, test } from "vitest";
import { type ScopeId, scopeKeyOf } from "../base/index.ts";
import { makeDevice } from "../testkit/device.ts";
import { forge } from "../testkit/sync-hostile.ts";
import type { PreparedPart } from "./index.ts";

const DATABASE = "notes";
/** With a look at each of the rest for each, four million looks. */
const COUNT = 2000;

test("[HI43] control ops that come in the order that is worst all go in, each looked at when its parent is there", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  await bea.history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  const { certified } = ada.identity;
  const controls = [{ type: "device", certificate: certified.bytes, certified } as const];
  const parts: PreparedPart[] = [];
  let looks = 0;
  for (let i = 0; i < COUNT; i++) {
    const heads = parts.at(-1)?.controls.map(({ id }) => id) ?? [];
    const { part } = await forge({ identity: ada.identity, scope, controls, heads });
    const prepared = bea.history.prepare(part);
    const controlHeads = prepared.controlHeads;
    parts.push({
      ...prepared,
      get controlHeads() {
        looks += 1;
        return controlHeads;
      },
    });
  }
  await bea.history.receive(DATABASE, {
    from: ada.device,
    asked: new Set([scopeKeyOf(scope)]),
    parts: [],
    loose: parts.toReversed(),
    claims: [],
  });
  expect(bea.history.scope(scope)?.control.size).toBe(COUNT);
  expect(looks).toBeLessThan(20 * COUNT);
});
