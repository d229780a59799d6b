/** One user with many devices, in a scope that others use too. */

import { expect, test } from "vitest";
import { type LogKey, type ScopeId, scopeKeyOf, utf8 } from "../base/index.ts";
import {
  exchange,
  grant,
  makeDevice,
  makeDeviceIdentity,
  type TestDevice,
} from "../testkit/device.ts";
import { forge } from "../testkit/sync-hostile.ts";
import { type PreparedPart, type Receipt, ROW_SPACE } from "./index.ts";
import { USER_LOGS_MAX } from "./limits.ts";

const DATABASE = "notes";
const OVER = 3;

test("[HI82] one user's devices leave places for others, and what somebody has seen of them beyond keeps nothing back", async () => {
  await using ada = await makeDevice(1);
  await using ben = await makeDevice(2);
  await using cai = await makeDevice(3);
  const mallory = 4;
  for (const { history } of [ada, ben, cai]) await history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  for (const { user } of [ben, cai, await makeDevice(mallory)])
    await grant(ada, scope, user, "writer");
  for (const to of [ben, cai]) await exchange(ada, to, [scope]);
  const heads = ada.history.scope(scope)?.access.heads ?? [];
  const made: Awaited<ReturnType<typeof forge>>[] = [];
  for (let i = 0; i < USER_LOGS_MAX + OVER; i++) {
    const identity = await makeDeviceIdentity(1000 + i, mallory);
    const { certified } = identity;
    const controls = [{ type: "device", certificate: certified.bytes, certified } as const];
    const rows = [{ key: `row ${i}`, value: Uint8Array.of(1) }];
    made.push(await forge({ identity, scope, heads, controls, rows }));
  }
  const give = async (to: TestDevice, some: typeof made): Promise<Receipt> => {
    const parts: PreparedPart[] = some.map(({ part }) => to.history.prepare(part));
    const vector = new Map<LogKey, number>(some.map(({ log }) => [log, 1]));
    const asked = new Set([scopeKeyOf(scope)]);
    return to.history.receive(DATABASE, {
      from: ada.device,
      asked,
      parts,
      claims: [{ scope, vector }],
    });
  };
  // Each of the two is told of others first.
  expect((await give(ben, made)).waiting).toHaveLength(OVER);
  expect((await give(cai, made.toReversed())).waiting).toHaveLength(OVER);
  // Ben writes over what Cai has no place for, and Cai over what Ben has none for.
  const write = (by: TestDevice, text: string): Promise<unknown> => {
    const name = { space: ROW_SPACE.rows, key: utf8(text), text };
    return by.history.write({ parts: [{ scope, rows: [{ name, value: Uint8Array.of(2) }] }] });
  };
  await write(ben, "row 0");
  await write(cai, `row ${USER_LOGS_MAX + OVER - 1}`);
  for (const [from, to] of [
    [ben, cai],
    [cai, ben],
    [ben, ada],
    [cai, ada],
  ] as const)
    await exchange(from, to, [scope]);
  for (const { history } of [ada, ben, cai]) {
    const vector = history.scope(scope)?.vector() ?? expect.unreachable();
    for (const { device } of [ben, cai])
      expect([...vector.keys()].some((log) => log.startsWith(device))).toBe(true);
    for (const text of ["row 0", `row ${USER_LOGS_MAX + OVER - 1}`]) {
      const { heads: now } = await history.row(scope, ROW_SPACE.rows, utf8(text));
      expect(now.map(({ value }) => value)).toEqual([Uint8Array.of(2)]);
    }
  }
});
