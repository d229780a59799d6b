import { expect, test } from "vitest";
import { type LogKey, type ScopeId, scopeKeyOf } from "../base/index.ts";
import { exchange, grant, makeDevice, makeDeviceIdentity, rowsOf } from "../testkit/device.ts";
import { forge } from "../testkit/sync-hostile.ts";
import type { PreparedPart } from "./index.ts";
import { STRANGER_LOGS_MAX } from "./limits.ts";

const DATABASE = "notes";

test("[HI32] devices that anybody makes up leave places for those who may do something", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  await using cyd = await makeDevice(3);
  for (const { history } of [ada, bea]) await history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  await grant(ada, scope, cyd.user, "writer");
  await exchange(ada, bea, [scope]);
  const before = bea.history.scope(scope)?.numbers.size ?? 0;
  const parts: PreparedPart[] = [];
  const vector = new Map<LogKey, number>();
  for (let i = 0; i < STRANGER_LOGS_MAX + 5; i++) {
    const identity = await makeDeviceIdentity(1000 + i);
    const { certified } = identity;
    const controls = [{ type: "device", certificate: certified.bytes, certified } as const];
    const { part, log } = await forge({ identity, scope, controls });
    parts.push(bea.history.prepare(part));
    vector.set(log, 1);
  }
  const { waiting } = await bea.history.receive(DATABASE, {
    from: ada.device,
    asked: new Set([scopeKeyOf(scope)]),
    parts,
    claims: [{ scope, vector }],
  });
  expect(waiting).toHaveLength(5);
  expect(bea.history.scope(scope)?.numbers.size).toBe(before + STRANGER_LOGS_MAX);
  // Who was granted something comes in all the same.
  await exchange(ada, cyd, [scope]);
  const list = (await cyd.db(DATABASE)).collection({ owner: ada.user, name: "list" });
  await list.put("mine", 1);
  await exchange(cyd, bea, [scope]);
  const there = (await bea.db(DATABASE)).collection({ owner: ada.user, name: "list" });
  expect(await rowsOf(there)).toEqual([["mine", 1]]);
});
