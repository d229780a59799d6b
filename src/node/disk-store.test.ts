import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { codeOf, type LogLevel } from "../base/index.ts";
import { createMemoryMedium, type Engine, type Store } from "../store/index.ts";
import {
  contentOf,
  deepEqual,
  FakeClock,
  FaultyMedium,
  fullDiskError,
  key,
  keysOf,
  put,
  recovered,
  rejects,
  seededRandom,
  storeRules,
  type StoreWorld,
  tempFolder,
} from "../testkit/index.ts";
import { openClassicLevel } from "./disk-store.ts";
import { type DiskStoreDeps, nodeClock, nodeRandom, openDiskStore } from "./index.ts";

const DEPS: DiskStoreDeps = { clock: nodeClock(), random: nodeRandom() };

/** A world on disk: real LevelDB, with faults in front of it. */
async function diskStoreWorld(): Promise<StoreWorld> {
  const folder = await tempFolder();
  const path = folder.at("store");
  const clock = new FakeClock();
  const random = seededRandom(1);
  let open = (): Promise<Engine> => openClassicLevel(path, { create: true });
  const medium = new FaultyMedium(() => open());
  return {
    clock,
    medium,
    open: () =>
      openDiskStore(
        {
          clock,
          random,
          openLevel(where, options) {
            open = () => openClassicLevel(where, options);
            return medium.openEngine();
          },
        },
        path,
      ),
    openEngine: () => openClassicLevel(path, { create: true }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe("conformance", () => {
  test.for(storeRules)("[$id] disk: $says", async (rule) => {
    await using world = await diskStoreWorld();
    await rule.check(world);
  });

  test("[ST20] the rule finds a store on disk that does not really reopen its engine", async () => {
    const rule = storeRules.find(({ id }) => id === "ST20") ?? expect.unreachable();
    await using world = await diskStoreWorld();
    world.medium.keepsHandle = true;
    await expect(rule.check(world)).rejects.toThrow(/^Expected value to be/);
  });
});

describe("creation", () => {
  test("[ST30] a new store is its folder and nothing beside it, for its owner only; folders above are made", async () => {
    await using folder = await tempFolder();
    const path = folder.at("a/b/store");
    await using store = await openDiskStore(DEPS, path);
    expect(await readdir(folder.at("a/b"))).toEqual(["store"]);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(folder.at("a"))).mode & 0o777).toBe(0o700);
    expect(store.id).toHaveLength(16);
  });

  test("[ST30] an empty folder becomes a store", async () => {
    await using folder = await tempFolder();
    await mkdir(folder.at("store"));
    await using store = await openDiskStore(DEPS, folder.at("store"));
    await store.write([put("a")]);
  });

  test("[ST30] of several who create one store at the same time one gets it, the others find it locked", async () => {
    await using folder = await tempFolder();
    const path = folder.at("store");
    const opened = await Promise.allSettled(
      Array.from({ length: 6 }, () => openDiskStore(DEPS, path)),
    );
    const stores = opened
      .filter((result) => result.status === "fulfilled")
      .map((result) => result.value);
    const codes = opened
      .filter((result) => result.status === "rejected")
      .map((result) => codeOf(result.reason));
    expect(stores).toHaveLength(1);
    expect(codes).toEqual(Array.from({ length: 5 }, () => "STORE_LOCKED"));
    await stores[0]?.close();
    await using again = await openDiskStore(DEPS, path);
    expect(again.id).toEqual(stores[0]?.id);
    expect(await readdir(folder.path)).toEqual(["store"]);
  });

  test("[ST30] a creation that fails leaves nothing behind", async () => {
    await using folder = await tempFolder();
    const medium = new FaultyMedium((): Promise<Engine> => createMemoryMedium().openEngine());
    medium.failWrite({ error: fullDiskError() });
    const deps = { ...DEPS, openLevel: () => medium.openEngine() };
    await rejects(openDiskStore(deps, folder.at("store")), "STORE_FULL");
    medium.failOpen(new Error("anything"));
    await rejects(openDiskStore(deps, folder.at("store")), "STORE_OPEN_FAILED");
    expect(await readdir(folder.path)).toEqual([]);
  });

  test("[ST31] a folder where LevelDB had only begun becomes a store", async () => {
    await using folder = await tempFolder();
    const path = folder.at("store");
    await mkdir(path);
    // What an opening that found nothing leaves behind.
    await openClassicLevel(path, { create: false }).catch(() => {});
    expect(await readdir(path)).toContain("LOCK");
    {
      await using store = await openDiskStore(DEPS, path);
      await store.write([put("a")]);
    }
    await using store = await openDiskStore(DEPS, path);
    expect(await keysOf(store)).toEqual(["a"]);
  });

  test("[ST31] LevelDB without a row and without a born mark becomes a store", async () => {
    await using folder = await tempFolder();
    const path = folder.at("store");
    await (await openClassicLevel(path, { create: true })).close();
    await using store = await openDiskStore(DEPS, path);
    await store.write([put("a")]);
  });

  test("[ST31] a folder of something else is refused and left as it is", async () => {
    await using folder = await tempFolder();
    await writeFile(folder.at("letter.txt"), "dear");
    await writeFile(folder.at("LOG"), "dear");
    await rejects(openDiskStore(DEPS, folder.path), "STORE_OPEN_FAILED");
    expect((await readdir(folder.path)).toSorted()).toEqual(["LOG", "letter.txt"]);
  });

  test("[ST38] what crashes left beside a store goes when it is opened, and nothing else", async () => {
    await using folder = await tempFolder();
    const path = folder.at("store");
    await mkdir(folder.at("store.new-0123456789abcdef"));
    await writeFile(folder.at("store.new-0123456789abcdef/000003.log"), "x");
    await writeFile(folder.at("store.room"), "x");
    const others = [
      "store.new-",
      "store.new-0123456789abcdeg",
      "store.newer",
      "store2.room",
      "store.corrupt-1",
    ];
    for (const other of others) await mkdir(folder.at(other));
    await using _store = await openDiskStore(DEPS, path);
    expect((await readdir(folder.path)).toSorted()).toEqual(["store", ...others].toSorted());
  });
});

describe("damage", () => {
  /** A store with twenty rows, closed; most of them are in its log. */
  async function writtenStore(path: string): Promise<void> {
    await using store = await openDiskStore(DEPS, path);
    for (let i = 0; i < 20; i++)
      await store.write([{ type: "put", key: key(`k${i}`), value: new Uint8Array(500).fill(i) }]);
  }

  async function fileOf(path: string, pattern: RegExp): Promise<string> {
    const name = (await readdir(path)).find((file) => pattern.test(file));
    return join(path, name ?? expect.unreachable());
  }

  const MANIFEST = /^MANIFEST-/;
  const LOG = /\.log$/;

  const damages: Readonly<Record<string, (path: string) => Promise<void>>> = {
    "CURRENT lost": (path) => rm(join(path, "CURRENT")),
    "CURRENT overwritten": (path) => writeFile(join(path, "CURRENT"), "garbage"),
    "CURRENT names a manifest that is not there": (path) =>
      writeFile(join(path, "CURRENT"), "MANIFEST-999999\n"),
    "manifest lost": async (path) => rm(await fileOf(path, MANIFEST)),
    "manifest emptied": async (path) => truncate(await fileOf(path, MANIFEST)),
    "manifest overwritten": async (path) =>
      writeFile(await fileOf(path, MANIFEST), new Uint8Array(300).fill(7)),
    "table lost": async (path) => {
      await (await openDiskStore(DEPS, path)).close();
      await rm(await fileOf(path, /\.ldb$/));
    },
    "log damaged in the middle": async (path) => {
      const log = await fileOf(path, LOG);
      const bytes = await readFile(log);
      bytes[4_000] = (bytes[4_000] as number) ^ 1;
      await writeFile(log, bytes);
    },
  };

  test.for(Object.keys(damages))(
    "[ST32] a damaged store is kept under another name, and told: %s",
    async (name) => {
      await using folder = await tempFolder();
      const path = folder.at("store");
      const told: [LogLevel, string, unknown][] = [];
      const deps: DiskStoreDeps = {
        ...DEPS,
        logger: (level, event, fields) => told.push([level, event, fields]),
      };
      for (const number of [1, 2]) {
        await writtenStore(path);
        await damages[name]?.(path);
        const before = await readdir(path);
        const error = await rejects(openDiskStore(deps, path), "STORE_CORRUPT");
        expect(error.message).toContain(`store.corrupt-${number}`);
        expect(told.pop()).toEqual([
          "error",
          "store.set-aside",
          { folder: `${path}.corrupt-${number}` },
        ]);
        // LevelDB rotates its own notes whenever it looks; all else is there.
        expect(await readdir(`${path}.corrupt-${number}`)).toEqual(expect.arrayContaining(before));
      }
      await using store = await openDiskStore(deps, path);
      expect(await keysOf(store)).toEqual([]);
    },
  );

  test("[ST32] a damaged store that another one has open is not renamed", async () => {
    await using folder = await tempFolder();
    const path = folder.at("store");
    await writtenStore(path);
    await using _open = await openDiskStore(DEPS, path);
    const current = await readFile(join(path, "CURRENT"));
    await rm(join(path, "CURRENT"));
    await rejects(openDiskStore(DEPS, path), "STORE_LOCKED");
    await writeFile(join(path, "CURRENT"), current);
    expect(await readdir(folder.path)).toEqual(["store"]);
  });

  test("[ST33] a log that ends in the middle of a write is sound, wherever it is cut", async () => {
    await using folder = await tempFolder();
    const path = folder.at("store");
    await writtenStore(path);
    const log = await fileOf(path, LOG);
    const { size } = await stat(log);
    const random = seededRandom(33);
    for (let cut = size; cut > 0; cut -= 1 + random.below(900)) {
      await truncate(log, cut);
      await rename(path, folder.at("kept"));
      await copyFolder(folder.at("kept"), path);
      const store = await openDiskStore(DEPS, path);
      const keys = await keysOf(store);
      await store.close();
      deepEqual(new Set(keys), new Set(Array.from({ length: keys.length }, (_, i) => `k${i}`)));
      await rm(path, { recursive: true });
      await rename(folder.at("kept"), path);
    }
  });

  async function copyFolder(from: string, to: string): Promise<void> {
    await mkdir(to);
    for (const name of await readdir(from))
      await writeFile(join(to, name), await readFile(join(from, name)));
  }
});

describe("refusals", () => {
  test("[ST34] a file where the folder should be, or where one above it should be", async () => {
    await using folder = await tempFolder();
    await writeFile(folder.at("file"), "x");
    for (const path of [folder.at("file"), folder.at("file/store")]) {
      const error = await rejects(openDiskStore(DEPS, path), "STORE_OPEN_FAILED");
      expect(error.message).toContain("a file stands where a folder should be");
    }
    expect(await readdir(folder.path)).toEqual(["file"]);
  });

  test("[ST34] a name that is too long, and one that no file can have", async () => {
    await using folder = await tempFolder();
    await rejects(openDiskStore(DEPS, folder.at("x".repeat(300))), "STORE_OPEN_FAILED");
    await rejects(openDiskStore(DEPS, folder.at("a\0b")), "STORE_OPEN_FAILED");
  });

  test("[ST34] the same folder by another name is the same store", async () => {
    await using folder = await tempFolder();
    await using _open = await openDiskStore(DEPS, folder.at("store"));
    await symlink(folder.at("store"), folder.at("link"));
    await rejects(openDiskStore(DEPS, folder.at("link")), "STORE_LOCKED");
    await rejects(openDiskStore(DEPS, `${folder.path}/./x/../store/`), "STORE_LOCKED");
  });

  test("[ST34] a folder that may not be entered", async () => {
    await using folder = await tempFolder();
    await (await openDiskStore(DEPS, folder.at("store"))).close();
    await chmod(folder.at("store"), 0);
    // Nothing is refused to root.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(NOBODY);
    try {
      await rejects(openDiskStore(DEPS, folder.at("store")), "STORE_OPEN_FAILED");
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
    await chmod(folder.at("store"), 0o700);
  });
});

/** The number of a user without rights. */
const NOBODY = 65_534;

describe("full disk", () => {
  test("[ST37] the engine is kept until there is room to reopen it", async () => {
    await using folder = await tempFolder();
    const path = folder.at("store");
    const clock = new FakeClock();
    let openings = 0;
    let medium: FaultyMedium | undefined;
    const deps: DiskStoreDeps = {
      clock,
      random: nodeRandom(),
      openLevel(where, options) {
        openings += 1;
        medium = new FaultyMedium(() => openClassicLevel(where, options));
        return medium.openEngine();
      },
    };
    await using store: Store = await openDiskStore(deps, path);
    await store.write([put("a")]);
    // No file can be written where a folder stands.
    await mkdir(`${path}.room`);
    medium?.failWrite({ error: fullDiskError() });
    const before = openings;
    await rejects(store.write([put("b")]), "STORE_FULL");
    for (let step = 0; step < 50; step++) {
      await clock.advance(500);
      expect(await keysOf(store)).toEqual(["a"]);
    }
    expect([openings, store.state]).toEqual([before, "readOnly"]);
    await rm(`${path}.room`, { recursive: true, force: true });
    await recovered(store, clock);
    await store.write([put("c")]);
    expect(await keysOf(store)).toEqual(["a", "c"]);
    // With the born mark, the probe and the name of the medium.
    expect((await contentOfStore(store, path)).length).toBe(5);
  });

  /** All that LevelDB holds: born mark, probe and rows. */
  async function contentOfStore(store: Store, path: string): Promise<[Uint8Array, Uint8Array][]> {
    await store.close();
    const engine = await openClassicLevel(path, { create: false });
    const content = await contentOf(engine);
    await engine.close();
    return content;
  }
});
