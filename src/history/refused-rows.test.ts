import { expect, test } from "vitest";
import { type ScopeId, utf8 } from "../base/index.ts";
import { rowKey } from "../records/index.ts";
import { exchange, grant, makeDevice, writeRows } from "../testkit/device.ts";
import { ROW_SPACE } from "./index.ts";

test("[HI2] a write to a row whose record is damaged leaves nothing, no introduction either", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  for (const { history } of [ada, bea]) await history.createDatabase("notes");
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  const row = {
    name: { space: ROW_SPACE.rows, key: utf8("a"), text: "a" },
    value: Uint8Array.of(1),
  };
  await writeRows(ada, scope, row);
  await grant(ada, scope, bea.user, "writer");
  await exchange(ada, bea, [scope]);
  const { number } = bea.history.scope(scope) ?? expect.unreachable();
  const before = bea.history.scope(scope)?.vector();
  const key = rowKey(number, ROW_SPACE.rows, utf8("a"));
  await bea.store.write([{ type: "put", key, value: Uint8Array.of(1, 0x80) }]);
  await expect(writeRows(bea, scope, row)).rejects.toMatchObject({ code: "HISTORY_CORRUPT" });
  expect(bea.history.scope(scope)?.vector()).toEqual(before);
});
