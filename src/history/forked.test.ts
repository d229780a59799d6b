/** What we wrote beyond a fork of our own log is authored again. */

import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { encodeValue, Mergeable, type ScopeId, scopeKeyOf, toHex, utf8 } from "../base/index.ts";
import { createMemoryMedium, openMemoryStore, type Store } from "../store/index.ts";
import {
  exchange,
  grant,
  makeDevice,
  settleDevices,
  type TestDevice,
  shownIn,
  writeRows,
} from "../testkit/device.ts";
import {
  type PreparedPart,
  type QuarantinedPart,
  type Receipt,
  ROW_SPACE,
  type RowWrite,
} from "./index.ts";

const DATABASE = "notes";

const rowOf = (text: string, content: string | undefined): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: content === undefined ? undefined : encodeValue(content),
});
async function quarantined({ history }: TestDevice, scope: ScopeId): Promise<QuarantinedPart[]> {
  const parts: QuarantinedPart[] = [];
  for await (const part of history.quarantined(scope)) parts.push(part);
  return parts;
}

/** Ada owns, Bea and Cai write, and all know row `a`. `copy` is Bea's store as it was then, at work under the same log. */
async function opened(): Promise<
  Record<"ada" | "bea" | "cai" | "copy", TestDevice> & {
    scope: ScopeId;
    medium: Store;
    /** Bea, in doubt whether her store is what was closed last. */
    reopen: (opening: number) => Promise<TestDevice>;
  }
> {
  const [ada, cai] = [await makeDevice(1), await makeDevice(3)];
  const disk = createMemoryMedium();
  const anonymous = { openEngine: () => disk.openEngine() };
  const medium = await openMemoryStore({ medium: anonymous });
  const bea = await makeDevice(2, { store: medium });
  for (const device of [ada, bea, cai]) await device.history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  for (const { user } of [bea, cai]) await grant(ada, scope, user, "writer");
  for (const to of [bea, cai]) await exchange(ada, to, [scope]);
  await writeRows(bea, scope, rowOf("a", "0"), rowOf("b", "0"));
  for (const to of [ada, cai]) await exchange(bea, to, [scope]);
  const copy = await copyOf(medium, 50);
  const reopen = async (opening: number): Promise<TestDevice> => {
    await bea.close();
    await medium.close();
    return makeDevice(2, { store: await openMemoryStore({ medium: anonymous }), opening });
  };
  return { ada, bea, cai, copy, scope, medium, reopen };
}

/** Bea over a copy of her store as it is. */
async function copyOf(medium: Store, opening: number): Promise<TestDevice> {
  const store = await openMemoryStore();
  const entries: { type: "put"; key: Uint8Array; value: Uint8Array }[] = [];
  for await (const { key, value } of medium.scan({})) entries.push({ type: "put", key, value });
  await store.write(entries);
  return makeDevice(2, { store, opening });
}

/** Gives `to` all that counts at `from`, as an initiator gets it that asks for everything. */
async function giveAll(from: TestDevice, to: TestDevice, scope: ScopeId): Promise<Receipt> {
  const state = from.history.scope(scope) ?? expect.unreachable();
  const parts: PreparedPart[] = [];
  for await (const { part } of from.history.partsAbove([{ scope: state, vector: new Map() }]))
    parts.push(to.history.prepare(part));
  const claims = [{ scope, vector: state.vector() }];
  const asked = new Set([scopeKeyOf(scope)]);
  return to.history.receive(DATABASE, { from: from.device, asked, parts, claims });
}

const settled = (device: TestDevice, scope: ScopeId): Promise<void> =>
  vi.waitFor(async () => expect(await quarantined(device, scope)).toEqual([]));

/** What must be the same wherever everything has come. */
const sumOf = ({ history }: TestDevice, scope: ScopeId): string =>
  toHex(history.scope(scope)?.sum.toBytes() ?? expect.unreachable());

async function closeAll(...devices: TestDevice[]): Promise<void> {
  for (const device of devices) await device.close();
}

describe("a forked log of ours", () => {
  test("[HI75] [HI73] both branches are written again, where a peer brings the lost one: each value is a head", async () => {
    const { ada, bea, cai, copy, scope } = await opened();
    await writeRows(copy, scope, rowOf("a", "lost"), rowOf("c", "lost"));
    await writeRows(copy, scope, rowOf("d", "same"));
    await exchange(copy, cai, [scope]);
    await copy.close();
    // Bea goes on with an older state, offline.
    await writeRows(bea, scope, rowOf("a", "offline"));
    await writeRows(bea, scope, rowOf("d", "same"));
    await giveAll(cai, bea, scope);
    await settled(bea, scope);
    const all = { a: "lost offline", b: "0", c: "lost", d: "same" };
    expect(await shownIn(bea, scope)).toEqual(all);
    // Whoever does not know of the fork yet brings it again: nothing is written twice.
    const before = sumOf(bea, scope);
    await writeRows(bea, scope, rowOf("a", "resolved"));
    await giveAll(cai, bea, scope);
    await settled(bea, scope);
    expect(await shownIn(bea, scope)).toEqual({ ...all, a: "resolved" });
    expect(sumOf(bea, scope)).not.toBe(before);
    await settleDevices([ada, bea, cai], [scope]);
    for (const device of [ada, cai]) {
      expect(await shownIn(device, scope)).toEqual({ ...all, a: "resolved" });
      expect(sumOf(device, scope)).toBe(sumOf(bea, scope));
    }
    await closeAll(ada, bea, cai);
  });

  test("[HI75] is written again where others prove the fork, beside what they wrote to the row", async () => {
    const { ada, bea, cai, copy, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    await writeRows(bea, scope, rowOf("a", "2"), rowOf("b", undefined));
    await exchange(bea, ada, [scope]);
    await writeRows(copy, scope, rowOf("c", "right"));
    await exchange(copy, cai, [scope]);
    await writeRows(cai, scope, rowOf("a", "cai"));
    await giveAll(cai, ada, scope);
    expect(await shownIn(ada, scope)).toEqual({ a: "cai", b: "0" });
    for (const to of [bea, copy, cai]) await exchange(ada, to, [scope]);
    for (const device of [bea, copy]) await settled(device, scope);
    // The older value of the branch is not written again: a newer one of the same branch follows it.
    expect(await shownIn(bea, scope)).toEqual({ a: "2 cai", b: "-" });
    for (const from of [bea, copy]) await exchange(from, ada, [scope]);
    for (const to of [bea, copy, cai]) await exchange(ada, to, [scope]);
    for (const device of [ada, bea, copy, cai])
      expect(await shownIn(device, scope)).toEqual({ a: "2 cai", b: "-", c: "right" });
    await closeAll(ada, bea, cai, copy);
  });

  test("[HI72] goes on after the history was closed between, and writes nothing twice", async () => {
    const { ada, bea, cai, copy, scope, medium } = await opened();
    for (const n of [1, 2, 3, 4]) await writeRows(bea, scope, rowOf(`r${n}`, `${n}`));
    await writeRows(copy, scope, rowOf("c", "right"));
    await exchange(copy, cai, [scope]);
    await giveAll(cai, bea, scope);
    await bea.close();
    let left = (await quarantined(bea, scope)).length;
    expect(left).toBeGreaterThan(0);
    const rows = { a: "0", b: "0", c: "right", r1: "1", r2: "2", r3: "3", r4: "4" };
    for (let opening = 60; left > 0; opening += 1) {
      expect(opening).toBeLessThan(70);
      const again = await makeDevice(2, { store: medium, opening });
      // A write of ours lets one part after the other go on.
      await writeRows(again, scope, rowOf("a", "0"));
      await again.close();
      left = (await quarantined(again, scope)).length;
    }
    const last = await makeDevice(2, { store: medium, opening: 80 });
    expect(await shownIn(last, scope)).toEqual(rows);
    const before = last.history.scope(scope)?.vector() ?? expect.unreachable();
    await giveAll(cai, last, scope);
    await last.history.maintain(DATABASE, () => Promise.resolve());
    expect(await shownIn(last, scope)).toEqual(rows);
    const state = last.history.scope(scope) ?? expect.unreachable();
    expect([...state.vector()]).toEqual([...before]);
    await closeAll(ada, cai, copy, last);
  });

  test("[HI75] is written again by an opening that is in doubt about its log: at once, where the fork has ended that", async () => {
    const { ada, bea, cai, copy, scope, reopen } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    await exchange(bea, ada, [scope]);
    await writeRows(copy, scope, rowOf("c", "right"));
    await exchange(copy, cai, [scope]);
    await giveAll(cai, ada, scope);
    const again = await reopen(60);
    await exchange(ada, again, [scope]);
    await settled(again, scope);
    expect(await shownIn(again, scope)).toEqual({ a: "1", b: "0" });
    await closeAll(ada, cai, copy, again);
  });

  test("[HI75] is written again by an opening that is in doubt about a log without commits: at once", async () => {
    const { ada, cai, bea, copy, scope, medium, reopen } = await opened();
    const other = await copyOf(medium, 51);
    await writeRows(copy, scope, rowOf("c", "left"));
    await exchange(copy, cai, [scope]);
    // Her log is known to go on elsewhere, so she begins one, and writes nothing.
    await exchange(cai, bea, [scope]);
    await writeRows(other, scope, rowOf("d", "right"));
    await exchange(other, ada, [scope]);
    const again = await reopen(60);
    await giveAll(cai, ada, scope);
    await exchange(ada, again, [scope]);
    await settled(again, scope);
    expect(await shownIn(again, scope)).toMatchObject({ c: "left" });
    await closeAll(ada, cai, copy, other, again);
  });

  test("[HI75] is written again by an opening that is in doubt about another log, once a peer's word has ended that", async () => {
    const { ada, bea, cai, copy, scope, reopen } = await opened();
    for (const n of [1, 2, 3]) await writeRows(bea, scope, rowOf(`r${n}`, `${n}`));
    await writeRows(copy, scope, rowOf("c", "right"));
    await exchange(copy, cai, [scope]);
    await giveAll(cai, bea, scope);
    const again = await reopen(60);
    await again.history.maintain(DATABASE, () => Promise.resolve());
    const log = again.history.ownLog(DATABASE);
    expect(await quarantined(again, scope)).not.toEqual([]);
    again.history.hearWord(DATABASE, new Map([[log, 1]]));
    await settled(again, scope);
    expect(again.history.ownLog(DATABASE)).toBe(log);
    expect(await shownIn(again, scope)).toMatchObject({ r1: "1", r2: "2", r3: "3" });
    await closeAll(ada, cai, copy, again);
  });

  test("[HI75] stays in quarantine where its user may not write, until that is granted again", async () => {
    const { ada, bea, cai, copy, scope } = await opened();
    await writeRows(bea, scope, rowOf("a", "1"));
    await exchange(bea, ada, [scope]);
    await writeRows(copy, scope, rowOf("c", "right"));
    await exchange(copy, cai, [scope]);
    await giveAll(cai, ada, scope);
    const { user } = bea;
    const freeze = ada.history.freezeOf(scope, { user });
    const controls = [{ type: "revoke", user, freeze }] as const;
    await ada.history.write({ parts: [{ scope, rows: [], controls }] });
    await exchange(ada, bea, [scope]);
    await bea.history.maintain(DATABASE, () => Promise.resolve());
    expect(await quarantined(bea, scope)).toHaveLength(1);
    await grant(ada, scope, user, "writer");
    await exchange(ada, bea, [scope]);
    await settled(bea, scope);
    expect(await shownIn(bea, scope)).toEqual({ a: "1", b: "0" });
    await closeAll(ada, bea, cai, copy);
  });

  test("[HI74] counters, sets and maps stay in quarantine, and the rest of their part is written", async () => {
    const { ada, bea, cai, copy, scope } = await opened();
    const count = rowOf("n", "x").name;
    const value = encodeValue(new Mergeable([1, [], [], [5]]));
    await writeRows(bea, scope, rowOf("a", "1"), { name: count, value });
    await writeRows(copy, scope, rowOf("c", "right"));
    await exchange(copy, cai, [scope]);
    await giveAll(cai, bea, scope);
    await vi.waitFor(async () =>
      expect(await shownIn(bea, scope)).toEqual({ a: "1", b: "0", c: "right" }),
    );
    const [part, ...others] = await quarantined(bea, scope);
    expect(others).toEqual([]);
    expect(part?.rows).toEqual([{ space: ROW_SPACE.rows, key: count.key, value }]);
    await closeAll(ada, bea, cai, copy);
  });

  test("[HI75] [HI73] nothing of either branch is lost, whatever was written to it and however often it comes", async () => {
    const write = fc.record({
      key: fc.constantFrom("a", "b", "c"),
      times: fc.integer({ min: 1, max: 2 }),
    });
    const branch = fc.array(write, { minLength: 1, maxLength: 5 });
    const scripts = fc.record({
      left: branch,
      right: branch,
      others: fc.array(write),
      again: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(scripts, async ({ left, right, others, again }) => {
        const { ada, bea, cai, copy, scope } = await opened();
        let serial = 0;
        const last = new Map<string, string>();
        const play = async (by: TestDevice, word: string, script: typeof left): Promise<void> => {
          for (const { key, times } of script)
            for (let i = 0; i < times; i += 1) {
              const content = `${word}${(serial += 1)}`;
              last.set(`${word} ${key}`, content);
              await writeRows(by, scope, rowOf(key, content));
            }
        };
        await play(cai, "other", others);
        await play(copy, "right", right);
        await exchange(copy, cai, [scope]);
        await play(bea, "left", left);
        for (let i = 0; i <= again; i += 1) await giveAll(cai, bea, scope);
        await settled(bea, scope);
        await settleDevices([ada, bea, cai], [scope]);
        for (const device of [ada, bea, cai]) {
          const rows = await shownIn(device, scope);
          for (const [name, content] of last)
            expect(rows[name.split(" ")[1] as string]?.split(" ")).toContain(content);
          expect(sumOf(device, scope)).toBe(sumOf(bea, scope));
        }
        await closeAll(ada, bea, cai, copy);
      }),
      { numRuns: 15 },
    );
  });
});
