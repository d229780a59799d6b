import { expect, test } from "vitest";
import { codeOf, type ScopeId, scopeKeyOf, utf8 } from "../base/index.ts";
import { internRange } from "../records/index.ts";
import { exchange, grant, makeDevice } from "../testkit/device.ts";
import { forge, type Forged } from "../testkit/sync-hostile.ts";
import { ROW_SPACE } from "./index.ts";

const DATABASE = "notes";

test("[HI61] what is refused, or left with its sender, leaves nothing behind: not even the names of its logs", async () => {
  await using ada = await makeDevice(1);
  await using bea = await makeDevice(2);
  for (const { history } of [ada, bea]) await history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  await grant(ada, scope, bea.user, "writer");
  await exchange(ada, bea, [scope]);
  const names = async (): Promise<number> => {
    let count = 0;
    for await (const _ of bea.store.scan(internRange("log"))) count += 1;
    return count;
  };
  const give = async (forged: Forged): Promise<unknown> => {
    const { part, log } = await forge(forged);
    const vector = new Map([[log, forged.generation ?? 1]]);
    const claims = [{ scope, vector }];
    const parts = [bea.history.prepare(part)];
    const asked = new Set([scopeKeyOf(scope)]);
    const gift = bea.history.receive(DATABASE, { from: ada.device, asked, parts, claims });
    return gift.then(({ waiting }) => waiting.length, codeOf);
  };
  const before = await names();
  for (let i = 0; i < 40; i++) {
    await using device = await makeDevice(100 + i);
    const { identity } = device;
    // What follows on nothing waits, and what is badly signed is refused.
    expect(await give({ identity, scope, generation: 9, previousGeneration: 8 })).toBe(1);
    const stolen = { ...identity, deviceSeed: ada.identity.deviceSeed };
    expect(await give({ identity: stolen, scope })).toBe("HISTORY_SIGNATURE_INVALID");
  }
  const name = { space: ROW_SPACE.rows, key: utf8("mine"), text: "mine" };
  await bea.history.write({ parts: [{ scope, rows: [{ name, value: Uint8Array.of(2) }] }] });
  // Her own log alone.
  expect(await names()).toBe(before + 1);
});
