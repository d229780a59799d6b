import { expect, test } from "vitest";
import { encodeValue, type ScopeId, scopeKeyOf, utf8 } from "../base/index.ts";
import { type CommitPart, ROW_SPACE } from "../history/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { makeDevice } from "../testkit/device.ts";
import { PageBudget } from "./budget.ts";
import { Intake } from "./intake.ts";

test("[SY6] what the answer to a later request brings once more, before it was written, is no fault", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  for (const { history } of [ada, bea]) await history.createDatabase("notes");
  const put = (text: string): Promise<unknown> => {
    const name = { space: ROW_SPACE.rows, key: utf8(text), text };
    return ada.history.write({ parts: [{ scope, rows: [{ name, value: encodeValue(1) }] }] });
  };
  await put("first");
  await put("second");
  const state = ada.history.scope(scope) ?? expect.unreachable();
  const parts: CommitPart[] = [];
  for await (const { part } of ada.history.partsAbove([{ scope: state, vector: new Map() }]))
    parts.push(part);
  const deps = { history: bea.history, crypto: nodeCrypto(), budget: new PageBudget() };
  const ignore = (): void => {};
  const intake = new Intake(deps, ada.device, "notes", ignore, ignore);
  const asked = new Map([[scopeKeyOf(scope), scope]]);
  const claims = [{ scope, vector: state.vector() }];
  const page = { isLive: false, isLoose: false, restores: new Set<never>() };
  for (let round = 1; round <= 3; round++) {
    intake.add(parts);
    await intake.endPage(claims, asked, page);
  }
  await intake.flush();
  await intake.close();
  expect(intake.failure).toBeUndefined();
  expect(bea.history.scope(scope)?.vector()).toEqual(state.vector());
});
