import { describe, expect, test } from "vitest";
import { encodeValue, scopeKeyOf, type ScopeId, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import type { ControlOp } from "../access/index.ts";
import { commitKey, elideOps, opDigest } from "../records/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { forge, freshLog } from "../testkit/sync-hostile.ts";
import { type CommitPart, ROW_SPACE } from "./index.ts";

const DATABASE = "notes";
const crypto = nodeCrypto();

async function partsOf(from: TestDevice, scope: ScopeId): Promise<CommitPart[]> {
  const state = from.history.scope(scope) ?? expect.unreachable();
  const parts: CommitPart[] = [];
  for await (const { part } of from.history.partsAbove([{ scope: state, vector: new Map() }]))
    parts.push(part);
  return parts;
}

const sumOf = (device: TestDevice, scope: ScopeId): string =>
  String(device.history.scope(scope)?.sum.toBytes());

/** A part as a relay passes it on that leaves out the ops at these places. */
function without(part: CommitPart, ...left: number[]): CommitPart {
  const digests = part.ops.map((op) => opDigest(crypto, op));
  const elided = elideOps(crypto, digests, (index) => left.includes(index));
  return { ...part, ops: part.ops.filter((_, index) => !left.includes(index)), elided };
}

/** Ada with a commit of ten rows, and Bea, who was given it without some of them. */
async function relayed(...left: number[]): Promise<{
  readonly ada: TestDevice;
  readonly bea: TestDevice;
  readonly scope: ScopeId;
}> {
  const [ada, bea] = [await makeDevice(1), await makeDevice(2)];
  await ada.history.createDatabase(DATABASE);
  await bea.history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  const rows = Array.from({ length: 10 }, (_, i) => ({
    name: { space: ROW_SPACE.rows, key: utf8(`row ${i}`), text: `row ${i}` },
    value: encodeValue(i),
  }));
  await ada.history.write({ parts: [{ scope, rows }] });
  const parts = (await partsOf(ada, scope)).map((part) =>
    part.ops.length === 10 ? without(part, ...left) : part,
  );
  const vector = ada.history.scope(scope)?.vector() ?? new Map();
  await bea.history.receive(DATABASE, {
    from: ada.device,
    asked: new Set([scopeKeyOf(scope)]),
    parts: parts.map((part) => bea.history.prepare(part)),
    claims: [{ scope, vector }],
  });
  return { ada, bea, scope };
}

async function close(...devices: TestDevice[]): Promise<void> {
  for (const device of devices) await device.close();
}

describe("[HI51] what is known and is not here", () => {
  test.for([[[3]], [[0, 1, 2, 9]], [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]])(
    "is put back: ops %j",
    async ([left]) => {
      const { ada, bea, scope } = await relayed(...(left as number[]));
      expect(sumOf(bea, scope)).not.toBe(sumOf(ada, scope));
      const before = bea.history.scope(scope)?.vector();
      const whole = (await partsOf(ada, scope)).map((part) => bea.history.prepare(part));
      const told: number[] = [];
      bea.history.onWritten(({ parts }) => told.push(parts.length));
      expect(await bea.history.restore(DATABASE, whole)).toBe((left as number[]).length);
      expect(told).toEqual([1]);
      expect(sumOf(bea, scope)).toBe(sumOf(ada, scope));
      expect(bea.history.scope(scope)?.vector()).toEqual(before);
      // Nothing is lacking any more, and it is served whole.
      expect(await bea.history.restore(DATABASE, whole)).toBe(0);
      expect(await partsOf(bea, scope)).toEqual(await partsOf(ada, scope));
      await close(ada, bea);
    },
  );

  test("is put together from two copies that lack different ops", async () => {
    const { ada, bea, scope } = await relayed(1, 2, 3, 8);
    const other = (await partsOf(ada, scope)).map((part) =>
      part.ops.length === 10 ? without(part, 3, 4, 5) : part,
    );
    const prepared = other.map((part) => bea.history.prepare(part));
    expect(await bea.history.restore(DATABASE, prepared)).toBe(3);
    const [, now] = await partsOf(bea, scope);
    expect(now?.elided).toMatchObject([{ first: 3, count: 1 }]);
    for (const part of await partsOf(bea, scope))
      expect(() => ada.history.prepare(part)).not.toThrow();
    await close(ada, bea);
  });

  test("rows that a store has lost come back, and its sum is set right first", async () => {
    const { ada, bea, scope } = await relayed();
    const state = bea.history.scope(scope) ?? expect.unreachable();
    const range = { gte: Uint8Array.of(0x20), lt: Uint8Array.of(0x21) };
    let lost = 0;
    for await (const { key } of bea.store.scan(range))
      if (lost++ % 3 === 0) await bea.store.write([{ type: "delete", key }]);
    // Kept up by what was written, not by what is there.
    expect(sumOf(bea, scope)).toBe(sumOf(ada, scope));
    await bea.history.mendSum(scope);
    expect(sumOf(bea, scope)).not.toBe(sumOf(ada, scope));
    const whole = (await partsOf(ada, scope)).map((part) => bea.history.prepare(part));
    expect(await bea.history.restore(DATABASE, whole)).toBe(Math.ceil(lost / 3));
    expect(sumOf(bea, scope)).toBe(sumOf(ada, scope));
    expect(state.vector()).toEqual(ada.history.scope(scope)?.vector());
    await bea.history.mendSum(scope);
    expect(sumOf(bea, scope)).toBe(sumOf(ada, scope));
    await close(ada, bea);
  });

  test("what was superseded and dropped is not put back", async () => {
    const { ada, bea, scope } = await relayed(3);
    const name = { space: ROW_SPACE.rows, key: utf8("row 3"), text: "row 3" };
    await ada.history.write({ parts: [{ scope, rows: [{ name, value: encodeValue("new") }] }] });
    await exchange(ada, bea, [scope]);
    expect(sumOf(bea, scope)).toBe(sumOf(ada, scope));
    const whole = (await partsOf(ada, scope)).map((part) => bea.history.prepare(part));
    expect(await bea.history.restore(DATABASE, whole)).toBe(0);
    await close(ada, bea);
  });

  test("a commit that was lost comes back where what follows names it", async () => {
    const { ada, bea, scope } = await relayed();
    const name = { space: ROW_SPACE.rows, key: utf8("row 3"), text: "row 3" };
    await ada.history.write({ parts: [{ scope, rows: [{ name, value: encodeValue("new") }] }] });
    await exchange(ada, bea, [scope]);
    const whole = await partsOf(ada, scope);
    const state = bea.history.scope(scope) ?? expect.unreachable();
    const log = state.numbers.keys().next().value ?? expect.unreachable();
    const places = [2, 3].map((generation) => commitKey(state.number, log, generation));
    await bea.store.write(places.map((key) => ({ type: "delete", key })));
    const prepared = whole.map((part) => bea.history.prepare(part));
    // Nothing is known of what would have to follow on it.
    expect(await bea.history.restore(DATABASE, prepared.slice(0, 2))).toBe(0);
    expect(await bea.store.get(places[0] ?? expect.unreachable())).toBeUndefined();
    await bea.history.restore(DATABASE, prepared);
    const now = await partsOf(bea, scope);
    expect(now.map(({ header }) => header)).toEqual(whole.map(({ header }) => header));
    expect(now.map(({ ops }) => ops.length)).toEqual([1, 10, 1]);
    for (const part of now) expect(() => ada.history.prepare(part)).not.toThrow();
    await close(ada, bea);
  });

  test("nobody writes so what they have no right to: not where nothing is held, nor what was left out before", async () => {
    const { ada, bea, scope } = await relayed();
    const rae = await makeDevice(3);
    await grant(ada, scope, rae.user, "reader");
    await exchange(ada, bea, [scope]);
    const { identity } = rae.history;
    const log = freshLog(identity.device);
    const controls: ControlOp[] = [{ type: "device", certificate: identity.certified.bytes }];
    const heads = bea.history.scope(scope)?.access.heads ?? [];
    const rows = [{ key: "row 1", value: encodeValue("stolen") }];
    const told = async (parts: readonly CommitPart[], generation: number): Promise<void> => {
      const claims = [{ scope, vector: new Map([[log, generation]]) }];
      const asked = new Set([scopeKeyOf(scope)]);
      const prepared = parts.map((part) => bea.history.prepare(part));
      await bea.history.receive(DATABASE, {
        from: identity.device,
        asked,
        parts: prepared,
        claims,
      });
    };
    const at = { identity, scope, log, heads };
    const mixed = await forge({ ...at, generation: 1, controls, rows });
    await told([without(mixed.part, 1)], 1);
    const { part: last } = await forge({
      ...at,
      heads: bea.history.scope(scope)?.access.heads ?? [],
      generation: 5,
      previousGeneration: 1,
      rows: [{ space: ROW_SPACE.holders, key: identity.device, value: encodeValue(1) }],
    });
    await told([last], 5);
    expect(bea.history.scope(scope)?.vector().get(log)).toBe(5);
    const { part: between } = await forge({ ...at, generation: 2, previousGeneration: 0, rows });
    const sum = sumOf(bea, scope);
    for (const part of [mixed.part, between])
      expect(await bea.history.restore(DATABASE, [bea.history.prepare(part)])).toBe(0);
    expect(sumOf(bea, scope)).toBe(sum);
    await close(ada, bea, rae);
  });

  test("rows that come to more than one write may read come back in several", async () => {
    const { ada, bea, scope } = await relayed();
    await using cai = await makeDevice(4, { user: 1 });
    await cai.history.createDatabase(DATABASE);
    await exchange(ada, cai, [scope]);
    const nameOf = (i: number) => {
      const text = `large ${i}`;
      return { space: ROW_SPACE.rows, key: utf8(text), text };
    };
    const all = Array.from({ length: 40 }, (_, i) => i);
    const large = encodeValue("x".repeat(900_000));
    for (const i of all)
      await cai.history.write({ parts: [{ scope, rows: [{ name: nameOf(i), value: large }] }] });
    await exchange(cai, bea, [scope]);
    // At the same time, without having seen them.
    const rows = all.map((i) => ({ name: nameOf(i), value: encodeValue(i) }));
    await ada.history.write({ parts: [{ scope, rows }] });
    const [last = expect.unreachable()] = (await partsOf(ada, scope)).slice(-1);
    await bea.history.receive(DATABASE, {
      from: ada.device,
      asked: new Set([scopeKeyOf(scope)]),
      parts: [bea.history.prepare(without(last, ...all))],
      claims: [{ scope, vector: ada.history.scope(scope)?.vector() ?? expect.unreachable() }],
    });
    expect(await bea.history.restore(DATABASE, [bea.history.prepare(last)])).toBe(40);
    await exchange(cai, ada, [scope]);
    expect(sumOf(bea, scope)).toBe(sumOf(ada, scope));
    await close(ada, bea);
  });
});
