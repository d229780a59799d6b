import { expect, test } from "vitest";
import { codeOf, type ScopeId, utf8 } from "../base/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { ROW_SPACE } from "./index.ts";

const put = (by: TestDevice, scope: ScopeId, text: string): Promise<unknown> =>
  by.history.write({
    parts: [
      {
        scope,
        rows: [
          {
            name: { space: ROW_SPACE.rows, key: utf8(text), text },
            value: Uint8Array.of(0x61, 0x31),
          },
        ],
      },
    ],
  });

test("[AC31] a device that knows that it was revoked writes nothing, its user's others go on", async () => {
  await using ada = await makeDevice(1);
  await using phone = await makeDevice(2, { user: 5 });
  await using tablet = await makeDevice(3, { user: 5 });
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  for (const { history } of [ada, phone, tablet]) await history.createDatabase("notes");
  await grant(ada, scope, phone.user, "writer");
  await exchange(ada, phone, [scope]);
  await put(phone, scope, "before");
  await exchange(phone, ada, [scope]);
  const freeze = ada.history.scope(scope)?.vector() ?? new Map();
  const { device } = phone;
  const controls = [{ type: "revokeDevice", device, freeze }] as const;
  await ada.history.write({ parts: [{ scope, rows: [], controls }] });
  await exchange(ada, phone, [scope]);
  await exchange(ada, tablet, [scope]);

  const heads = phone.history.scope(scope)?.access.heads;
  expect(await put(phone, scope, "after").catch(codeOf)).toBe("HISTORY_UNAUTHORISED");
  const policy = [{ type: "policy", prefix: "", policy: "keepAll" }] as const;
  const write = phone.history.write({ parts: [{ scope, rows: [], controls: policy }] });
  expect(await write.catch(codeOf)).toBe("HISTORY_UNAUTHORISED");
  expect(phone.history.scope(scope)?.access.heads).toEqual(heads);
  await put(tablet, scope, "other");
  await exchange(tablet, ada, [scope]);
  expect(await ada.history.row(scope, ROW_SPACE.rows, utf8("other"))).toMatchObject({
    heads: [{}],
  });
});
