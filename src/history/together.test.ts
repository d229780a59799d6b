/** Deliveries of several peers that wait together. */

import { expect, test } from "vitest";
import { codeOf, type ScopeId, utf8 } from "../base/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { type Delivery, type PreparedPart, ROW_SPACE, type Written } from "./index.ts";

const DATABASE = "notes";

const put = (by: TestDevice, scope: ScopeId, text: string): Promise<unknown> => {
  const name = { space: ROW_SPACE.rows, key: utf8(text), text };
  return by.history.write({ parts: [{ scope, rows: [{ name, value: Uint8Array.of(1) }] }] });
};

/** What `from` has of its own log and `to` lacks. */
async function deliveryOf(from: TestDevice, to: TestDevice, id: ScopeId): Promise<Delivery> {
  const scope = from.history.scope(id) ?? expect.unreachable();
  const vector = to.history.scope(id)?.vector() ?? new Map();
  const parts: PreparedPart[] = [];
  for await (const { part } of from.history.partsAbove([{ scope, vector }]))
    parts.push(to.history.prepare(part));
  const own = parts.filter(({ author }) => author === from.device);
  const claims = [{ scope: id, vector: scope.vector() }];
  return { from: from.device, asked: new Set([scope.key]), parts: own, claims };
}

interface World extends AsyncDisposable {
  readonly ada: TestDevice;
  readonly others: readonly TestDevice[];
  readonly scope: ScopeId;
  /** What ada's history told since. */
  readonly written: Written[];
}

/** Writers who have each written a row that ada lacks. */
async function world(): Promise<World> {
  const [ada, ...others] = await Promise.all([1, 2, 3, 4].map((seed) => makeDevice(seed)));
  if (ada === undefined) return expect.unreachable();
  await ada.history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  await put(ada, scope, "first");
  for (const { user } of others) await grant(ada, scope, user, "writer");
  for (const other of others) {
    await exchange(ada, other, [scope]);
    // Its first commit names the device.
    await put(other, scope, "hello");
    await exchange(other, ada, [scope]);
    await put(other, scope, other.device);
  }
  const written: Written[] = [];
  ada.history.onWritten((one) => written.push(one));
  const close = async (): Promise<void> => {
    for (const device of [ada, ...others]) await device.close();
  };
  return { ada, others, scope, written, [Symbol.asyncDispose]: close };
}

test("[HI86] [HI3] deliveries that wait together are one turn and one store write", async () => {
  await using all = await world();
  const { ada, others, scope, written } = all;
  const deliveries = await Promise.all(others.map((other) => deliveryOf(other, ada, scope)));
  const receipts = await Promise.all(
    deliveries.map((delivery) => ada.history.receive(DATABASE, delivery)),
  );
  expect(receipts.map(({ rows, duplicates }) => [rows, duplicates])).toEqual(
    others.map(() => [1, 0]),
  );
  expect(written.map(({ parts }) => parts.length)).toEqual([others.length]);
  for (const other of others) await exchange(ada, other, [scope]);
  const sums = [ada, ...others].map(({ history }) => String(history.scope(scope)?.sum.toBytes()));
  expect(new Set(sums).size).toBe(1);
});

test("[HI86] one that is wrong spoils no other, and what comes twice is taken once", async () => {
  await using all = await world();
  const { ada, others, scope, written } = all;
  const [bea, cai, dan] = others as [TestDevice, TestDevice, TestDevice];
  const good = await deliveryOf(bea, ada, scope);
  const { parts, ...rest } = await deliveryOf(cai, ada, scope);
  const forged = parts.map((part) => {
    const signature = part.raw.signature.toReversed();
    return { ...part, raw: { ...part.raw, signature } };
  });
  const again = { ...good, from: cai.device };
  const last = await deliveryOf(dan, ada, scope);
  const answers = await Promise.allSettled(
    [good, { ...rest, parts: forged }, again, last].map((one) =>
      ada.history.receive(DATABASE, one),
    ),
  );
  const told = answers.map((one) =>
    one.status === "fulfilled" ? [one.value.rows, one.value.duplicates] : codeOf(one.reason),
  );
  expect(told).toEqual([[1, 0], "HISTORY_SIGNATURE_INVALID", [0, 1], [1, 0]]);
  expect(written.flatMap((one) => one.parts).length).toBe(2);
});
