import { describe, expect, test } from "vitest";
import {
  codeOf,
  generationIn,
  type GenVector,
  type LogKey,
  type ScopeId,
  scopeKeyOf,
  toHex,
  utf8,
} from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { exchange, grant, holdingsOf, makeDevice, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { decodeOp } from "../wire/index.ts";
import {
  type CommitPart,
  type Delivery,
  type PreparedPart,
  type Receipt,
  ROW_SPACE,
  type RowWrite,
} from "./index.ts";

const DATABASE = "notes";
const crypto = nodeCrypto();

const rowOf = (text: string, content?: string): RowWrite => ({
  name: { space: ROW_SPACE.rows, key: utf8(text), text },
  value: content === undefined ? undefined : Uint8Array.of(0x60 + content.length, ...utf8(content)),
});
const put = (by: TestDevice, scope: ScopeId, ...rows: RowWrite[]): Promise<unknown> =>
  by.history.write({ parts: [{ scope, rows }] });

/** Devices of as many users; the first owns the collection and has written to it, the others may write once they know. */
async function family(count: number): Promise<{ devices: TestDevice[]; scope: ScopeId }> {
  const devices: TestDevice[] = [];
  for (let i = 0; i < count; i++) {
    const device = await makeDevice(i + 1, { clock: new FakeClock() });
    await device.history.createDatabase(DATABASE);
    devices.push(device);
  }
  const [ada, ...others] = devices as [TestDevice, ...TestDevice[]];
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: ada.user, name: "list" };
  await put(ada, scope, rowOf("first", "0"));
  for (const { user } of others) await grant(ada, scope, user, "writer");
  return { devices, scope };
}

async function closeAll(devices: readonly TestDevice[]): Promise<void> {
  for (const device of devices) await device.close();
}

/** The parts that `from` holds of a scope, by log and generation. */
async function partsOf(
  from: TestDevice,
  scope: ScopeId,
  above: GenVector = new Map(),
): Promise<Map<string, CommitPart>> {
  const state = from.history.scope(scope);
  const parts = new Map<string, CommitPart>();
  if (state === undefined) return parts;
  for await (const { part, log, generation } of from.history.partsAbove([
    { scope: state, vector: above },
  ]))
    parts.set(`${from.history.logOf(log)} ${generation}`, part);
  return parts;
}

/** A delivery of some parts, with what may be claimed when they are all there is. */
function deliveryOf(
  from: TestDevice,
  to: TestDevice,
  scope: ScopeId,
  parts: Iterable<CommitPart>,
): Delivery & { readonly parts: PreparedPart[] } {
  const prepared = Array.from(parts, (part) => to.history.prepare(part));
  const vector = new Map<LogKey, number>();
  for (const { log, generation } of prepared)
    vector.set(log, Math.max(generation, generationIn(vector, log)));
  return {
    from: from.device,
    asked: new Set([scopeKeyOf(scope)]),
    parts: prepared,
    claims: [{ scope, vector }],
  };
}

const receive = (to: TestDevice, delivery: Delivery): Promise<Receipt> =>
  to.history.receive(DATABASE, delivery);

async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "done",
    (error: unknown) => codeOf(error) ?? String(error),
  );
}

describe("a round", () => {
  test("[HI20] brings everything that is lacked, and a second one nothing", async () => {
    const { devices, scope } = await family(2);
    const [ada, bea] = devices as [TestDevice, TestDevice];
    const receipt = await exchange(ada, bea, [scope]);
    expect(receipt).toEqual({ rows: 1, duplicates: 0, aside: 0, waiting: [] });
    expect(await holdingsOf(bea, scope)).toEqual(await holdingsOf(ada, scope));
    const sequence = bea.history.sequence(DATABASE);
    expect(await exchange(ada, bea, [scope])).toEqual({
      rows: 0,
      duplicates: 0,
      aside: 0,
      waiting: [],
    });
    expect(bea.history.sequence(DATABASE)).toBe(sequence);
    await put(bea, scope, rowOf("second", "1"));
    await exchange(bea, ada, [scope]);
    expect(await holdingsOf(bea, scope)).toEqual(await holdingsOf(ada, scope));
    await closeAll(devices);
  });

  test("[HI19] what a third device is served has the bytes that its author signed", async () => {
    const { devices, scope } = await family(4);
    const [ada, bea, cai, dan] = devices as [TestDevice, TestDevice, TestDevice, TestDevice];
    await exchange(ada, bea, [scope]);
    for (let i = 0; i < 6; i++) {
      await put(
        ada,
        scope,
        rowOf("a", `${i}`),
        rowOf("b", i % 2 === 0 ? undefined : "x"),
        rowOf(`ada ${i}`, "1"),
      );
      await put(bea, scope, rowOf("a", `${i}`), rowOf("first", `${i}`));
      if (i % 2 === 0) await exchange(ada, bea, [scope]);
      if (i % 3 === 0) await exchange(bea, ada, [scope]);
    }
    await exchange(ada, cai, [scope], { limit: 5 });
    await exchange(bea, cai, [scope]);
    await exchange(ada, cai, [scope]);
    await exchange(cai, dan, [scope]);
    const authored = new Map([...(await partsOf(ada, scope)), ...(await partsOf(bea, scope))]);
    const served = await partsOf(dan, scope);
    expect([...served.keys()].toSorted()).toEqual([...authored.keys()].toSorted());
    for (const [name, part] of served) expect(part, name).toEqual(authored.get(name));
    expect(await holdingsOf(dan, scope)).toEqual(await holdingsOf(cai, scope));
    await closeAll(devices);
  });

  test("[HI20] parts that are held already are dropped, and nothing is written for them", async () => {
    const { devices, scope } = await family(2);
    const [ada, bea] = devices as [TestDevice, TestDevice];
    const parts = await partsOf(ada, scope);
    await receive(bea, deliveryOf(ada, bea, scope, parts.values()));
    const before = await holdingsOf(bea, scope);
    const sequence = bea.history.sequence(DATABASE);
    const receipt = await receive(bea, deliveryOf(ada, bea, scope, parts.values()));
    expect(receipt).toEqual({ rows: 0, duplicates: parts.size, aside: 0, waiting: [] });
    expect(await holdingsOf(bea, scope)).toEqual(before);
    expect(bea.history.sequence(DATABASE)).toBe(sequence);
    await closeAll(devices);
  });

  test("[HI20] a claim of what was not sent raises nothing", async () => {
    const { devices, scope } = await family(2);
    const [ada, bea] = devices as [TestDevice, TestDevice];
    await exchange(ada, bea, [scope]);
    const [[log, generation]] = [...(ada.history.scope(scope)?.vector() ?? [])] as [
      [LogKey, number],
    ];
    const vector = new Map([[log, generation + 3]]);
    await receive(bea, { ...deliveryOf(ada, bea, scope, []), claims: [{ scope, vector }] });
    expect(bea.history.scope(scope)?.generationOf(log)).toBe(generation);
    expect([...(await partsOf(bea, scope)).keys()]).toEqual([
      ...(await partsOf(ada, scope)).keys(),
    ]);
    await closeAll(devices);
  });

  test("[HI13] the head sum is that of the live heads, on every device", async () => {
    const { devices, scope } = await family(2);
    const [ada, bea] = devices as [TestDevice, TestDevice];
    await exchange(ada, bea, [scope]);
    await put(ada, scope, rowOf("a", "1"), rowOf("b", "1"), rowOf("first"));
    await put(bea, scope, rowOf("a", "2"), rowOf("c", "1"));
    await exchange(ada, bea, [scope]);
    await exchange(bea, ada, [scope]);
    for (const device of devices) {
      const digests = await digestsOf(device, scope);
      let sum = 0n;
      for await (const { key, row } of device.history.scan(scope, ROW_SPACE.rows)) {
        for (const { log, generation, value } of row.heads) {
          if (value === undefined) continue;
          const digest = digests.get(`${log} ${generation} ${toHex(key)}`);
          sum += BigInt(`0x${toHex(digest as Uint8Array)}`);
        }
      }
      const expected = (sum % 2n ** 256n).toString(16).padStart(64, "0");
      expect(toHex(device.history.scope(scope)?.sum.toBytes() ?? new Uint8Array())).toBe(expected);
    }
    await closeAll(devices);
  });

  /** SHA-256 of every op that a device serves, by its version and row. */
  async function digestsOf({ history }: TestDevice, id: ScopeId): Promise<Map<string, Uint8Array>> {
    const digests = new Map<string, Uint8Array>();
    const state = history.scope(id);
    if (state === undefined) return digests;
    for await (const { part, log, generation } of history.partsAbove([
      { scope: state, vector: new Map() },
    ])) {
      for (const op of part.ops) {
        const name = `${log} ${generation} ${toHex(decodeOp(op).key)}`;
        digests.set(name, crypto.sha256(Uint8Array.of(0, ...op)));
      }
    }
    return digests;
  }
});

describe("convergence", () => {
  const KEYS = ["a", "b", "c", "d", "e"];

  async function storm(seed: number): Promise<void> {
    const random = seededRandom(seed);
    const { devices, scope } = await family(3);
    const other = { ...scope, name: "other" };
    const [ada, bea, cai] = devices as [TestDevice, TestDevice, TestDevice];
    await put(ada, other, rowOf("first", "0"));
    for (const { user } of [bea, cai]) await grant(ada, other, user, "writer");
    for (let step = 0; step < 40; step++) {
      const device = random.pick(devices);
      if (random.chance(0.2)) await (device.clock as FakeClock).advance(random.below(3) * 60_000);
      if (random.chance(0.5)) {
        const keys = random.shuffled(KEYS).slice(0, 1 + random.below(3));
        const rows = keys.map((key) => rowOf(key, random.chance(0.25) ? undefined : `${step}`));
        const done = await outcomeOf(put(device, random.pick([scope, other]), ...rows));
        // Who does not know yet that it may write cannot.
        expect(["done", "HISTORY_UNAUTHORISED"]).toContain(done);
      } else {
        const from = random.pick(devices.filter((one) => one !== device));
        const limit = random.chance(0.6) ? 1 + random.below(4) : undefined;
        const scopes = random.chance(0.5) ? [scope] : [scope, other];
        expect((await exchange(from, device, scopes, { limit }))?.waiting ?? []).toEqual([]);
      }
    }
    for (let round = 0; round < 2; round++) {
      for (const from of devices)
        for (const to of devices) if (from !== to) await exchange(from, to, [scope, other]);
    }
    for (const one of [scope, other]) {
      const expected = await holdingsOf(ada, one);
      expect(await holdingsOf(bea, one), `seed ${seed}`).toEqual(expected);
      expect(await holdingsOf(cai, one), `seed ${seed}`).toEqual(expected);
    }
    await closeAll(devices);
  }

  test("[HI29] devices that have exchanged everything hold the same, whatever came between", async () => {
    for (let seed = 1; seed <= 25; seed++) await storm(seed);
  });

  test("[HI29] what was received is there when the store is opened again", async () => {
    const { devices, scope } = await family(2);
    const [ada] = devices as [TestDevice];
    await put(ada, scope, rowOf("a", "1"));
    await put(ada, scope, rowOf("a", "2"));
    const medium = createMemoryMedium();
    const cai = await makeDevice(9, { store: await openMemoryStore({ medium }) });
    await cai.history.createDatabase(DATABASE);
    await exchange(ada, cai, [scope]);
    const before = await holdingsOf(cai, scope);
    await cai.close();
    await cai.store.close();
    const again = await makeDevice(9, { store: await openMemoryStore({ medium }) });
    expect(await holdingsOf(again, scope)).toEqual(before);
    expect(await partsOf(again, scope)).toEqual(await partsOf(ada, scope));
    await again.close();
    await again.store.close();
    await closeAll(devices);
  });
});

describe("what waits", () => {
  test("[HI21] rows of an author who may not write yet are neither shown nor claimed, and come later", async () => {
    const { devices, scope } = await family(3);
    const [ada, bea, cai] = devices as [TestDevice, TestDevice, TestDevice];
    await exchange(ada, bea, [scope]);
    await put(bea, scope, rowOf("bea", "1"));
    await put(bea, scope, rowOf("bea", "2"));
    await exchange(bea, ada, [scope]);
    const isBeas = ([name]: [string, CommitPart]): boolean => name.startsWith(bea.device);
    const all = [...(await partsOf(ada, scope))];
    // Cai is given Bea's rows before Ada's grant.
    const beas = all.filter(isBeas).map(([, part]) => part);
    const early = await receive(cai, deliveryOf(ada, cai, scope, beas));
    expect(early.rows).toBe(0);
    expect(early.aside).toBe(beas.length);
    expect(early.waiting).toEqual([]);
    expect(await holdingsOf(cai, scope)).toMatchObject({ rows: [], vector: [] });
    // What is aside counts with the grant, in its write.
    const late = await receive(
      cai,
      deliveryOf(ada, cai, scope, [
        ...beas,
        ...all.filter((one) => !isBeas(one)).map(([, part]) => part),
      ]),
    );
    expect(late.waiting).toEqual([]);
    expect(await holdingsOf(cai, scope)).toEqual(await holdingsOf(ada, scope));
    await closeAll(devices);
  });

  test("[HI21] what follows a commit that is aside goes there too, and counts with it", async () => {
    const { devices, scope } = await family(3);
    const [ada, bea, cai] = devices as [TestDevice, TestDevice, TestDevice];
    await exchange(ada, bea, [scope]);
    for (const text of ["1", "2", "3"]) await put(bea, scope, rowOf(`bea ${text}`, text));
    await exchange(bea, ada, [scope]);
    const all = [...(await partsOf(ada, scope))];
    const beas = all.filter(([name]) => name.startsWith(bea.device)).map(([, part]) => part);
    const others = all.filter(([name]) => !name.startsWith(bea.device)).map(([, part]) => part);
    const [introduction, first, second, third] = beas as [CommitPart, ...CommitPart[]];
    for (const part of [introduction, first, second] as CommitPart[])
      expect((await receive(cai, deliveryOf(ada, cai, scope, [part]))).aside).toBe(1);
    expect(await holdingsOf(cai, scope)).toMatchObject({ rows: [], vector: [] });
    // The grant comes, and all that it was missing for counts.
    await receive(cai, deliveryOf(ada, cai, scope, others));
    await receive(cai, deliveryOf(ada, cai, scope, [third as CommitPart]));
    expect(await holdingsOf(cai, scope)).toEqual(await holdingsOf(ada, scope));
    await closeAll(devices);
  });

  test("[HI21] what follows a commit that was left with its sender waits there too", async () => {
    const { devices, scope } = await family(3);
    const [ada, bea, cai] = devices as [TestDevice, TestDevice, TestDevice];
    await exchange(ada, bea, [scope]);
    for (const text of ["1", "2", "3"]) await put(bea, scope, rowOf(`bea ${text}`, text));
    const beas = [...(await partsOf(bea, scope))].filter(([name]) => name.startsWith(bea.device));
    const parts = beas.map(([, part]) => part);
    await exchange(ada, cai, [scope]);
    for (const part of parts.slice(1))
      expect((await receive(cai, deliveryOf(bea, cai, scope, [part]))).waiting).toHaveLength(1);
    expect([...(cai.history.scope(scope)?.vector().keys() ?? [])]).toHaveLength(1);
    await exchange(bea, cai, [scope]);
    expect(await holdingsOf(cai, scope)).toEqual(await holdingsOf(bea, scope));
    await closeAll(devices);
  });

  test("[HI21] a control op waits for the ones that it names", async () => {
    const { devices, scope } = await family(3);
    const [ada, bea, cai] = devices as [TestDevice, TestDevice, TestDevice];
    await grant(ada, scope, bea.user, "admin");
    await exchange(ada, bea, [scope]);
    await grant(bea, scope, cai.user, "reader");
    const beas = [...(await partsOf(bea, scope))].filter(([name]) => name.startsWith(bea.device));
    const dan = await makeDevice(7);
    await dan.history.createDatabase(DATABASE);
    const delivery = deliveryOf(
      ada,
      dan,
      scope,
      beas.map(([, part]) => part),
    );
    expect((await receive(dan, delivery)).aside).toBe(beas.length);
    expect(await holdingsOf(dan, scope)).toMatchObject({ rows: [], vector: [] });
    await exchange(bea, dan, [scope]);
    expect(await holdingsOf(dan, scope)).toEqual(await holdingsOf(bea, scope));
    await dan.close();
    await closeAll(devices);
  });

  test("[HI21] what came in one delivery is served in an order that can be taken", async () => {
    const { devices, scope } = await family(4);
    const [ada, bea, cai, dan] = devices as [TestDevice, TestDevice, TestDevice, TestDevice];
    await exchange(ada, bea, [scope]);
    await put(bea, scope, rowOf("bea", "1"));
    await exchange(bea, ada, [scope]);
    // One delivery, one write: both logs have the same place in Cai's order of arrival. Claims come sorted by name.
    const delivery = deliveryOf(ada, cai, scope, (await partsOf(ada, scope)).values());
    for (const isTurned of [false, true]) {
      const taker = await makeDevice(isTurned ? 21 : 22);
      await taker.history.createDatabase(DATABASE);
      const { vector } = delivery.claims[0] ?? expect.unreachable();
      const entries = isTurned ? [...vector].toReversed() : [...vector];
      await receive(taker, { ...delivery, claims: [{ scope, vector: new Map(entries) }] });
      const last = await makeDevice(isTurned ? 23 : 24);
      await last.history.createDatabase(DATABASE);
      expect((await exchange(taker, last, [scope]))?.waiting).toEqual([]);
      expect(await holdingsOf(last, scope)).toEqual(await holdingsOf(ada, scope));
      await taker.close();
      await last.close();
    }
    await exchange(ada, cai, [scope]);
    const receipt = await exchange(cai, dan, [scope]);
    expect(receipt?.waiting).toEqual([]);
    expect(await holdingsOf(dan, scope)).toEqual(await holdingsOf(ada, scope));
    await closeAll(devices);
  });

  test("[HI21] a device that was given its own log back serves it in an order that can be taken", async () => {
    const { devices, scope } = await family(2);
    const [ada, bea] = devices as [TestDevice, TestDevice];
    await exchange(ada, bea, [scope]);
    await put(bea, scope, rowOf("bea", "1"));
    await exchange(bea, ada, [scope]);
    // Bea's store is lost, and she begins again with the same keys.
    const again = await makeDevice(2);
    await again.history.createDatabase(DATABASE);
    await exchange(ada, again, [scope]);
    const dan = await makeDevice(8);
    await dan.history.createDatabase(DATABASE);
    expect((await exchange(again, dan, [scope]))?.waiting).toEqual([]);
    expect(await holdingsOf(dan, scope)).toEqual(await holdingsOf(ada, scope));
    await again.close();
    await dan.close();
    await closeAll(devices);
  });

  test("[HI22] an author whose grant has been kept from us waits, and is not blamed", async () => {
    const { devices, scope } = await family(3);
    const [ada, bea, cai] = devices as [TestDevice, TestDevice, TestDevice];
    await exchange(ada, bea, [scope]);
    await put(bea, scope, rowOf("bea", "1"));
    const beas = [...(await partsOf(bea, scope))].filter(([name]) => name.startsWith(bea.device));
    const delivery = deliveryOf(
      bea,
      cai,
      scope,
      beas.map(([, part]) => part),
    );
    expect(await outcomeOf(receive(cai, delivery))).toBe("done");
    expect(await holdingsOf(cai, scope)).toMatchObject({ rows: [], vector: [] });
    expect(cai.history.sequence(DATABASE)).toBe(0);
    await closeAll(devices);
  });

  test("[HI11] a reader's rows count nowhere, and its own record everywhere", async () => {
    const { devices, scope } = await family(1);
    const [ada] = devices as [TestDevice];
    const eve = await makeDevice(5);
    const dan = await makeDevice(6);
    for (const device of [eve, dan]) await device.history.createDatabase(DATABASE);
    await grant(ada, scope, eve.user, "reader");
    await exchange(ada, eve, [scope]);
    await exchange(ada, dan, [scope]);
    expect(await outcomeOf(put(eve, scope, rowOf("eve", "1")))).toBe("HISTORY_UNAUTHORISED");
    const holder = (text: string): RowWrite => ({
      ...rowOf(text, "1"),
      name: { space: ROW_SPACE.holders, key: utf8(text), text },
    });
    expect(await outcomeOf(put(eve, scope, holder(dan.device)))).toBe("HISTORY_UNAUTHORISED");
    expect(await outcomeOf(put(eve, scope, holder("no device")))).toBe("HISTORY_UNAUTHORISED");
    expect(await outcomeOf(put(ada, scope, holder(dan.device)))).toBe("done");
    expect(await outcomeOf(put(eve, scope, holder(eve.device)))).toBe("done");
    await exchange(eve, ada, [scope]);
    await exchange(ada, eve, [scope]);
    await exchange(eve, dan, [scope]);
    expect(await holdingsOf(dan, scope)).toEqual(await holdingsOf(ada, scope));
    await eve.close();
    await dan.close();
    await closeAll(devices);
  });
});
