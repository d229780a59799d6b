/** What a device does that learns from a peer what its own store has lost. */

import { describe, expect, test } from "vitest";
import { type LogKey, type ScopeId, scopeKeyOf, utf8 } from "../base/index.ts";
import {
  exchange,
  grant,
  holdingsOf,
  makeDevice,
  type TestDevice,
  writeRows,
} from "../testkit/device.ts";
import { ROW_SPACE, type RowWrite } from "./index.ts";

const DATABASE = "notes";

const rowOf = (text: string, content: string): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: Uint8Array.of(0x60 + content.length, ...utf8(content)),
});

/** Ada's collection with a row, in which Bea may write and knows it. */
async function family(): Promise<{
  readonly ada: TestDevice;
  readonly bea: TestDevice;
  readonly scope: ScopeId;
  readonly closeAll: () => Promise<void>;
}> {
  const [ada, bea] = [await makeDevice(1), await makeDevice(2)];
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  await ada.history.createDatabase(DATABASE);
  await writeRows(ada, scope, rowOf("first", "0"));
  await grant(ada, scope, bea.user, "writer");
  await exchange(ada, bea, [scope]);
  const closeAll = async (): Promise<void> => {
    await ada.close();
    await bea.close();
  };
  return { ada, bea, scope, closeAll };
}

const logsOf = (device: TestDevice, holder: TestDevice, scope: ScopeId): string[] =>
  [...(holder.history.scope(scope)?.vector().keys() ?? [])].filter((log) =>
    log.startsWith(device.device),
  );

describe("a store that is older than what was sent", () => {
  test("[HI14] begins a new incarnation, once, when a peer shows what it has lost", async () => {
    const { ada, bea, scope, closeAll } = await family();
    await writeRows(bea, scope, rowOf("bea", "1"));
    await writeRows(bea, scope, rowOf("bea", "2"), rowOf("kept", "1"));
    await exchange(bea, ada, [scope]);

    // The same keys and the same incarnation as Bea's, without what she wrote.
    const events: string[] = [];
    const restored = await makeDevice(2, { logger: (_, event) => events.push(event) });
    await restored.history.createDatabase(DATABASE);
    await exchange(ada, restored, [scope]);
    expect(events).toEqual(["history.incarnation"]);
    expect(await holdingsOf(restored, scope)).toEqual(await holdingsOf(ada, scope));
    expect(logsOf(bea, restored, scope)).toHaveLength(1);
    await writeRows(restored, scope, rowOf("bea", "3"));
    expect(logsOf(bea, restored, scope)).toHaveLength(2);
    await exchange(restored, ada, [scope]);
    expect(await holdingsOf(restored, scope)).toEqual(await holdingsOf(ada, scope));
    // And the new log goes on after that.
    await writeRows(restored, scope, rowOf("bea", "4"));
    await exchange(ada, restored, [scope]);
    await exchange(restored, ada, [scope]);
    expect(await holdingsOf(restored, scope)).toEqual(await holdingsOf(ada, scope));
    expect(events).toEqual(["history.incarnation"]);
    await restored.close();
    await closeAll();
  });

  test("[HI14] begins one too when it has written under lost generations in another scope", async () => {
    const { ada, bea, scope, closeAll } = await family();
    await writeRows(bea, scope, rowOf("bea", "1"));
    await exchange(bea, ada, [scope]);

    const restored = await makeDevice(2);
    await restored.history.createDatabase(DATABASE);
    const own: ScopeId = { ...scope, owner: bea.user };
    for (let i = 0; i < 5; i++) await writeRows(restored, own, rowOf("own", `${i}`));
    await exchange(ada, restored, [scope]);
    await writeRows(restored, own, rowOf("own", "after"));
    expect(logsOf(bea, restored, own)).toHaveLength(2);
    await restored.close();
    await closeAll();
  });

  test("[HI14] a peer's claim of more of our own log than we have is not believed", async () => {
    const { ada, bea, scope, closeAll } = await family();
    const before = await holdingsOf(ada, scope);
    const [log] = [...(ada.history.scope(scope)?.vector().keys() ?? [])] as [LogKey];
    const claims = [{ scope, vector: new Map([[log, 1_000_000]]) }];
    const asked = new Set([scopeKeyOf(scope)]);
    await ada.history.receive(DATABASE, { from: bea.device, asked, parts: [], claims });
    expect(await holdingsOf(ada, scope)).toEqual(before);
    await writeRows(ada, scope, rowOf("a", "1"));
    expect(await exchange(ada, bea, [scope])).toMatchObject({ rows: 1 });
    await closeAll();
  });
});
