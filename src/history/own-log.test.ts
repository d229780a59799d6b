import { describe, expect, test } from "vitest";
import { encodeValue, fromUtf8, type LogKey, type ScopeId, utf8 } from "../base/index.ts";
import { createMemoryMedium, type MemoryMedium, openMemoryStore } from "../store/index.ts";
import { exchange, grant, makeDevice, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { copyMedium } from "../testkit/medium-copy.ts";
import { OWN_LOG_WORD_MS_MAX } from "./limits.ts";
import { ROW_SPACE } from "./index.ts";

const DATABASE = "notes";
let openings = 0;
const YEAR = 31_536_000_000;

interface Opened {
  readonly device: TestDevice;
  readonly reasons: unknown[];
  readonly clock: FakeClock;
  readonly end: () => Promise<void>;
}

/** The device of `seed` over what the medium holds. */
async function open(seed: number, medium: MemoryMedium, clock = new FakeClock()): Promise<Opened> {
  const reasons: unknown[] = [];
  const store = await openMemoryStore({ medium });
  openings += 1;
  const device = await makeDevice(seed, {
    store,
    clock,
    opening: openings,
    logger: (_, event, fields) =>
      void (event === "history.incarnation" && reasons.push(fields?.["reason"])),
  });
  await device.history.createDatabase(DATABASE);
  const end = async (): Promise<void> => {
    await device.close();
    await store.close();
  };
  return { device, reasons, clock, end };
}

const put = (by: TestDevice, scope: ScopeId, key: string): Promise<unknown> => {
  const name = { space: ROW_SPACE.rows, key: utf8(key), text: key };
  return by.history.write({ parts: [{ scope, rows: [{ name, value: encodeValue(key) }] }] });
};

const logsOf = (device: TestDevice, scope: ScopeId, of = device): LogKey[] =>
  [...(device.history.scope(scope)?.vector().keys() ?? [])].filter((log) =>
    log.startsWith(of.device),
  );

/** Ada's collection with two rows, and what her disk was after the first. */
async function family(clock?: FakeClock): Promise<{
  readonly medium: MemoryMedium;
  readonly backup: (options?: { anonymous: boolean }) => Promise<MemoryMedium>;
  readonly scope: ScopeId;
  readonly bea: TestDevice;
}> {
  const medium = createMemoryMedium();
  const ada = await open(1, medium, clock);
  const scope: ScopeId = {
    database: DATABASE,
    kind: "collection",
    owner: ada.device.user,
    name: "list",
  };
  const bea = await makeDevice(2);
  await put(ada.device, scope, "first");
  await grant(ada.device, scope, bea.user, "writer");
  await exchange(ada.device, bea, [scope]);
  await ada.end();
  const then = await copyMedium(medium);
  return { medium, backup: (options) => copyMedium(then, options), scope, bea };
}

describe("[HI50] a log after its store was opened", () => {
  test("goes on where the store is the one that was open last", async () => {
    const { medium, scope, bea } = await family();
    const { device, reasons, end } = await open(1, medium);
    await put(device, scope, "second");
    expect([reasons, logsOf(device, scope)]).toEqual([[], [expect.any(String)]]);
    await end();
    await bea.close();
  });

  test("ends where the store is a copy, also when that is opened twice before it is written to", async () => {
    const { backup, scope, bea } = await family();
    const medium = await backup();
    const first = await open(1, medium);
    expect(first.reasons).toEqual(["copied"]);
    await first.end();
    const second = await open(1, medium);
    await put(second.device, scope, "by the copy");
    expect(second.reasons).toEqual([]);
    expect(logsOf(second.device, scope)).toHaveLength(2);
    await second.end();
    await bea.close();
  });

  test("ends where the store is a copy, also beside the one it was copied from", async () => {
    const { medium, backup, scope, bea } = await family();
    const restored = await open(1, await backup());
    await put(restored.device, scope, "by the copy");
    expect(restored.reasons).toEqual(["copied"]);
    await put(restored.device, scope, "again");
    expect(restored.reasons).toEqual(["copied"]);
    // The other goes on, and all that both write comes together.
    const original = await open(1, medium);
    await put(original.device, scope, "by the original");
    await exchange(original.device, bea, [scope]);
    await exchange(restored.device, bea, [scope]);
    await exchange(bea, restored.device, [scope]);
    await exchange(bea, original.device, [scope]);
    expect(logsOf(bea, scope, original.device)).toHaveLength(2);
    const sums = [bea, original.device, restored.device].map(({ history }) =>
      String(history.scope(scope)?.sum.toBytes()),
    );
    expect(new Set(sums).size).toBe(1);
    for (const opened of [restored, original]) await opened.end();
    await bea.close();
  });

  test("ends with the first write where nobody can say what it is", async () => {
    const { backup, scope, bea } = await family();
    const { device, reasons, end } = await open(1, await backup({ anonymous: true }));
    await put(device, scope, "alone");
    expect(reasons).toEqual(["unconfirmed"]);
    expect(logsOf(device, scope)).toHaveLength(2);
    await end();
    await bea.close();
  });

  test("goes on when a peer that knows it has said that it knows no more", async () => {
    const { backup, scope, bea } = await family();
    const { device, reasons, end } = await open(1, await backup({ anonymous: true }));
    const heard = device.history.expectWord(DATABASE);
    const written = put(device, scope, "waits");
    let isWritten = false;
    void written.then(() => (isWritten = true));
    await exchange(bea, device, [scope]);
    expect(isWritten).toBe(false);
    device.history.hearWord(DATABASE, bea.history.scope(scope)?.vector() ?? new Map());
    await written;
    heard();
    expect(reasons).toEqual([]);
    expect(logsOf(device, scope)).toHaveLength(1);
    await end();
    await bea.close();
  });

  test("a peer that knows nothing of it, or more than is here, does not confirm it", async () => {
    const { backup, scope, bea } = await family();
    const { device, reasons, end } = await open(1, await backup({ anonymous: true }));
    const [log] = logsOf(device, scope) as [LogKey];
    device.history.hearWord(DATABASE, new Map());
    device.history.hearWord(DATABASE, new Map([[log, 1_000_000]]));
    await put(device, scope, "alone");
    expect(reasons).toEqual(["unconfirmed"]);
    await end();
    await bea.close();
  });

  test("a write waits for a peer that is being reached, not for long, and not when it is away", async () => {
    const { backup, scope, bea } = await family();
    const silent = await open(1, await backup({ anonymous: true }));
    silent.device.history.expectWord(DATABASE);
    const written = put(silent.device, scope, "waits");
    await silent.clock.advance(OWN_LOG_WORD_MS_MAX - 1);
    expect(silent.reasons).toEqual([]);
    await silent.clock.advance(1);
    await written;
    expect(silent.reasons).toEqual(["unconfirmed"]);
    const away = await open(1, await backup({ anonymous: true }));
    const gone = away.device.history.expectWord(DATABASE);
    const after = put(away.device, scope, "waits");
    gone();
    await after;
    expect(away.reasons).toEqual(["unconfirmed"]);
    for (const opened of [silent, away]) await opened.end();
    await bea.close();
  });

  test.for([true, false])(
    "no generation is used twice, and what a peer holds of it comes back; anonymous: %s",
    async (anonymous) => {
      const { medium, backup, scope, bea } = await family();
      // Written and seen by Bea, but not in the backup.
      const lost = await open(1, medium);
      await put(lost.device, scope, "lost");
      await exchange(lost.device, bea, [scope]);
      await lost.end();
      const { device, end } = await open(1, await backup({ anonymous }));
      await put(device, scope, "offline");
      await exchange(device, bea, [scope]);
      await exchange(bea, device, [scope]);
      for (const { history } of [device, bea]) {
        const keys: string[] = [];
        for await (const { key } of history.scan(scope, ROW_SPACE.rows))
          keys.push(String(fromUtf8(key)));
        expect(keys).toEqual(["first", "lost", "offline"]);
      }
      const [mine, theirs] = [device, bea].map(({ history }) => history.scope(scope));
      expect(mine?.sum.toBytes()).toEqual(theirs?.sum.toBytes());
      await end();
      await bea.close();
    },
  );

  test("ends where its clock had run ahead, and time begins anew in the next one", async () => {
    const ahead = new FakeClock(Date.UTC(2026, 0, 1) + YEAR);
    const { medium, scope, bea } = await family(ahead);
    const { device, reasons, end } = await open(1, medium);
    await put(device, scope, "first");
    expect(reasons).toEqual(["clockAhead"]);
    const row = await device.history.row(scope, ROW_SPACE.rows, utf8("first"));
    // Seen, and so superseded: not by time.
    expect(row.heads).toHaveLength(1);
    const wall = BigInt(Date.UTC(2026, 0, 1)) << 16n;
    expect(row.heads[0]?.timestamp).toBe(wall);
    await end();
    const again = await open(1, medium);
    await put(again.device, scope, "first");
    expect(again.reasons).toEqual([]);
    await again.end();
    await bea.close();
  });

  test("a wall clock from before our certificate was issued is no reason", async () => {
    const { medium, scope, bea } = await family();
    const { device, reasons, end } = await open(1, medium, new FakeClock(0));
    await put(device, scope, "second");
    expect(reasons).toEqual([]);
    await end();
    await bea.close();
  });
});
