import { expect, test } from "vitest";
import { type ScopeId, utf8 } from "../base/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { exchange, grant, makeDevice, writeRows } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { FaultyMedium, fullDiskError } from "../testkit/store/store-faults.ts";
import { ROW_SPACE, type RowWrite } from "./index.ts";

const DATABASE = "notes";

const rowOf = (text: string): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: Uint8Array.of(0x61, 0x31),
});

test("[HI48] where one of the writes before a revocation fails, so do all that wait for it, and later ones go on", async () => {
  const clock = new FakeClock();
  const plain = createMemoryMedium();
  const medium = new FaultyMedium(() => plain.openEngine());
  const store = await openMemoryStore({ medium, clock, random: seededRandom(1) });
  await using ada = await makeDevice(1, { store, clock });
  await using bea = await makeDevice(2);
  for (const { history } of [ada, bea]) await history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  await grant(ada, scope, bea.user, "writer");
  await exchange(ada, bea, [scope]);
  await writeRows(bea, scope, rowOf("first"));
  await exchange(bea, ada, [scope]);
  const { user } = bea;
  const freeze = ada.history.freezeOf(scope, { user });
  for (let batch = 0; batch < 3; batch++) {
    const rows = Array.from({ length: 7000 }, (_, i) => rowOf(`${batch} ${i}`));
    await writeRows(bea, scope, ...rows);
  }
  await exchange(bea, ada, [scope]);
  // By what was known before those rows came.
  const controls = [{ type: "revoke", user, freeze } as const];
  const revoke = (): Promise<unknown> =>
    ada.history.write({ parts: [{ scope, rows: [], controls }] });
  medium.failWrite({ error: fullDiskError() });
  await expect(revoke()).rejects.toMatchObject({ code: "STORE_FULL" });
  while (store.state !== "open") await clock.advance(1000);
  await writeRows(ada, scope, rowOf("later"));
  await revoke();
  const keys: string[] = [];
  for await (const { key } of ada.history.scan(scope, ROW_SPACE.rows))
    keys.push(new TextDecoder().decode(key));
  expect(keys).toEqual(["first", "later"]);
});
