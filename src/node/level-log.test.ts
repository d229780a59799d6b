import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { contentOf, key, tempFolder } from "../testkit/index.ts";
import { openClassicLevel } from "./disk-store.ts";
import { isDamagedBeforeEnd } from "./level-log.ts";

const BLOCK_SIZE = 32 * 1024;
const ROWS = 150;

/** LevelDB in `path`, closed, with rows of many sizes in its log. Answers the path of the log. */
async function writtenLog(path: string): Promise<string> {
  const level = await openClassicLevel(path, { create: true });
  for (let i = 0; i < ROWS; i++) {
    const value = new Uint8Array((i * 337) % 5_000).fill(i);
    await level.batch([{ type: "put", key: key(`k${i}`), value }], { sync: true });
  }
  // One record over several blocks, and one after it.
  await level.batch([{ type: "put", key: key("large"), value: new Uint8Array(3 * BLOCK_SIZE) }], {
    sync: true,
  });
  await level.batch([{ type: "put", key: key("last"), value: new Uint8Array(100) }], {
    sync: true,
  });
  await level.close();
  const name = (await readdir(path)).find((file) => file.endsWith(".log")) ?? expect.unreachable();
  return join(path, name);
}

test("[ST33] a log is sound as it was written, and cut anywhere", async () => {
  await using folder = await tempFolder();
  const log = await readFile(await writtenLog(folder.at("level")));
  expect(log.length).toBeGreaterThan(10 * BLOCK_SIZE);
  expect(isDamagedBeforeEnd(log)).toBe(false);
  expect(isDamagedBeforeEnd(new Uint8Array(0))).toBe(false);
  fc.assert(
    fc.property(fc.nat(log.length), fc.nat(3 * BLOCK_SIZE), (cut, zeros) => {
      expect(isDamagedBeforeEnd(log.subarray(0, cut))).toBe(false);
      // A file that grew before its content came.
      expect(isDamagedBeforeEnd(Buffer.concat([log.subarray(0, cut), new Uint8Array(zeros)]))).toBe(
        false,
      );
    }),
    { seed: 33, numRuns: 100 },
  );
});

test("[ST33] whenever LevelDB drops a write that another follows, the log is known to be damaged", async () => {
  await using folder = await tempFolder();
  const level = folder.at("level");
  const logPath = await writtenLog(level);
  const log = await readFile(logPath);
  const lastBlock = Math.floor((log.length - 1) / BLOCK_SIZE) * BLOCK_SIZE;
  let losses = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.nat(lastBlock - 1),
      fc.integer({ min: 1, max: 255 }),
      async (at, change) => {
        const damaged = Uint8Array.from(log);
        damaged[at] = (damaged[at] as number) ^ change;
        const copy = folder.at("copy");
        await rm(copy, { recursive: true, force: true });
        await mkdir(copy);
        for (const file of await readdir(level))
          await copyFile(join(level, file), join(copy, file));
        await writeFile(join(copy, logPath.slice(level.length + 1)), damaged);
        const engine = await openClassicLevel(copy, { create: false });
        const rows = (await contentOf(engine)).length;
        await engine.close();
        if (rows < ROWS + 2) {
          losses += 1;
          expect(isDamagedBeforeEnd(damaged)).toBe(true);
        }
      },
    ),
    { seed: 34, numRuns: 40 },
  );
  expect(losses).toBeGreaterThan(20);
});

test("[ST33] a log in a log does not count: what a cut write holds is not looked at", async () => {
  await using folder = await tempFolder();
  const log = await readFile(await writtenLog(folder.at("level")));
  const outer = await openClassicLevel(folder.at("outer"), { create: true });
  await outer.batch([{ type: "put", key: key("a"), value: log.subarray(0, 20_000) }], {
    sync: true,
  });
  await outer.close();
  const name = (await readdir(folder.at("outer"))).find((file) => file.endsWith(".log")) ?? "";
  const outerLog = await readFile(join(folder.at("outer"), name));
  for (const cut of [outerLog.length - 1, 10_000, 1_000, 8]) {
    expect(isDamagedBeforeEnd(outerLog.subarray(0, cut))).toBe(false);
  }
});
