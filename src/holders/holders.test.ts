import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BlobRef,
  coversVector,
  encodeValue,
  fromUtf8,
  type GenVector,
  type LogKey,
  type ScopeId,
  utf8,
  type Value,
} from "../base/index.ts";
import { ROW_SPACE, type ScopeState } from "../history/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import {
  exchange,
  grant,
  makeDevice,
  settleDevices,
  type TestDevice,
  type TestDeviceOptions,
} from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import {
  collectChanges,
  dropStable,
  holderRow,
  Publications,
  readHolders,
  stableVector,
} from "./index.ts";
import { HOLDER_INTERVAL_MAX_MS, HOLDER_INTERVAL_MS, HOLDER_OLDS_FREE } from "./limits.ts";

const DATABASE = "notes";
const crypto = nodeCrypto();

/** Devices of as many users, all holders of the first one's collection. */
class Flock implements AsyncDisposable {
  readonly devices: TestDevice[] = [];
  readonly scope: ScopeId;

  private constructor(devices: TestDevice[], scope: ScopeId) {
    this.devices = devices;
    this.scope = scope;
  }

  static async of(count: number, options: TestDeviceOptions = {}): Promise<Flock> {
    const devices: TestDevice[] = [];
    for (let seed = 1; seed <= count; seed++) devices.push(await makeDevice(seed, options));
    const [ada, ...others] = devices as [TestDevice, ...TestDevice[]];
    await ada.history.createDatabase(DATABASE);
    const scope: ScopeId = {
      database: DATABASE,
      kind: "collection",
      owner: ada.user,
      name: "list",
    };
    const flock = new Flock(devices, scope);
    await flock.put(ada, { first: 0 });
    for (const other of others) await flock.admit(other);
    await flock.settle();
    return flock;
  }

  get ada(): TestDevice {
    return this.devices[0] as TestDevice;
  }

  get bea(): TestDevice {
    return this.devices[1] as TestDevice;
  }

  /** As an admin does: the grant, and a record that says that the device has nothing yet. */
  async admit(device: TestDevice): Promise<void> {
    await grant(this.ada, this.scope, device.user, "writer");
    const rows = [holderRow(device.device, new Map())];
    await this.ada.history.write({ parts: [{ scope: this.scope, rows }] });
    const { certified } = device.identity;
    const controls = [{ type: "device", certificate: certified.bytes, certified } as const];
    await this.ada.history.write({ parts: [{ scope: this.scope, rows: [], controls }] });
  }

  async put(by: TestDevice, rows: Readonly<Record<string, Value | undefined>>): Promise<void> {
    const writes = Object.entries(rows).map(([text, value]) => ({
      name: { space: ROW_SPACE.rows, key: utf8(text), text },
      value: value === undefined ? undefined : encodeValue(value),
    }));
    await by.history.write({ parts: [{ scope: this.scope, rows: writes }] });
  }

  state(of: TestDevice): ScopeState {
    return of.history.scope(this.scope) ?? expect.unreachable();
  }

  settle(devices: readonly TestDevice[] = this.devices): Promise<void> {
    return settleDevices(devices, [this.scope]);
  }

  publish(by: TestDevice): Promise<boolean> {
    return new Publications(by.history, by.clock).publish(this.state(by));
  }

  async publishAll(): Promise<void> {
    for (const device of this.devices) await this.publish(device);
    await this.settle();
  }

  async stable(at: TestDevice): Promise<GenVector | undefined> {
    const state = this.state(at);
    return stableVector(state.vector(), await readHolders(at.history, state));
  }

  /** A whole pass. Answers how many versions of rows it dropped; holder records not counted. */
  async drop(at: TestDevice): Promise<number> {
    const before = await this.olds(at);
    const stable = (await this.stable(at)) ?? new Map<LogKey, number>();
    let from: Uint8Array | undefined;
    do ({ next: from } = await dropStable({ ...at, crypto }, this.state(at), stable, from));
    while (from !== undefined);
    return before - (await this.olds(at));
  }

  /** Superseded versions in a device's store. */
  async olds(at: TestDevice, space: number = ROW_SPACE.rows): Promise<number> {
    let count = 0;
    const range = { gte: Uint8Array.of(0x21), lt: Uint8Array.of(0x22) };
    for await (const { key } of at.store.scan(range)) if (key[5] === space) count += 1;
    return count;
  }

  sum(at: TestDevice): string {
    return String(this.state(at).sum.toBytes());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const device of this.devices) await device.close();
  }
}

describe("holder records", () => {
  test("[HO1] [HO2] say what each has, by its own word, and an admitted device has nothing", async () => {
    await using flock = await Flock.of(2);
    const { ada, bea } = flock;
    expect(await readHolders(ada.history, flock.state(ada))).toEqual(
      new Map([[bea.device, new Map()]]),
    );
    await flock.publish(ada);
    await flock.publish(bea);
    await flock.settle();
    const holders = await readHolders(ada.history, flock.state(ada));
    expect([...holders.keys()].toSorted()).toEqual([ada.device, bea.device].toSorted());
    expect(await readHolders(bea.history, flock.state(bea))).toEqual(holders);
  });

  test("[HO3] say nothing about themselves: nobody answers a record with a record", async () => {
    await using flock = await Flock.of(3);
    await flock.publishAll();
    for (const device of flock.devices) expect(await flock.publish(device)).toBe(false);
    await flock.put(flock.bea, { first: 1 });
    await flock.settle();
    await flock.publishAll();
    const before = flock.devices.map((device) => flock.state(device).vector());
    // Whoever starts again finds nothing to say either.
    for (const device of flock.devices) expect(await flock.publish(device)).toBe(false);
    expect(flock.devices.map((device) => flock.state(device).vector())).toEqual(before);
  });

  test("[HO3] say once that something counts no more, and never that it does", async () => {
    await using flock = await Flock.of(2);
    const { ada, bea } = flock;
    const publications = new Publications(bea.history, bea.clock);
    await flock.put(bea, { late: 1 });
    await publications.publish(flock.state(bea));
    const controls = [{ type: "revoke", user: bea.user, freeze: new Map() }] as const;
    await ada.history.write({ parts: [{ scope: flock.scope, rows: [], controls }] });
    await grant(ada, flock.scope, bea.user, "writer");
    await flock.settle();
    expect(await publications.publish(flock.state(bea))).toBe(true);
    expect(await publications.publish(flock.state(bea))).toBe(false);
    const said = (await readHolders(bea.history, flock.state(bea))).get(bea.device) ?? new Map();
    expect(coversVector(flock.state(bea).vector(), said)).toBe(true);
  });

  test("[HO2] of a device whose user may not read any more, or that has left, count for nothing", async () => {
    await using flock = await Flock.of(3);
    const { ada, bea } = flock;
    const cyd = flock.devices[2] as TestDevice;
    await flock.publish(ada);
    await flock.publish(bea);
    await flock.settle();
    // Cyd has said nothing, and so nothing is stable.
    expect(await flock.stable(ada)).toEqual(new Map());
    await ada.history.write({
      parts: [{ scope: flock.scope, rows: [holderRow(cyd.device, undefined)] }],
    });
    expect((await flock.stable(ada))?.size).toBeGreaterThan(0);
  });

  test("[HO2] that make no sense keep everything", async () => {
    await using flock = await Flock.of(2);
    const { ada, bea } = flock;
    await flock.publish(ada);
    const row = holderRow(bea.device, new Map());
    await bea.history.write({
      parts: [{ scope: flock.scope, rows: [{ ...row, value: encodeValue("nonsense") }] }],
    });
    await flock.settle();
    expect(await flock.stable(ada)).toEqual(new Map());
  });

  test("[HO4] go once all have the newer ones, of those who write nothing else too", async () => {
    await using flock = await Flock.of(2);
    const { ada, bea } = flock;
    await flock.publish(ada);
    for (let i = 0; i < 5; i++) {
      await flock.put(ada, { [`row ${i}`]: i });
      await flock.settle();
      await flock.publish(bea);
    }
    await flock.settle();
    await flock.drop(ada);
    expect(await flock.olds(ada, ROW_SPACE.holders)).toBe(5);
    await flock.publish(ada);
    await flock.drop(ada);
    // Of either the one before the last: that the other has the last one is said with the next.
    expect(await flock.olds(ada, ROW_SPACE.holders)).toBe(2);
    const late = await makeDevice(9);
    await exchange(ada, late, [flock.scope]);
    expect(flock.sum(late)).toBe(flock.sum(ada));
    await late.close();
  });

  test("[HO4] come to the same where a newer one is taken back, whoever has dropped what", async () => {
    await using flock = await Flock.of(4);
    const { ada, bea } = flock;
    const [cyd, dan] = flock.devices.slice(2) as [TestDevice, TestDevice];
    await flock.publishAll();
    await flock.put(ada, { first: 1 });
    await flock.settle();
    // Ada ends Bea's right by what she has of her; Cyd has more of her by then, and tidies up.
    await flock.settle([bea, cyd]);
    await flock.publish(bea);
    await flock.settle([bea, cyd]);
    await flock.drop(cyd);
    const freeze = ada.history.freezeOf(flock.scope, { user: bea.user });
    const controls = [{ type: "revoke", user: bea.user, freeze }] as const;
    await ada.history.write({ parts: [{ scope: flock.scope, rows: [], controls }] });
    await flock.settle([ada, cyd, dan]);
    const sums = [ada, cyd, dan].map((device) => flock.sum(device));
    expect(new Set(sums).size).toBe(1);
    const record = async (at: TestDevice): Promise<unknown> =>
      (await at.history.row(flock.scope, ROW_SPACE.holders, utf8(bea.device))).heads.map(
        ({ log, generation }) => [at.history.logOf(log), generation],
      );
    expect(await record(cyd)).toEqual(await record(dan));
    expect(await record(cyd)).toHaveLength(1);
  });

  test("[HO4] are written less and less often while others say nothing, also by who starts again and again", async () => {
    const clock = new FakeClock(Date.UTC(2026, 1, 1));
    await using flock = await Flock.of(2, { clock });
    const { ada, bea } = flock;
    let publications = new Publications(ada.history, clock);
    /** Times that it was written within so many milliseconds in which there is always something new. */
    const written = async (ms: number): Promise<number> => {
      let count = 0;
      for (const end = clock.monotonic() + ms; clock.monotonic() < end;) {
        await flock.put(ada, { often: clock.monotonic() });
        const wait = await publications.wait(flock.state(ada));
        if (wait === 0 && (await publications.publish(flock.state(ada)))) count += 1;
        publications = new Publications(ada.history, clock);
        await clock.advance(HOLDER_INTERVAL_MS / 2);
      }
      return count;
    };
    const day = HOLDER_INTERVAL_MAX_MS;
    expect(await written(day / 2)).toBeLessThan(14);
    // Bea comes back: what was kept for her goes, and Ada says soon again what she has.
    await flock.settle();
    await flock.publish(bea);
    await flock.settle();
    await flock.drop(ada);
    expect(await flock.olds(ada, ROW_SPACE.holders)).toBeLessThan(HOLDER_OLDS_FREE);
    await clock.advance(HOLDER_INTERVAL_MS);
    expect(await publications.wait(flock.state(ada))).toBe(0);
    // A wall clock that stands or jumps holds up nobody.
    clock.jump(-10 * day);
    expect(await new Publications(ada.history, clock).wait(flock.state(ada))).toBe(0);
  });
});

test("[HO9] a revocation takes back nothing of what its issuer has published, here, there and after a restart", async () => {
  await using flock = await Flock.of(3);
  const { ada, bea } = flock;
  await flock.put(bea, { hers: 1 });
  await flock.settle();
  await flock.publish(ada);
  const log = [...flock.state(ada).vector()].find(([one]) => one.startsWith(bea.device));
  await flock.put(bea, { later: 2 });
  await flock.settle();
  // Freezes everything of Bea's at nothing, which Ada had published that she has.
  const controls = [{ type: "revoke", user: bea.user, freeze: new Map() }] as const;
  await ada.history.write({ parts: [{ scope: flock.scope, rows: [], controls }] });
  await flock.settle();
  const again = await makeDevice(1, { store: ada.store });
  for (const device of [...flock.devices, again]) {
    const row = async (key: string): Promise<number> =>
      (await device.history.row(flock.scope, ROW_SPACE.rows, utf8(key))).heads.length;
    expect([await row("hers"), await row("later")]).toEqual([1, 0]);
    expect(
      flock
        .state(device)
        .vector()
        .get(log?.[0] as LogKey),
    ).toBe(log?.[1]);
  }
  await again.history.close();
  // What counts no more is no more said to be there.
  const cyd = flock.devices[2] as TestDevice;
  await flock.publish(cyd);
  const said = (await readHolders(cyd.history, flock.state(cyd))).get(cyd.device);
  expect(said?.get(log?.[0] as LogKey)).toBe(log?.[1]);
});

describe("[HO11] what an admin writes in another device's record", () => {
  async function flockWithAdmin(): Promise<Flock> {
    const flock = await Flock.of(3);
    await grant(flock.ada, flock.scope, flock.bea.user, "admin");
    await flock.settle();
    return flock;
  }

  test("says that the device has nothing, and nothing is dropped by it", async () => {
    await using flock = await flockWithAdmin();
    const { ada, bea } = flock;
    const cyd = flock.devices[2] as TestDevice;
    await flock.publishAll();
    await flock.put(ada, { first: 1 });
    await flock.settle([ada, bea]);
    await flock.publish(ada);
    await flock.publish(bea);
    // Cyd lacks the row, and Bea says that she has it.
    const rows = [holderRow(cyd.device, flock.state(bea).vector())];
    await bea.history.write({ parts: [{ scope: flock.scope, rows }] });
    await flock.settle([ada, bea]);
    expect(await flock.stable(ada)).toEqual(new Map());
    expect([await flock.drop(ada), await flock.olds(ada)]).toEqual([0, 1]);
    // Her own word makes it right.
    await flock.settle();
    await flock.publishAll();
    expect(await flock.drop(ada)).toBe(1);
  });

  test("takes nothing from the owner's revocations, here, there and after a restart", async () => {
    await using flock = await flockWithAdmin();
    const { ada, bea } = flock;
    const cyd = flock.devices[2] as TestDevice;
    await flock.put(cyd, { hers: 1 });
    await flock.settle();
    const freeze = ada.history.freezeOf(flock.scope, { user: cyd.user });
    const controls = [{ type: "revoke", user: cyd.user, freeze }] as const;
    await ada.history.write({ parts: [{ scope: flock.scope, rows: [], controls }] });
    // She does not know yet.
    await flock.put(cyd, { hers: 2, more: 3 });
    const log = [...freeze.keys()][0] as LogKey;
    const rows = [holderRow(ada.device, new Map([[log, 1000]]))];
    await bea.history.write({ parts: [{ scope: flock.scope, rows }] });
    await flock.settle();
    const again = await makeDevice(1, { store: ada.store });
    for (const device of [ada, bea, again]) {
      const row = await device.history.row(flock.scope, ROW_SPACE.rows, utf8("hers"));
      expect(row).toMatchObject({ heads: [{ value: encodeValue(1) }] });
      const more = await device.history.row(flock.scope, ROW_SPACE.rows, utf8("more"));
      expect(more.heads).toEqual([]);
    }
    await again.history.close();
  });
});

test("[HO10] whoever reads on from any change before sees each row in its latest form; what was written over is not kept for that", async () => {
  await using device = await makeDevice(1);
  const { history, user } = device;
  await history.createDatabase(DATABASE);
  const scope: ScopeId = { database: DATABASE, kind: "collection", owner: user, name: "list" };
  const put = (...keys: string[]): Promise<unknown> => {
    const rows = keys.map((text) => ({
      name: { space: ROW_SPACE.rows, key: utf8(text), text },
      value: encodeValue(1),
    }));
    return history.write({ parts: [{ scope, rows }] });
  };
  const random = seededRandom(7);
  for (let i = 0; i < 300; i++) {
    const [a, b] = random.bytes(2);
    await put(`row ${(a as number) % 20}`, `row ${20 + ((b as number) % 7)}`);
  }
  const rowsAfter = async (sequence: number): Promise<string[]> => {
    const rows = new Set<string>();
    for await (const change of history.changes.after(DATABASE, sequence))
      for (const part of change.parts)
        for (const { key } of await history.changes.rowsOf(part)) rows.add(String(fromUtf8(key)));
    return [...rows].toSorted();
  };
  const last = history.sequence(DATABASE);
  const before: string[][] = [];
  for (let at = 0; at <= last; at++) before.push(await rowsAfter(at));
  let after = 0;
  let collected = 0;
  do {
    const step = await collectChanges(device, DATABASE, after);
    collected += step.collected;
    after = step.next;
  } while (after > 0);
  expect(collected).toBeGreaterThan(250);
  for (let at = 0; at <= last; at++) expect(await rowsAfter(at)).toEqual(before[at]);
  expect(history.sequence(DATABASE)).toBe(last);
  expect(await collectChanges(device, DATABASE, 0)).toEqual({ collected: 0, next: 0 });
  // Numbers go on after a restart.
  const again = await makeDevice(1, { store: device.store });
  expect(again.history.sequence(DATABASE)).toBe(last);
  await again.history.close();
});

test("[HO3] what a device knows and says of a collection does not grow with its rows", async () => {
  await using flock = await Flock.of(2);
  const sizes: number[] = [];
  for (const count of [10, 20_000]) {
    for (let from = 0; from < count; from += 5000) {
      const rows = Array.from({ length: Math.min(count, 5000) }, (_, i) => [`row ${from + i}`, i]);
      await flock.put(flock.ada, Object.fromEntries(rows) as Record<string, number>);
    }
    await flock.publish(flock.ada);
    sizes.push(flock.state(flock.ada).vector().size);
    const { heads } = await flock.ada.history.row(
      flock.scope,
      ROW_SPACE.holders,
      utf8(flock.ada.device),
    );
    sizes.push(heads[0]?.value?.length ?? 0);
  }
  expect(sizes[2]).toBe(sizes[0]);
  expect(sizes[3]).toBe(sizes[1]);
});

describe("dropping", () => {
  test("[HO5] [HO6] waits until every holder has said that it has what supersedes", async () => {
    await using flock = await Flock.of(2);
    const { ada, bea } = flock;
    await flock.publishAll();
    await flock.put(ada, { first: 1 });
    await flock.settle();
    await flock.publish(ada);
    expect([await flock.drop(ada), await flock.olds(ada)]).toEqual([0, 1]);
    // Bea has it, and said so, but Ada has not heard it.
    await flock.publish(bea);
    expect([await flock.drop(ada), await flock.olds(ada)]).toEqual([0, 1]);
    await flock.settle();
    expect([await flock.drop(ada), await flock.olds(ada)]).toEqual([1, 0]);
    expect([await flock.drop(bea), await flock.olds(bea)]).toEqual([1, 0]);
    expect(await ada.history.row(flock.scope, ROW_SPACE.rows, utf8("first"))).toMatchObject({
      heads: [{ value: encodeValue(1) }],
    });
  });

  test("[HO5] waits for what a holder has and is not here", async () => {
    await using flock = await Flock.of(2);
    const { ada, bea } = flock;
    await flock.publishAll();
    const log = [...flock.state(bea).vector().keys()].find((one) =>
      one.startsWith(bea.device),
    ) as LogKey;
    const far = new Map([...flock.state(bea).vector(), [log, 1000]]);
    await bea.history.write({
      parts: [{ scope: flock.scope, rows: [holderRow(bea.device, far)] }],
    });
    await flock.settle();
    expect(await flock.stable(ada)).toBeUndefined();
  });

  test("[HO6] keeps tombstones, and versions that lost to a concurrent one", async () => {
    await using flock = await Flock.of(2);
    const { ada, bea } = flock;
    await flock.put(ada, { gone: 1, both: 1 });
    await flock.settle();
    await flock.put(ada, { gone: undefined, both: "ada" });
    await flock.put(bea, { both: "bea" });
    await flock.settle();
    await flock.publishAll();
    expect(await flock.drop(ada)).toBe(2);
    const row = (key: string): unknown => ada.history.row(flock.scope, ROW_SPACE.rows, utf8(key));
    expect(await row("gone")).toMatchObject({ heads: [{ value: undefined }] });
    expect((await row("both")) as { heads: unknown[] }).toMatchObject({ heads: [{}, {}] });
  });

  test("[HO7] a commit that ops were dropped of is served as it was signed; a late device holds the same", async () => {
    await using flock = await Flock.of(2);
    const { ada, bea } = flock;
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`row ${i}`, 0]));
    await flock.put(ada, many);
    await flock.put(ada, { ...many, extra: 1 });
    await flock.put(ada, { first: 2 });
    await flock.settle();
    await flock.publishAll();
    expect(await flock.drop(ada)).toBe(41);
    // One commit lost all its ops: it stands for them by one digest, and the chain goes on.
    for (const from of [ada, bea]) {
      const late = await makeDevice(9);
      const receipt = await exchange(from, late, [flock.scope]);
      expect(receipt?.waiting).toEqual([]);
      expect(flock.sum(late)).toBe(flock.sum(ada));
      expect(flock.state(late).vector()).toEqual(flock.state(ada).vector());
      await late.close();
    }
    expect(await flock.drop(bea)).toBe(41);
    expect(flock.sum(bea)).toBe(flock.sum(ada));
  });

  test("[HO7] a device that is served while versions are dropped gets whole parts", async () => {
    await using flock = await Flock.of(2);
    const { ada } = flock;
    for (let i = 0; i < 5; i++) await flock.put(ada, { a: i, b: i, c: i });
    await flock.settle();
    await flock.publishAll();
    const parts = ada.history.partsAbove([{ scope: flock.state(ada), vector: new Map() }]);
    const first = await parts.next();
    expect(first.done).toBe(false);
    expect(await flock.drop(ada)).toBe(12);
    for await (const { part } of parts) expect(() => ada.history.prepare(part)).not.toThrow();
  });

  test("[HO6] takes references to blobs with it", async () => {
    await using flock = await Flock.of(2);
    const { ada } = flock;
    const ref = new BlobRef({ root: new Uint8Array(32).fill(7), size: 10, depth: 0, chunker: 1 });
    await flock.put(ada, { picture: ref });
    await flock.put(ada, { picture: null });
    await flock.settle();
    await flock.publishAll();
    const edges = async (): Promise<number> => {
      let count = 0;
      const range = { gte: Uint8Array.of(0x32), lt: Uint8Array.of(0x33) };
      for await (const _ of ada.store.scan(range)) count += 1;
      return count;
    };
    expect(await edges()).toBe(1);
    expect(await flock.drop(ada)).toBe(1);
    expect(await edges()).toBe(0);
  });

  test("[HO8] whatever is written, exchanged, published and dropped when: all come to the same as without dropping", async () => {
    const step = fc.record({
      who: fc.nat(2),
      what: fc.constantFrom("put", "put", "put", "exchange", "exchange", "publish", "drop"),
      other: fc.nat(2),
      key: fc.constantFrom("a", "b", "c"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        await using flock = await Flock.of(3);
        let value = 0;
        for (const { who, what, other, key } of steps) {
          const device = flock.devices[who] as TestDevice;
          if (what === "put") await flock.put(device, { [key]: (value += 1) });
          else if (what === "publish") await flock.publish(device);
          else if (what === "drop") await flock.drop(device);
          else if (who !== other)
            await exchange(flock.devices[other] as TestDevice, device, [flock.scope]);
        }
        await flock.settle();
        const heads = await Promise.all(
          flock.devices.map(async (device) => {
            const rows: unknown[] = [];
            for await (const { key, row } of device.history.scan(flock.scope, ROW_SPACE.rows))
              rows.push([String(key), row.heads.map((head) => String(head.value))]);
            return JSON.stringify(rows);
          }),
        );
        expect(new Set(heads).size).toBe(1);
        expect(new Set(flock.devices.map((device) => flock.sum(device))).size).toBe(1);
        // A late one gets the same from each.
        const late = await makeDevice(9);
        await exchange(flock.ada, late, [flock.scope]);
        expect(flock.sum(late)).toBe(flock.sum(flock.ada));
        await late.close();
      }),
      { numRuns: 25 },
    );
  });
});
