import { ClassicLevel } from "classic-level";
import { expect, test, vi } from "vitest";
import type { LogLevel } from "../base/index.ts";
import { FakeClock, seededRandom, tempFolder } from "../testkit/index.ts";
import { nodeRandom, openDiskStore } from "./index.ts";
import { type LevelTables, RestCompaction } from "./level-compaction.ts";
import {
  LEVEL_COMPACTION_REST_MS,
  LEVEL_COMPACTION_ROOM_BYTES,
  LEVEL_COMPACTION_WRITTEN_BYTES,
} from "./limits.ts";

const MIB = 1024 * 1024;
const VALUE_BYTES = 1_000;
/** Rows that have been merged into one level, and those that lie above it. */
const ROWS_BELOW = 3_000;
const ROWS_ABOVE = 2_000;
const BOUNDS = { writtenBytes: MIB, aboveBytesMin: MIB, abovePercentMin: 12, sliceBytes: MIB };

/** LevelDB with rows in several levels, real but for small buffers, and a compaction of it that has seen them written. */
async function severalLevels(
  given: {
    readonly freeBytes?: () => number;
    readonly bounds?: Partial<typeof BOUNDS>;
    readonly compactRange?: (merge: () => Promise<void>) => Promise<void>;
  } = {},
) {
  const folder = await tempFolder();
  const level = new ClassicLevel<Uint8Array, Uint8Array>(folder.at("level"), {
    keyEncoding: "view",
    valueEncoding: "view",
    writeBufferSize: MIB,
    maxFileSize: MIB,
  });
  const random = seededRandom(1);
  const rows = new Map<string, Uint8Array>();
  const write = async (count: number): Promise<void> => {
    for (let row = 0; row < count; row++) {
      const key = random.bytes(40);
      const value = random.bytes(VALUE_BYTES);
      rows.set(Buffer.from(key).toString("hex"), value);
      await level.put(key, value);
    }
  };
  await write(ROWS_BELOW);
  await level.compactRange(new Uint8Array(), new Uint8Array(64).fill(255));
  await write(ROWS_ABOVE);
  const merged: [from: Uint8Array, end: Uint8Array][] = [];
  const tables: LevelTables = {
    getProperty: (name) => level.getProperty(name),
    approximateSize: (from, end) => level.approximateSize(from, end),
    async compactRange(from, end) {
      merged.push([from, end]);
      const merge = (): Promise<void> => level.compactRange(from, end);
      await (given.compactRange?.(merge) ?? merge());
    },
  };
  const clock = new FakeClock();
  const logged: string[] = [];
  const compaction = new RestCompaction(tables, {
    clock,
    logger: (_level: LogLevel, event) => void logged.push(event),
    freeBytes: async () => given.freeBytes?.() ?? LEVEL_COMPACTION_ROOM_BYTES,
    bounds: { ...BOUNDS, ...given.bounds },
  });
  return {
    clock,
    compaction,
    logged,
    merged,
    rows,
    level,
    /** Files of each level. */
    files: (): number[] =>
      Array.from({ length: 7 }, (_, n) =>
        Number(level.getProperty(`leveldb.num-files-at-level${n}`)),
      ),
    async [Symbol.asyncDispose]() {
      await compaction.close();
      await level.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const levelsWithFiles = (files: readonly number[]): number => files.filter((n) => n > 0).length;

test("[ST46] levels are merged into one once nothing has been asked for a while, and all rows stay", async () => {
  await using world = await severalLevels();
  const { clock, compaction, files, level, merged, rows } = world;
  expect(levelsWithFiles(files())).toBeGreaterThan(1);
  compaction.wrote(MIB - 1);
  expect(clock.sleeperCount).toBe(0);
  compaction.wrote(1);
  await clock.advance(LEVEL_COMPACTION_REST_MS - 1);
  expect(merged).toEqual([]);
  await clock.advance(1);
  await vi.waitFor(() => expect(levelsWithFiles(files())).toBe(1), { timeout: 10_000 });
  // About as many ranges as there are slices of a MiB, none twice, each beginning where another ends.
  expect(merged.length).toBeGreaterThanOrEqual(4);
  expect(merged.length).toBeLessThanOrEqual(16);
  const found = await level.getMany(
    [...rows.keys()].map((hex) => Uint8Array.from(Buffer.from(hex, "hex"))),
  );
  expect(
    found.every(
      (value, n) =>
        Buffer.compare(value ?? Buffer.of(), [...rows.values()][n] ?? Buffer.of()) === 0,
    ),
  ).toBe(true);
});

test("[ST46] what is asked puts it off, and stops it after the range under way; it goes on at the next rest", async () => {
  let ask = (): void => {};
  await using world = await severalLevels({
    async compactRange(merge) {
      await merge();
      ask();
    },
  });
  const { clock, compaction, files, merged } = world;
  ask = () => compaction.asked();
  compaction.wrote(MIB);
  await clock.advance(LEVEL_COMPACTION_REST_MS - 1);
  compaction.asked();
  await clock.advance(LEVEL_COMPACTION_REST_MS - 1);
  // At the end of the first rest something had been asked; the second is not over.
  expect(merged).toEqual([]);
  await clock.advance(2);
  await vi.waitFor(() => expect([merged.length, clock.sleeperCount]).toEqual([1, 1]), {
    timeout: 10_000,
  });
  ask = () => {};
  await clock.advance(LEVEL_COMPACTION_REST_MS);
  await vi.waitFor(() => expect(levelsWithFiles(files())).toBe(1), { timeout: 10_000 });
  expect(merged.length).toBeGreaterThan(1);
});

test("[ST46] nothing is merged where too little lies above, or too little room is left", async () => {
  for (const given of [
    { bounds: { aboveBytesMin: 100 * MIB } },
    { bounds: { abovePercentMin: 90 } },
    { freeBytes: () => LEVEL_COMPACTION_ROOM_BYTES - 1 },
  ]) {
    await using world = await severalLevels(given);
    const { clock, compaction, files, merged } = world;
    compaction.wrote(MIB);
    await clock.advance(LEVEL_COMPACTION_REST_MS);
    // It has looked, and looks again only after as much has been written once more.
    await vi.waitFor(() => expect(clock.sleeperCount).toBe(0));
    await clock.advance(10 * LEVEL_COMPACTION_REST_MS);
    expect(merged).toEqual([]);
    expect(levelsWithFiles(files())).toBeGreaterThan(1);
    await vi.waitFor(() => {
      compaction.wrote(MIB);
      expect(clock.sleeperCount).toBe(1);
    });
  }
});

test("[ST46] it ends after the range that leaves too little room", async () => {
  let free = LEVEL_COMPACTION_ROOM_BYTES;
  await using world = await severalLevels({ freeBytes: () => free-- });
  const { clock, compaction, merged } = world;
  compaction.wrote(MIB);
  await clock.advance(LEVEL_COMPACTION_REST_MS);
  await vi.waitFor(() =>
    expect([merged.length, free]).toEqual([1, LEVEL_COMPACTION_ROOM_BYTES - 2]),
  );
  await vi.waitFor(() => expect(clock.sleeperCount).toBe(0));
  expect(merged.length).toBe(1);
});

test("[ST46] nothing is merged while something is open, and all that is read of a store counts as asked", async () => {
  await using folder = await tempFolder();
  const clock = new FakeClock();
  await using store = await openDiskStore({ clock, random: nodeRandom() }, folder.at("store"));
  const value = nodeRandom().bytes(MIB);
  const keyAt = (n: number): Uint8Array => Uint8Array.of(1, n);
  for (let n = 0; n < LEVEL_COMPACTION_WRITTEN_BYTES / MIB; n++)
    await store.write([{ type: "put", key: keyAt(n), value }]);
  const asks: Record<string, () => Promise<unknown>> = {
    get: () => store.get(keyAt(1)),
    getNow: async () => store.getNow(keyAt(1)),
    getMany: () => store.getMany([keyAt(1), keyAt(2)]),
    "getMany of many": () => store.getMany(Array.from({ length: 100 }, (_, n) => keyAt(n))),
    write: () => store.write([{ type: "put", key: keyAt(1), value: keyAt(1) }]),
  };
  // Something is asked in each rest: it goes on waiting.
  for (const [name, ask] of Object.entries(asks)) {
    await clock.advance(LEVEL_COMPACTION_REST_MS - 1);
    await ask();
    await clock.advance(1);
    expect(clock.sleeperCount, name).toBe(1);
  }
  const snapshot = store.snapshot();
  await clock.advance(5 * LEVEL_COMPACTION_REST_MS);
  expect(clock.sleeperCount).toBe(1);
  await snapshot.close();
  await snapshot.close();
  for await (const _ of store.scan({ gte: keyAt(0) })) {
    await clock.advance(5 * LEVEL_COMPACTION_REST_MS);
    expect(clock.sleeperCount).toBe(1);
    break;
  }
  // Nothing lies above the lowest level: it has looked, and is done.
  await clock.advance(2 * LEVEL_COMPACTION_REST_MS);
  await vi.waitFor(() => expect(clock.sleeperCount).toBe(0));
});

test("[ST46] closing waits for the range under way, and begins no other", async () => {
  const going = Promise.withResolvers<void>();
  await using world = await severalLevels({ compactRange: () => going.promise });
  const { clock, compaction, merged } = world;
  compaction.wrote(MIB);
  await clock.advance(LEVEL_COMPACTION_REST_MS);
  await vi.waitFor(() => expect(merged.length).toBe(1));
  let isClosed = false;
  const closing = compaction.close().then(() => (isClosed = true));
  await clock.advance(LEVEL_COMPACTION_REST_MS);
  expect(isClosed).toBe(false);
  going.resolve();
  await closing;
  expect([merged.length, clock.sleeperCount, world.logged]).toEqual([1, 0, []]);
});

test("[ST46] when it fails that is logged, and the next one is tried after as much has been written again", async () => {
  await using world = await severalLevels({ compactRange: () => Promise.reject(new Error("no")) });
  const { clock, compaction, logged, merged } = world;
  compaction.wrote(MIB);
  await clock.advance(LEVEL_COMPACTION_REST_MS);
  await vi.waitFor(() => expect(logged).toEqual(["store.compaction-failed"]));
  compaction.wrote(MIB - 1);
  await clock.advance(LEVEL_COMPACTION_REST_MS);
  expect(merged.length).toBe(1);
  compaction.wrote(1);
  await clock.advance(LEVEL_COMPACTION_REST_MS);
  await vi.waitFor(() => expect(merged.length).toBe(2));
});

test("[ST46] a store on disk waits for a rest once enough was written to it; who only looks at it never does", async () => {
  await using folder = await tempFolder();
  for (const isLook of [false, true]) {
    const clock = new FakeClock();
    const store = await openDiskStore({ clock, random: nodeRandom(), isLook }, folder.at("store"));
    const value = nodeRandom().bytes(MIB);
    for (let written = 0; written < LEVEL_COMPACTION_WRITTEN_BYTES; written += value.length) {
      expect(clock.sleeperCount).toBe(0);
      await store.write([{ type: "put", key: Uint8Array.of(1, written / MIB), value }]);
    }
    expect(clock.sleeperCount).toBe(isLook ? 0 : 1);
    await store.close();
    expect(clock.sleeperCount).toBe(0);
  }
});
