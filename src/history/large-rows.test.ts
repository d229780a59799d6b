/** Small ops over rows that come to more together than a turn may hold. */

import { describe, expect, test } from "vitest";
import { encodeValue, type ScopeId, utf8 } from "../base/index.ts";
import { exchange, makeDevice, shownIn, type TestDevice, writeRows } from "../testkit/device.ts";
import { ROW_SPACE, type RowWrite } from "./index.ts";

const DATABASE = "notes";
const rowOf = (text: string, content?: string): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: content === undefined ? undefined : encodeValue(content),
});

describe("rows that are large together", () => {
  const COUNT = 40;
  const large = new Uint8Array(1024 * 1024 - 16).fill(0x61);
  large.set([0x7a, 0, 0x0f, 0xff, 0xeb]);

  async function withLargeRows(): Promise<{ ada: TestDevice; scope: ScopeId; names: string[] }> {
    const ada = await makeDevice(1);
    await ada.history.createDatabase(DATABASE);
    const scope: ScopeId = {
      database: DATABASE,
      kind: "collection",
      owner: ada.user,
      name: "list",
    };
    const names = Array.from({ length: COUNT }, (_, i) => `row ${i}`);
    for (const name of names) {
      await writeRows(ada, scope, { name: rowOf(name).name, value: large });
    }
    return { ada, scope, names };
  }

  test("[HI31] a batch over them is refused, and nothing is written", async () => {
    const { ada, scope, names } = await withLargeRows();
    const sequence = ada.history.sequence(DATABASE);
    const deletions = names.map((name) => rowOf(name));
    await expect(writeRows(ada, scope, ...deletions)).rejects.toMatchObject({
      code: "HISTORY_TOO_LARGE",
    });
    expect(ada.history.sequence(DATABASE)).toBe(sequence);
    await writeRows(ada, scope, ...deletions.slice(0, 30));
  });

  test("[HI31] single writes of one tick are done over several turns, in order", async () => {
    const { ada, scope, names } = await withLargeRows();
    const writes = [...names, ...names].map((name, i) =>
      ada.history.write({
        parts: [{ scope, rows: [rowOf(name, i < COUNT ? "one" : "two")] }],
        together: true,
      }),
    );
    await Promise.all(writes);
    const shown = await shownIn(ada, scope);
    for (const name of names) expect(shown[name]).toBe("two");
  });

  test("[HI31] a delivery over them is taken in parts", async () => {
    const { ada, scope, names } = await withLargeRows();
    const bea = await makeDevice(2);
    await bea.history.createDatabase(DATABASE);
    await exchange(ada, bea, [scope]);
    for (const name of names) await writeRows(ada, scope, rowOf(name, "new"));
    for (const name of names) await writeRows(ada, scope, rowOf(name));
    await exchange(ada, bea, [scope]);
    const shown = await shownIn(bea, scope);
    for (const name of names) expect(shown[name]).toBe("-");
    expect(bea.history.scope(scope)?.vector()).toEqual(ada.history.scope(scope)?.vector());
    expect(bea.history.scope(scope)?.sum.toBytes()).toEqual(
      ada.history.scope(scope)?.sum.toBytes(),
    );
  });
});
