/** Branches of a log that share no generation in a scope. */

import { expect, test, vi } from "vitest";
import { encodeValue, type ScopeId, scopeKeyOf, toHex, utf8 } from "../base/index.ts";
import { verifyStore } from "../doctor/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { openMemoryStore } from "../store/index.ts";
import {
  exchange,
  grant,
  makeDevice,
  settleDevices,
  shownIn,
  type TestDevice,
  writeRows,
} from "../testkit/device.ts";
import { forge } from "../testkit/sync-hostile.ts";
import {
  type Delivery,
  type PreparedPart,
  type Receipt,
  ROW_SPACE,
  type RowWrite,
} from "./index.ts";

const DATABASE = "notes";

const rowOf = (text: string, content: string): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: encodeValue(content),
});

/** Ada owns two collections, Bea and Cai write. `copy` is Bea's store as it was when all knew her log up to `last`. */
async function opened(): Promise<
  Record<"ada" | "bea" | "cai" | "copy", TestDevice> & {
    readonly one: ScopeId;
    readonly two: ScopeId;
    readonly last: number;
  }
> {
  const [ada, cai] = [await makeDevice(1), await makeDevice(3)];
  const medium = await openMemoryStore();
  const bea = await makeDevice(2, { store: medium });
  for (const device of [ada, bea, cai]) await device.history.createDatabase(DATABASE);
  const scopeOf = (name: string): ScopeId => {
    return { database: DATABASE, kind: "collection", owner: ada.user, name };
  };
  const [one, two] = [scopeOf("one"), scopeOf("two")];
  for (const scope of [one, two])
    for (const { user } of [bea, cai]) await grant(ada, scope, user, "writer");
  for (const to of [bea, cai]) await exchange(ada, to, [one, two]);
  for (const scope of [two, one]) await writeRows(bea, scope, rowOf("a", "0"));
  for (const to of [ada, cai]) await exchange(bea, to, [one, two]);
  const copied = await openMemoryStore();
  const entries: { type: "put"; key: Uint8Array; value: Uint8Array }[] = [];
  for await (const { key, value } of medium.scan({})) entries.push({ type: "put", key, value });
  await copied.write(entries);
  const copy = await makeDevice(2, { store: copied, opening: 50 });
  const log = bea.history.ownLog(DATABASE);
  const last = ada.history.scope(one)?.vector().get(log) ?? expect.unreachable();
  return { ada, bea, cai, copy, one, two, last };
}

/** Gives `to` what of a scope counts at `from` above a generation of Bea's log, or from the beginning. */
async function give(from: TestDevice, to: TestDevice, ...of: Given): Promise<Receipt> {
  return to.history.receive(DATABASE, await deliveryOf(from, to, ...of));
}

type Given = [scope: ScopeId, above?: ReadonlyMap<PreparedPart["log"], number>];

async function deliveryOf(
  from: TestDevice,
  to: TestDevice,
  ...[scope, above = new Map()]: Given
): Promise<Delivery> {
  const state = from.history.scope(scope) ?? expect.unreachable();
  const parts: PreparedPart[] = [];
  for await (const { part } of from.history.partsAbove([{ scope: state, vector: above }]))
    parts.push(to.history.prepare(part));
  const claims = [{ scope, vector: state.vector() }];
  return { from: from.device, asked: new Set([scopeKeyOf(scope)]), parts, claims };
}

const sumOf = ({ history }: TestDevice, scope: ScopeId): string =>
  toHex(history.scope(scope)?.sum.toBytes() ?? expect.unreachable());

const frozenAt = ({ history }: TestDevice, scope: ScopeId, log: PreparedPart["log"]): number =>
  history.scope(scope)?.access.frozenAt(log) ?? expect.unreachable();

test("[HI90] a part that passes over another proves the fork, and both branches are written again", async () => {
  const { ada, bea, cai, copy, one, two, last } = await opened();
  const log = bea.history.ownLog(DATABASE);
  await writeRows(bea, one, rowOf("a", "left"));
  await writeRows(bea, two, rowOf("a", "left"));
  await exchange(bea, ada, [one, two]);
  await writeRows(copy, two, rowOf("b", "right"));
  await writeRows(copy, one, rowOf("b", "right"));
  await exchange(copy, cai, [one, two]);
  // Ada has what stands at the next generation, Cai only what follows one later.
  await give(cai, ada, one);
  expect(frozenAt(ada, one, log)).toBe(last);
  expect(frozenAt(ada, two, log)).toBe(Number.POSITIVE_INFINITY);
  expect(await shownIn(ada, one)).toEqual({ a: "0" });
  await give(ada, cai, two);
  expect(frozenAt(cai, two, log)).toBe(last);
  for (const scope of [one, two]) {
    await vi.waitFor(async () => {
      await settleDevices([ada, bea, cai, copy], [one, two]);
      for (const device of [ada, bea, cai, copy]) {
        expect(await shownIn(device, scope)).toEqual({ a: "left", b: "right" });
        expect(sumOf(device, scope)).toBe(sumOf(ada, scope));
      }
    });
  }
  for (const device of [ada, bea, cai, copy]) await device.close();
});

test("[HI90] one that was passed over proves it as well, and so does the next that names another", async () => {
  const { ada, bea, cai, copy, one, two, last } = await opened();
  const log = bea.history.ownLog(DATABASE);
  await writeRows(bea, two, rowOf("a", "left"));
  await writeRows(bea, one, rowOf("a", "left"));
  await exchange(bea, ada, [one, two]);
  await writeRows(copy, one, rowOf("b", "right"));
  await exchange(copy, cai, [one, two]);
  // Nothing of it is new by its generation.
  await give(cai, ada, one);
  expect(frozenAt(ada, one, log)).toBe(last);
  // The generation after Cai's names Bea's commit of `two` before it.
  await give(bea, cai, one);
  expect(frozenAt(cai, one, log)).toBe(last);
  for (const device of [ada, bea, cai, copy]) await device.close();
});

test("[HI91] where branches part is asked for before anything is proven", async () => {
  const { ada, bea, cai, copy, one, two, last } = await opened();
  const log = bea.history.ownLog(DATABASE);
  for (const content of ["1", "2"]) {
    await writeRows(bea, one, rowOf("a", content));
    await writeRows(bea, two, rowOf("a", content));
    await writeRows(copy, two, rowOf("b", content));
    await writeRows(copy, one, rowOf("b", content));
  }
  await exchange(bea, ada, [one]);
  await exchange(copy, cai, [one]);
  const above = new Map(ada.history.scope(one)?.vector());
  const receipt = await give(cai, ada, one, above);
  expect(receipt.waiting).toMatchObject([{ log, generation: last + 4, isOfBranch: true }]);
  expect(frozenAt(ada, one, log)).toBe(Number.POSITIVE_INFINITY);
  await give(cai, ada, one);
  expect(frozenAt(ada, one, log)).toBe(last);
  for (const device of [ada, bea, cai, copy]) await device.close();
});

test("[HI91] a part of which control ops alone are here is judged as any other when it comes whole", async () => {
  const { ada, bea, cai, copy, one, two, last } = await opened();
  const log = bea.history.ownLog(DATABASE);
  await grant(ada, one, bea.user, "admin");
  for (const to of [bea, copy, cai]) await exchange(ada, to, [one, two]);
  await writeRows(bea, one, rowOf("a", "left"));
  await exchange(bea, ada, [one]);
  await writeRows(copy, two, rowOf("b", "right"));
  await grant(copy, one, cai.user, "reader");
  await exchange(copy, cai, [one, two]);
  // It is left with its sender for now, but for its grant.
  const above = new Map(cai.history.scope(one)?.vector()).set(log, last);
  const { waiting } = await give(cai, ada, one, above);
  expect(waiting).toMatchObject([{ log, isOfBranch: true }]);
  expect(frozenAt(ada, one, log)).toBe(Number.POSITIVE_INFINITY);
  await give(cai, ada, one);
  expect(frozenAt(ada, one, log)).toBe(last);
  for (const device of [ada, bea, cai, copy]) await device.close();
});

test("[HI90] rows are read for a proof alone: parts that prove nothing cost no more than their headers", async () => {
  const { ada, bea, cai, copy, one, last } = await opened();
  const log = bea.history.ownLog(DATABASE);
  for (const content of ["1", "2"]) await writeRows(bea, one, rowOf("a", content));
  await exchange(bea, ada, [one]);
  const { identity } = bea;
  let reads = 0;
  const getMany = ada.store.getMany.bind(ada.store);
  ada.store.getMany = (...given) => {
    reads += 1;
    return getMany(...given);
  };
  const readsFor = async (count: number): Promise<number> => {
    reads = 0;
    const parts: PreparedPart[] = [];
    for (let i = 1; i <= count; i++) {
      const generation = last + 100 * i;
      const forged = { identity, scope: one, log, generation, previousGeneration: last };
      parts.push(ada.history.prepare((await forge(forged)).part));
    }
    const claims = [{ scope: one, vector: new Map([[log, last + 100 * count]]) }];
    const asked = new Set([scopeKeyOf(one)]);
    const { waiting } = await ada.history.receive(DATABASE, {
      from: cai.device,
      asked,
      parts,
      claims,
    });
    expect(waiting).toMatchObject([{ log, isOfBranch: true }]);
    return reads;
  };
  expect(await readsFor(20)).toBe(await readsFor(1));
  for (const device of [ada, bea, cai, copy]) await device.close();
});

test("[HI86] [HI14] what a delivery of several has made this device write is durable before the next is compared with it", async () => {
  const { ada, bea, cai, copy, one } = await opened();
  await writeRows(bea, one, rowOf("a", "left"));
  await exchange(bea, ada, [one]);
  const store = await openMemoryStore();
  for await (const { key, value } of ada.store.scan({}))
    await store.write([{ type: "put", key, value }]);
  const old = await makeDevice(1, { store, opening: 60 });
  await writeRows(ada, one, rowOf("c", "lost"));
  await writeRows(copy, one, rowOf("b", "right"));
  const log = ada.history.ownLog(DATABASE);
  expect(old.history.ownLog(DATABASE)).toBe(log);
  // The first shows a fork, which is proven under the very generation that the second brings.
  const lastOf = (device: TestDevice): Promise<Delivery> => {
    const vector = new Map(device.history.scope(one)?.vector());
    const own = device.history.ownLog(DATABASE);
    return deliveryOf(device, old, one, vector.set(own, (vector.get(own) ?? 0) - 1));
  };
  const deliveries = [await lastOf(copy), await lastOf(ada)];
  expect(deliveries.map(({ parts }) => parts.length)).toEqual([1, 1]);
  await Promise.all(deliveries.map((delivery) => old.history.receive(DATABASE, delivery)));
  expect(old.history.ownLog(DATABASE)).not.toBe(log);
  const found = [];
  for await (const { rule } of verifyStore({ store, crypto: nodeCrypto() })) found.push(rule);
  expect(found).toEqual([]);
  for (const device of [ada, bea, cai, copy, old]) await device.close();
});

test("[HI90] control ops of a part that was passed over go into the control log, so that others can build on them", async () => {
  const { ada, bea, cai, copy, one, two, last } = await opened();
  const log = bea.history.ownLog(DATABASE);
  await grant(ada, one, bea.user, "admin");
  for (const to of [bea, copy, cai]) await exchange(ada, to, [one, two]);
  await writeRows(bea, two, rowOf("a", "left"));
  await writeRows(bea, one, rowOf("a", "left"));
  await exchange(bea, ada, [one, two]);
  await grant(copy, one, cai.user, "reader");
  await exchange(copy, cai, [one, two]);
  const heads = cai.history.scope(one)?.access.heads ?? expect.unreachable();
  await give(cai, ada, one);
  expect(frozenAt(ada, one, log)).toBe(last);
  const { access } = ada.history.scope(one) ?? expect.unreachable();
  expect(heads.map((id) => access.has(id))).toEqual([true]);
  for (const device of [ada, bea, cai, copy]) await device.close();
});
