import { existsSync } from "node:fs";
import { readdir, symlink } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { expect, test } from "vitest";
import { toHex } from "../base/index.ts";
import {
  batchesIn,
  type Child,
  rejects,
  seededRandom,
  spawnChild,
  tempFolder,
} from "../testkit/index.ts";
import { openClassicLevel } from "./disk-store.ts";
import { type DiskStoreDeps, nodeClock, nodeRandom, openDiskStore } from "./index.ts";

const DEPS: DiskStoreDeps = { clock: nodeClock(), random: nodeRandom() };
const CHILD = new URL("../testkit/store/store-child.ts", import.meta.url);

/** Another seed kills at other moments: SEED=… */
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

async function ready(child: Child): Promise<void> {
  expect(await child.line(), child.errorText).toBe("ready");
}

function acksIn(lines: readonly string[]): number[] {
  return lines.filter((line) => line.startsWith("ack ")).map((line) => Number(line.slice(4)));
}

test("[ST27] a store that another process has open is locked until that process ends, however it ends", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store");
  await using child = spawnChild(CHILD, { args: ["hold", path] });
  await ready(child);
  await rejects(openDiskStore(DEPS, path), "STORE_LOCKED");
  await child.kill();
  await using _store = await openDiskStore(DEPS, path);
});

test("[ST27] a second opening here leaves the store locked to other processes", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store");
  const same = folder.at("same");
  await symlink(folder.path, same);
  await using _store = await openDiskStore(DEPS, path);
  await rejects(openDiskStore(DEPS, path), "STORE_LOCKED");
  await rejects(openDiskStore(DEPS, `${same}/store`), "STORE_LOCKED");
  await rejects(openDiskStore({ ...DEPS, isLook: true }, path), "STORE_LOCKED");
  await using child = spawnChild(CHILD, { args: ["hold", path] });
  expect(await child.line()).toBe(undefined);
  expect(child.errorText).toContain("STORE_LOCKED");
});

test("[ST27] what is closed twice gives back nothing of who came after it", async () => {
  await using folder = await tempFolder();
  const first = await openClassicLevel(folder.path, { create: true });
  await first.close();
  const second = await openClassicLevel(folder.path, { create: false });
  await first.close();
  await expect(openClassicLevel(folder.path, { create: false })).rejects.toMatchObject({
    code: "LEVEL_LOCKED",
    message: "This process has it open",
  });
  await second.close();
});

test(`[ST35] of a process killed 50 times every acknowledged batch is there and none half, seed ${SEED}`, async () => {
  await using folder = await tempFolder();
  const path = folder.at("store");
  const random = seededRandom(SEED);
  const acknowledged = new Set<number>();
  let first = 0;
  let next = spawnChild(CHILD, { args: ["append", path, String(first)] });
  for (let kill = 0; kill < 50; kill++) {
    const child = next;
    await ready(child);
    // At a random moment after a random number of acknowledgements: between two writes or within one.
    const lines: string[] = [];
    for (let i = random.below(6); i > 0; i--) lines.push((await child.line()) ?? "");
    await DEPS.clock.sleep(random.below(8));
    await child.kill();
    lines.push(...(await child.rest()));
    const acks = acksIn(lines);

    const store = await openDiskStore(DEPS, path);
    const { whole, broken } = await batchesIn(store, first);
    await store.close();
    expect(broken).toEqual([]);
    expect(acks.filter((number) => !whole.has(number))).toEqual([]);
    for (const number of acks) acknowledged.add(number);
    first = Math.max(first, ...whole) + 1;
    next = spawnChild(CHILD, { args: ["append", path, String(first)] });
  }
  await next.kill();
  await using store = await openDiskStore(DEPS, path);
  const { whole, broken } = await batchesIn(store);
  expect(broken).toEqual([]);
  expect([...acknowledged].filter((number) => !whole.has(number))).toEqual([]);
  expect(acknowledged.size).toBeGreaterThan(50);
});

test(`[ST30] a process killed while it creates stores leaves whole ones or none, seed ${SEED}`, async () => {
  await using folder = await tempFolder();
  const random = seededRandom(SEED);
  for (let round = 0; round < 8; round++) {
    const path = folder.at(`store-${round}`);
    await using child = spawnChild(CHILD, { args: ["create", path] });
    await ready(child);
    await DEPS.clock.sleep(random.below(120));
    await child.kill();
    const made = new Map(
      (await child.rest()).map((line) => line.split(" ").slice(1) as [string, string]),
    );
    // The one after the last was under way.
    for (let number = 0; number <= made.size; number++) {
      const one = `${path}-${number}`;
      await using store = await openDiskStore(DEPS, one);
      const id = made.get(String(number));
      if (id !== undefined) expect(toHex(store.id)).toBe(id);
      const beside = (await readdir(dirname(one))).filter((name) =>
        name.startsWith(`${basename(one)}.`),
      );
      expect(beside).toEqual([]);
    }
    expect(existsSync(`${path}-${made.size + 1}`)).toBe(false);
  }
});

test("[ST36] a process whose files may not grow fails with a code, recovers, and loses nothing that it acknowledged", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store");
  // 4 MiB a file, in blocks of 512 bytes: LevelDB begins a new log above that. The signal would end the process.
  const prelude = "trap '' XFSZ; ulimit -f 8192";
  await using child = spawnChild(CHILD, { args: ["fill", path], prelude });
  await ready(child);
  const lines = await child.rest();
  expect(lines.at(-1), child.errorText).toBe("done");
  expect(lines.filter((line) => line.startsWith("full"))).toEqual(
    Array.from({ length: 3 }, () => "full STORE_FULL readOnly"),
  );
  expect(lines.filter((line) => line.startsWith("then"))).toEqual(
    Array.from({ length: 3 }, () => "then STORE_READ_ONLY"),
  );
  const acks = acksIn(lines);
  expect(acks.length).toBeGreaterThan(100);
  await using store = await openDiskStore(DEPS, path);
  const { whole, broken } = await batchesIn(store, 0, 64 * 1024);
  expect(broken).toEqual([]);
  expect(acks.filter((number) => !whole.has(number))).toEqual([]);
});
