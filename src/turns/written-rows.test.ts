import { expect, test } from "vitest";
import { type ScopeId, utf8 } from "../base/index.ts";
import { ROW_SPACE } from "../records/index.ts";
import { openMemoryStore, type Store } from "../store/index.ts";
import { makeDevice } from "../testkit/device.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import type { RowName } from "./staged-row.ts";
import { WrittenRows } from "./written-rows.ts";

const nameOf = (text: string, space = 0): RowName => ({ space, key: utf8(text), text });

test("[HI76] a row that was noted may be there, and few others", () => {
  const written = new WrittenRows();
  expect(written.mayHave(nameOf("row 0"))).toBe(false);
  const rows = 60_000;
  for (let i = 0; i < rows; i++) written.add(nameOf(`row ${i}`, i % 3));
  let wrong = 0;
  for (let i = 0; i < rows; i++) {
    if (!written.mayHave(nameOf(`row ${i}`, i % 3))) throw new Error(`row ${i} is forgotten`);
    if (written.mayHave(nameOf(`row ${i}`, 1 + (i % 3)))) wrong += 1;
    if (written.mayHave(nameOf(`none ${i}`, i % 3))) wrong += 1;
  }
  expect(wrong / (2 * rows)).toBeLessThan(0.02);
});

test("[HI76] of more rows than there is room for, all may be there", () => {
  const written = new WrittenRows();
  for (let i = 0; i < 1_600_000; i++)
    written.add({ space: 0, key: Uint8Array.of(i, i >>> 8, i >>> 16), text: "" });
  expect(written.mayHave(nameOf("none"))).toBe(true);
  written.add(nameOf("one"));
  expect(written.mayHave(nameOf("one"))).toBe(true);
});

/** `store`, with the keys that were asked for in lists. */
function counting(store: Store): { readonly store: Store; readonly asked: () => number } {
  let asked = 0;
  const getMany: Store["getMany"] = (keys, options) => {
    asked += keys.length;
    return store.getMany(keys, options);
  };
  const wrapped = new Proxy(store, {
    get: (of, name) => {
      const member: unknown = name === "getMany" ? getMany : Reflect.get(of, name);
      return typeof member === "function" ? (member.bind(of) as unknown) : member;
    },
  });
  return { store: wrapped, asked: () => asked };
}

test("[HI76] new rows of a scope that began in this process are not looked for, others are", async () => {
  const below = await openMemoryStore({ random: seededRandom(1) });
  const { store, asked } = counting(below);
  const open = () => makeDevice(1, { store });
  const rowsOf = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => ({
      name: nameOf(`row ${from + i}`, ROW_SPACE.rows),
      value: Uint8Array.of(i & 15),
    }));
  let ada = await open();
  await ada.history.createDatabase("notes");
  const scope: ScopeId = { database: "notes", kind: "collection", owner: ada.user, name: "list" };
  const write = async (from: number, to: number): Promise<number> => {
    const before = asked();
    await ada.history.write({ parts: [{ scope, rows: rowsOf(from, to) }] });
    return asked() - before;
  };
  expect(await write(0, 500)).toBeLessThan(10);
  expect(await write(500, 1000)).toBeLessThan(10);
  expect(await write(0, 500)).toBe(500);
  const [{ heads } = { heads: [] }] = await ada.history.rows(scope, ROW_SPACE.rows, [
    utf8("row 3"),
  ]);
  expect(heads.map(({ context }) => context.length)).toEqual([1]);
  await ada.close();
  ada = await open();
  expect(await write(1000, 1500)).toBe(500);
  await ada.close();
  await below.close();
});
