import { expect, test } from "vitest";
import {
  CONTROLS_RESERVE,
  LOG_CONTROLS_MAX,
  SCOPE_CONTROLS_FREE,
  SCOPE_CONTROLS_MAX,
} from "./limits.ts";
import { hasControlRoom } from "./recount.ts";
import type { VerifiedOp } from "../access/index.ts";
import type { ScopeId } from "../base/index.ts";
import { grant, makeDevice } from "../testkit/device.ts";

test("[HI44] whoever is no admin leaves room in the control log for those who are, and none takes all", () => {
  const room = (isAdmin: boolean, size: number, ofLog = 0): boolean =>
    hasControlRoom({ size, ofLog, count: 1, isAdmin });
  expect([room(false, SCOPE_CONTROLS_FREE - 1), room(false, SCOPE_CONTROLS_FREE)]).toEqual([
    true,
    false,
  ]);
  expect([room(true, SCOPE_CONTROLS_FREE), room(true, SCOPE_CONTROLS_MAX - 1)]).toEqual([
    true,
    true,
  ]);
  expect(room(true, SCOPE_CONTROLS_MAX)).toBe(false);
  for (const isAdmin of [true, false])
    expect([room(isAdmin, 0, LOG_CONTROLS_MAX - 1), room(isAdmin, 0, LOG_CONTROLS_MAX)]).toEqual([
      true,
      false,
    ]);
});

test("[HI44] a device leaves room for revocations, and writes nothing that others would have no room for", async () => {
  const [ada, bea] = [await makeDevice(1), await makeDevice(2)];
  await ada.history.createDatabase("notes");
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  const { user } = bea;
  await grant(ada, scope, user, "writer");
  const write = (controls: readonly VerifiedOp[]): Promise<unknown> =>
    ada.history.write({ parts: [{ scope, rows: [], controls }] });
  const policies = Array.from({ length: 1000 }, (_, i): VerifiedOp => ({
    type: "policy",
    prefix: `${i}`,
    policy: "keepAll",
  }));
  const size = (): number => ada.history.scope(scope)?.control.size ?? 0;
  for (;;) {
    const left = LOG_CONTROLS_MAX - CONTROLS_RESERVE - size();
    if (left === 0) break;
    await write(policies.slice(0, left));
  }
  const refused = write(policies.slice(0, 1));
  await expect(refused).rejects.toMatchObject({ code: "HISTORY_CONTROLS_FULL" });
  await write([{ type: "revoke", user, freeze: new Map() }]);
  expect(ada.history.scope(scope)?.access.tagsOf(user)).toBe(0);
  for (const device of [ada, bea]) await device.close();
});
