import { expect, test } from "vitest";
import type { VerifiedOp } from "../access/index.ts";
import { codeOf, type ScopeId } from "../base/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";

const knows = ({ history }: TestDevice, scope: ScopeId): unknown => [
  history.scope(scope)?.vector(),
  history.scope(scope)?.access.heads,
];

const say = (
  { history }: TestDevice,
  scope: ScopeId,
  ...controls: VerifiedOp[]
): Promise<string | undefined> =>
  history.write({ parts: [{ scope, rows: [], controls }] }).then(() => undefined, codeOf);

test("[HI70] a control op that does not stand is refused before anything is written", async () => {
  await using ada = await makeDevice(1);
  await using phone = await makeDevice(2, { user: 5 });
  await using tablet = await makeDevice(3, { user: 5 });
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  for (const { history } of [ada, phone, tablet]) await history.createDatabase("notes");
  await grant(ada, scope, phone.user, "admin");
  await exchange(ada, phone, [scope]);
  await exchange(ada, tablet, [scope]);
  const policy: VerifiedOp = { type: "policy", prefix: "", policy: "keepAll" };
  // Introduces itself by it, in a commit before.
  expect(await say(tablet, scope, policy)).toBeUndefined();
  await exchange(tablet, phone, [scope]);
  expect(await say(phone, scope, policy)).toBeUndefined();

  const before = knows(phone, scope);
  const { device } = tablet;
  const refused: VerifiedOp[] = [
    // Their user's key must say so, not a sibling.
    { type: "revokeDevice", device, freeze: new Map() },
    { type: "revokeDevice", device: ada.device, freeze: new Map() },
    { type: "revoke", user: ada.user, freeze: new Map() },
    { type: "grant", user: ada.user, tags: 4 },
    { type: "status", state: "running" },
    { type: "destroy" },
  ];
  for (const op of refused) {
    expect(await say(phone, scope, op)).toBe("HISTORY_UNAUTHORISED");
    // Nor what stands together with it.
    expect(await say(phone, scope, policy, op)).toBe("HISTORY_UNAUTHORISED");
  }
  expect(knows(phone, scope)).toEqual(before);
});

test("[HI70] who is new and may not say it is not even introduced", async () => {
  await using ada = await makeDevice(1);
  await using ben = await makeDevice(2);
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  for (const { history } of [ada, ben]) await history.createDatabase("notes");
  await grant(ada, scope, ben.user, "writer");
  await exchange(ada, ben, [scope]);
  const before = knows(ben, scope);
  const policy: VerifiedOp = { type: "policy", prefix: "", policy: "keepAll" };
  expect(await say(ben, scope, policy)).toBe("HISTORY_UNAUTHORISED");
  expect(knows(ben, scope)).toEqual(before);
});
