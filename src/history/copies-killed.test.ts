import { expect, test } from "vitest";
import { encodeValue, type LogKey, utf8 } from "../base/index.ts";
import { openStore } from "../store/index.ts";
import { makeDevice, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { DyingDisk } from "../testkit/sim-ports/index.ts";
import { ROW_SPACE } from "./index.ts";

const DATABASES = ["notes", "photos"] as const;
let openings = 0;

/** Another process over the same disk. */
async function open(disk: DyingDisk): Promise<TestDevice> {
  openings += 1;
  const store = await openStore({
    openEngine: () => disk.openEngine(),
    witness: disk.witness,
    clock: new FakeClock(),
    random: seededRandom(openings),
  });
  const device = await makeDevice(1, { store, opening: openings });
  const close = async (): Promise<void> => {
    await device.close();
    await store.close();
  };
  return { ...device, close };
}

async function put(device: TestDevice, database: string): Promise<void> {
  const scope = { database, kind: "collection", owner: device.user, name: "list" } as const;
  const name = { space: ROW_SPACE.rows, key: utf8("a"), text: "a" };
  await device.history.write({ parts: [{ scope, rows: [{ name, value: encodeValue(1) }] }] });
}

const logsOf = (device: TestDevice): LogKey[] =>
  DATABASES.map((database) => device.history.ownLog(database));

test("[ST44] [HI50] a copy writes under no log of the original, whenever it dies while it is opened", async () => {
  const original = new DyingDisk();
  const ada = await open(original);
  for (const database of DATABASES) {
    await ada.history.createDatabase(database);
    await put(ada, database);
  }
  const logs = logsOf(ada);
  await ada.close();

  let deaths = 0;
  for (let n = 1, isDead = true; isDead; n++) {
    for (const survives of [false, true]) {
      const copy = original.copy();
      const dying = copy.dieAt(n, survives).then(() => true);
      const opened = open(copy);
      isDead = await Promise.race([dying, opened.then(() => false)]);
      copy.live();
      if (!isDead) await (await opened).close();
      deaths += Number(isDead);
      const again = await open(copy);
      // Where nothing reached the disk, a copy of it is found to be one as well.
      for (const [i, log] of logsOf(again).entries()) expect(log).not.toBe(logs[i]);
      for (const database of DATABASES) await put(again, database);
      const written = logsOf(again);
      await again.close();
      // From then on it is a store like others.
      const last = await open(copy);
      expect([last.store.origin, logsOf(last)]).toEqual(["same", written]);
      await last.close();
    }
  }
  // The witness, the logs of both databases, that all is done.
  expect(deaths).toBeGreaterThanOrEqual(2 * 3);
});
