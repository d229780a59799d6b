/** What counts, what lies aside, what is taken back. */

import { describe, expect, test } from "vitest";
import type { VerifiedOp } from "../access/index.ts";
import { fromUtf8, type ScopeId, toHex, utf8, scopeKeyOf } from "../base/index.ts";
import { asideRange, oldRange } from "../records/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { openMemoryStore } from "../store/index.ts";
import {
  exchange,
  grant,
  makeDevice,
  type TestDevice,
  shownIn,
  writeRows,
} from "../testkit/device.ts";
import { type PreparedPart, type Receipt, ROW_SPACE, type RowWrite } from "./index.ts";

const DATABASE = "notes";
const crypto = nodeCrypto();

const rowOf = (text: string, content: string): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: Uint8Array.of(0x60 + content.length, ...utf8(content)),
});
/** What must be the same wherever the same counts. */
function summary({ history }: TestDevice, scope: ScopeId): unknown {
  const state = history.scope(scope);
  if (state === undefined) return undefined;
  return {
    vector: [...state.vector()].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    sum: toHex(state.sum.toBytes()),
    control: toHex(state.access.controlSum(crypto)),
  };
}

async function keysIn(
  { store }: TestDevice,
  range: ReturnType<typeof asideRange>,
): Promise<number> {
  let count = 0;
  for await (const _ of store.scan(range)) count += 1;
  return count;
}

/** `by` takes away what `user` was granted, beyond what `by` holds. */
async function revoke(by: TestDevice, scope: ScopeId, from: TestDevice): Promise<void> {
  const { user } = from;
  const freeze = by.history.freezeOf(scope, { user });
  await by.history.write({
    parts: [{ scope, rows: [], controls: [{ type: "revoke", user, freeze }] }],
  });
}

/** The owner, and two who may write and know it. */
async function opened(): Promise<Record<"ada" | "bea" | "cai", TestDevice> & { scope: ScopeId }> {
  const [ada, bea, cai] = [await makeDevice(1), await makeDevice(2), await makeDevice(3)];
  for (const device of [ada, bea, cai]) await device.history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  for (const { user } of [bea, cai]) await grant(ada, scope, user, "writer");
  await exchange(ada, bea, [scope]);
  await exchange(ada, cai, [scope]);
  return { ada, bea, cai, scope };
}

/** As `opened`, and Bea has become an admin, knows it, and has written a row that Ada has. */
async function openedWithAdmin(): ReturnType<typeof opened> {
  const all = await opened();
  const { ada, bea, scope } = all;
  await grant(ada, scope, bea.user, "admin");
  await exchange(ada, bea, [scope]);
  await writeRows(bea, scope, rowOf("a", "1"));
  await exchange(bea, ada, [scope]);
  return all;
}

/** Gives `to` what `from` wrote, and nothing of others. */
async function exchangeOwn(
  from: TestDevice,
  to: TestDevice,
  id: ScopeId,
): Promise<Receipt | undefined> {
  const scope = from.history.scope(id);
  if (scope === undefined) return undefined;
  const parts: PreparedPart[] = [];
  for await (const { part } of from.history.partsAbove([{ scope, vector: new Map() }])) {
    const prepared = to.history.prepare(part);
    if (prepared.author === from.device) parts.push(prepared);
  }
  const asked = new Set([scope.key]);
  const claims = [{ scope: id, vector: scope.vector() }];
  return to.history.receive(DATABASE, { from: from.device, asked, parts, claims });
}

async function close(...devices: TestDevice[]): Promise<void> {
  for (const device of devices) await device.close();
}

describe("a revocation", () => {
  test("[HI40] [HI42] takes back what lies beyond its freeze, wherever it has come to", async () => {
    const { ada, bea, cai, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"), rowOf("b", "1"));
    await exchange(bea, ada, [scope]);
    await writeRows(ada, scope, rowOf("b", "2"));
    await writeRows(bea, scope, rowOf("a", "3"), rowOf("c", "3"));
    await exchange(ada, bea, [scope]);
    await writeRows(bea, scope, rowOf("b", "4"));
    await exchange(bea, cai, [scope]);
    await writeRows(cai, scope, rowOf("d", "5"));
    expect(await shownIn(cai, scope)).toEqual({ a: "3", b: "4", c: "3", d: "5" });
    await revoke(ada, scope, bea);
    const before = cai.history.sequence(DATABASE);
    await exchange(ada, cai, [scope]);
    // What Bea had written over shows again, what she alone had written is gone, and nothing of anybody else.
    expect(await shownIn(cai, scope)).toEqual({ a: "1", b: "2", d: "5" });
    const names: { readonly key: Uint8Array }[][] = [];
    for await (const { takenBack = [] } of cai.history.changes.after(DATABASE, before))
      for (const part of takenBack) names.push(await cai.history.changes.rowsOf(part));
    expect(names.map((rows) => rows.map(({ key }) => fromUtf8(key)))).toEqual([["a", "c"], ["b"]]);
    await exchange(cai, ada, [scope]);
    await exchange(ada, bea, [scope]);
    for (const device of [cai, bea]) expect(summary(device, scope)).toEqual(summary(ada, scope));
    expect(await shownIn(ada, scope)).toEqual({ a: "1", b: "2", d: "5" });
    expect(await shownIn(bea, scope)).toEqual({ a: "1", b: "2", d: "5" });
    const { number } = cai.history.scope(scope) ?? expect.unreachable();
    expect(await keysIn(cai, asideRange(number))).toBe(2);
    expect(await keysIn(cai, oldRange(number, ROW_SPACE.rows, utf8("a")))).toBe(0);
    await close(ada, bea, cai);
  });

  test("[HI40] does the same to who hears of it before the rows as to who hears of it after", async () => {
    const { ada, bea, cai, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    await exchange(bea, ada, [scope]);
    await writeRows(bea, scope, rowOf("a", "2"));
    await exchange(bea, cai, [scope]);
    // A writer who has seen what does not count any more.
    await writeRows(cai, scope, rowOf("a", "3"));
    const dan = await makeDevice(4);
    await dan.history.createDatabase(DATABASE);
    await revoke(ada, scope, bea);
    await exchange(ada, dan, [scope]);
    expect((await exchange(cai, dan, [scope]))?.aside).toBe(1);
    await exchange(ada, cai, [scope]);
    await exchange(cai, ada, [scope]);
    for (const device of [ada, dan]) expect(summary(device, scope)).toEqual(summary(cai, scope));
    expect(await shownIn(dan, scope)).toEqual({ a: "3" });
    await close(ada, bea, cai, dan);
  });

  test("[HI41] [HI42] holds over a restart", async () => {
    const { ada, bea, cai, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    await exchange(bea, cai, [scope]);
    await revoke(ada, scope, bea);
    await exchange(ada, cai, [scope]);
    expect(await shownIn(cai, scope)).toEqual({});
    const again = await makeDevice(3, { store: cai.store });
    expect(summary(again, scope)).toEqual(summary(cai, scope));
    await close(again, ada, bea, cai);
  });
});

test("[HI48] what is more than one write may change is taken back by several", async () => {
  const { ada, bea, cai, scope } = await opened();
  for (let batch = 0; batch < 3; batch++) {
    const rows = Array.from({ length: 7000 }, (_, i) => rowOf(`${batch} ${i}`, "1"));
    await writeRows(bea, scope, ...rows);
  }
  await exchange(bea, cai, [scope]);
  const sizes: number[] = [];
  cai.history.onWritten(({ takenBack = [] }) => sizes.push(takenBack.length));
  await revoke(ada, scope, bea);
  await exchange(ada, cai, [scope]);
  expect(sizes).toEqual([2, 2]);
  await exchange(cai, ada, [scope]);
  expect(summary(cai, scope)).toEqual(summary(ada, scope));
  expect(await shownIn(cai, scope)).toEqual({});
  await close(ada, bea, cai);
});

describe("whose right ended", () => {
  test("[HI45] keeps what it wrote, is told of it, and goes on in another log once it is granted again", async () => {
    const { ada, bea, cai, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    await exchange(bea, ada, [scope]);
    await bea.history.write({ parts: [{ scope, rows: [rowOf("b", "2")] }], hint: "late" });
    const told: number[][] = [];
    bea.history.onQuarantined(({ generations }) => told.push([...generations]));
    const [log] = [...bea.history.freezeOf(scope, { device: bea.device }).keys()];
    await revoke(ada, scope, bea);
    await exchange(ada, bea, [scope]);
    expect(told).toEqual([[3]]);
    const kept = [];
    for await (const { hint, rows, generation } of bea.history.quarantined(scope))
      kept.push([generation, hint, ...rows.map(({ key }) => fromUtf8(key))]);
    expect(kept).toEqual([[3, "late", "b"]]);
    const refused = writeRows(bea, scope, rowOf("c", "3"));
    await expect(refused).rejects.toMatchObject({ code: "HISTORY_UNAUTHORISED" });
    await grant(ada, scope, bea.user, "writer");
    await exchange(ada, bea, [scope]);
    await writeRows(bea, scope, rowOf("c", "4"));
    expect(bea.history.freezeOf(scope, { user: bea.user }).size).toBe(2);
    await exchange(bea, cai, [scope]);
    await exchange(ada, cai, [scope]);
    await exchange(cai, ada, [scope]);
    for (const device of [ada, bea]) expect(summary(device, scope)).toEqual(summary(cai, scope));
    expect(await shownIn(ada, scope)).toEqual({ a: "1", c: "4" });
    expect(
      bea.history
        .scope(scope)
        ?.vector()
        .get(log as never),
    ).toBe(2);
    // One new log for all that follows.
    for (const value of ["5", "6", "7"]) await writeRows(bea, scope, rowOf("c", value));
    expect(bea.history.freezeOf(scope, { user: bea.user }).size).toBe(2);
    await exchange(bea, ada, [scope]);
    expect(await shownIn(ada, scope)).toEqual({ a: "1", c: "7" });
    await close(ada, bea, cai);
  });

  test("[HI45] goes on in the log that it has where nothing of that lies beyond the freeze", async () => {
    const { ada, bea, cai, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    await exchange(bea, ada, [scope]);
    await revoke(ada, scope, bea);
    await grant(ada, scope, bea.user, "writer");
    await exchange(ada, bea, [scope]);
    for (const value of ["2", "3"]) await writeRows(bea, scope, rowOf("a", value));
    expect(bea.history.freezeOf(scope, { user: bea.user }).size).toBe(1);
    await exchange(bea, cai, [scope]);
    await exchange(ada, cai, [scope]);
    await exchange(cai, ada, [scope]);
    for (const device of [ada, bea]) expect(summary(device, scope)).toEqual(summary(cai, scope));
    expect(await shownIn(ada, scope)).toEqual({ a: "3" });
    await close(ada, bea, cai);
  });

  test("[HI47] a freeze names what is held of a user, or of one device", async () => {
    const { ada, bea, cai, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    await writeRows(cai, scope, rowOf("b", "1"));
    await exchange(bea, ada, [scope]);
    await exchange(cai, ada, [scope]);
    const { history } = ada;
    expect([...history.freezeOf(scope, { user: bea.user }).values()]).toEqual([2]);
    expect(history.freezeOf(scope, { device: bea.device })).toEqual(
      history.freezeOf(scope, { user: bea.user }),
    );
    expect(history.freezeOf(scope, { user: cai.user }).size).toBe(1);
    expect(history.freezeOf({ ...scope, name: "none" }, { user: cai.user }).size).toBe(0);
    await close(ada, bea, cai);
  });
});

describe("a log that forks", () => {
  test("[HI46] is proven by whoever holds the one branch and is shown the other, and counts for nobody from there on", async () => {
    const { ada, bea, cai, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    await exchange(bea, ada, [scope]);
    // Bea's store is copied, and both go on.
    const medium = await openMemoryStore();
    const entries: { type: "put"; key: Uint8Array; value: Uint8Array }[] = [];
    for await (const { key, value } of bea.store.scan({}))
      entries.push({ type: "put", key, value });
    await medium.write(entries);
    const copy = await makeDevice(2, { store: medium });
    await writeRows(bea, scope, rowOf("b", "left"));
    await writeRows(copy, scope, rowOf("c", "right"));
    await exchange(bea, ada, [scope]);
    await exchange(copy, cai, [scope]);
    expect(await shownIn(ada, scope)).toEqual({ a: "1", b: "left" });
    expect(await shownIn(cai, scope)).toEqual({ a: "1", c: "right" });
    // Ada is shown the other branch: what an initiator gets that asks from before it.
    const state = cai.history.scope(scope) ?? expect.unreachable();
    const parts: PreparedPart[] = [];
    for await (const { part } of cai.history.partsAbove([{ scope: state, vector: new Map() }]))
      parts.push(ada.history.prepare(part));
    const claims = [{ scope, vector: state.vector() }];
    const asked = new Set([scopeKeyOf(scope)]);
    await ada.history.receive(DATABASE, { from: cai.device, asked, parts, claims });
    expect(await shownIn(ada, scope)).toEqual({ a: "1" });
    const size = ada.history.scope(scope)?.access.heads;
    await ada.history.receive(DATABASE, { from: cai.device, asked, parts, claims });
    expect(ada.history.scope(scope)?.access.heads).toEqual(size);
    for (const to of [cai, bea]) await exchange(ada, to, [scope]);
    for (const device of [cai, bea]) expect(summary(device, scope)).toEqual(summary(ada, scope));
    // Bea goes on in another log.
    await writeRows(bea, scope, rowOf("d", "5"));
    await exchange(bea, ada, [scope]);
    await exchange(ada, cai, [scope]);
    expect(await shownIn(cai, scope)).toEqual({ a: "1", d: "5" });
    await close(ada, bea, cai, copy);
    await medium.close();
  });
});

describe("a part aside", () => {
  test("[HI21] [HI41] waits for what its contexts name, and not for what lies beyond a freeze", async () => {
    const { ada, bea, cai, scope } = await opened();
    const [dan, eve] = [await makeDevice(4), await makeDevice(5)];
    await grant(ada, scope, eve.user, "writer");
    await exchange(ada, eve, [scope]);
    // So that they are known: nobody's word changes later.
    for (const device of [bea, eve]) {
      await writeRows(device, scope, rowOf("b", "0"));
      await exchange(device, ada, [scope]);
    }
    for (const device of [eve, dan]) await exchange(ada, device, [scope]);
    await writeRows(bea, scope, rowOf("a", "1"));
    await writeRows(eve, scope, rowOf("a", "2"));
    const policy = { type: "policy", prefix: "", policy: "keepAll" } as const;
    await ada.history.write({ parts: [{ scope, rows: [], controls: [policy] }] });
    for (const device of [ada, bea, eve]) await exchange(device, cai, [scope]);
    await writeRows(cai, scope, rowOf("a", "3"));
    await revoke(ada, scope, bea);
    // Aside, since it names a control op that is not here yet; then waiting for Eve, as Bea's will not come to count.
    expect((await exchangeOwn(cai, dan, scope))?.aside).toBeGreaterThan(0);
    await exchange(ada, dan, [scope]);
    expect(await shownIn(dan, scope)).toEqual({ b: "0 0" });
    await exchangeOwn(eve, dan, scope);
    expect(await shownIn(dan, scope)).toEqual({ a: "3", b: "0 0" });
    await close(ada, bea, cai, dan, eve);
  });
});

describe("control ops", () => {
  test("[HI43] of a part that does not count are taken from whoever has them, and not from their author alone", async () => {
    const { ada, bea, cai, scope } = await openedWithAdmin();
    await exchange(ada, cai, [scope]);
    const dan = await makeDevice(4);
    await dan.history.createDatabase(DATABASE);
    await revoke(ada, scope, bea);
    // Bea does not know it yet, and Cai builds on what she grants.
    await grant(bea, scope, dan.user, "writer");
    await exchange(bea, cai, [scope]);
    await writeRows(cai, scope, rowOf("c", "1"));
    await exchange(ada, dan, [scope]);
    const before = dan.history.scope(scope)?.access.heads;
    expect((await exchange(bea, dan, [scope]))?.aside).toBeGreaterThan(0);
    expect(dan.history.scope(scope)?.access.heads).toEqual(before);
    await exchange(cai, dan, [scope]);
    await exchange(ada, cai, [scope]);
    expect(dan.history.scope(scope)?.access.heads).toEqual(cai.history.scope(scope)?.access.heads);
    expect(summary(dan, scope)).toEqual(summary(cai, scope));
    await close(ada, bea, cai, dan);
  });

  test("[HI43] of one part all are taken, whatever becomes of the first", async () => {
    const { ada, bea, cai, scope } = await openedWithAdmin();
    await exchange(ada, cai, [scope]);
    await revoke(ada, scope, bea);
    // Bea does not know it yet: at Ada each of these comes without effect, at Cai it has one.
    const controls = ["a", "b", "c"].map((prefix): VerifiedOp => ({
      type: "policy",
      prefix,
      policy: "keepAll",
    }));
    await bea.history.write({ parts: [{ scope, rows: [], controls }] });
    await exchange(bea, cai, [scope]);
    await exchange(cai, ada, [scope]);
    await exchange(ada, cai, [scope]);
    expect(summary(ada, scope)).toEqual(summary(cai, scope));
    await close(ada, bea, cai);
  });

  test("[HI43] of a part that does not count are taken from their author once that has a right again", async () => {
    const { ada, bea, cai, scope } = await openedWithAdmin();
    await revoke(ada, scope, bea);
    // Bea does not know it yet. What she grants lies aside at Ada, and is not sent a second time.
    await grant(bea, scope, cai.user, "writer");
    expect((await exchange(bea, ada, [scope]))?.aside).toBeGreaterThan(0);
    await grant(ada, scope, bea.user, "writer");
    await exchange(ada, bea, [scope]);
    await writeRows(bea, scope, rowOf("a", "2"));
    await exchange(bea, ada, [scope]);
    expect(await shownIn(ada, scope)).toEqual({ a: "2" });
    for (const device of [ada, cai]) await exchange(device, bea, [scope]);
    for (const device of [ada, cai]) {
      await exchange(bea, device, [scope]);
      expect(summary(device, scope)).toEqual(summary(bea, scope));
    }
    await close(ada, bea, cai);
  });

  test("[HI44] come without rows, and of nothing that is claimed", async () => {
    const { ada, bea, cai, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    const state = bea.history.scope(scope) ?? expect.unreachable();
    const parts: PreparedPart[] = [];
    for await (const { part } of bea.history.partsAbove([{ scope: state, vector: new Map() }]))
      parts.push(cai.history.prepare(part));
    const give = (loose: typeof parts): Promise<unknown> =>
      cai.history.receive(DATABASE, {
        ...{ from: bea.device, asked: new Set([scopeKeyOf(scope)]), parts: [], claims: [] },
        loose,
      });
    const withRows = parts.filter(({ rows }) => rows.length > 0);
    await expect(give(withRows)).rejects.toMatchObject({ code: "HISTORY_MALFORMED" });
    const before = summary(cai, scope);
    // Held already, as parts that count: nothing is written.
    await give(parts.filter(({ author, rows }) => author === ada.device && rows.length === 0));
    expect(summary(cai, scope)).toEqual(before);
    // Bea's introduction, before any commit of hers.
    await give(parts.filter(({ author, rows }) => author === bea.device && rows.length === 0));
    const { access } = cai.history.scope(scope) ?? expect.unreachable();
    expect(access.userOf(bea.device)).toBe(bea.user);
    expect(cai.history.freezeOf(scope, { user: bea.user }).size).toBe(0);
    await exchange(bea, cai, [scope]);
    expect(summary(cai, scope)).toEqual(summary(bea, scope));
    await close(ada, bea, cai);
  });
});
