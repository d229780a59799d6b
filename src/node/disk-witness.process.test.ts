import { execFile } from "node:child_process";
import { cp, rename, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { StoreOrigin } from "../store/index.ts";
import { put, type TempFolder, tempFolder } from "../testkit/index.ts";
import { nodeClock, nodeRandom, openDiskStore } from "./index.ts";

const DEPS = { clock: nodeClock(), random: nodeRandom() };
const run = promisify(execFile);

/** Opens the store, writes a row, closes it; answers where it said to come from. */
async function use(path: string, row = "a"): Promise<StoreOrigin> {
  await using store = await openDiskStore(DEPS, path);
  await store.write([put(row)]);
  return store.origin;
}

describe("[ST43] a store on disk", () => {
  test("is the same each time it is opened, also under another name", async () => {
    await using folder = await tempFolder();
    expect(await use(folder.at("store"))).toBe("same");
    expect(await use(folder.at("store"))).toBe("same");
    await rename(folder.at("store"), folder.at("moved"));
    expect(await use(folder.at("moved"))).toBe("same");
  });

  const COPIES: readonly [string, (folder: TempFolder) => Promise<unknown>][] = [
    ["cp", (folder) => run("cp", ["-R", folder.at("store"), folder.at("copy")])],
    ["cp -a", (folder) => run("cp", ["-a", folder.at("store"), folder.at("copy")])],
    ["links", (folder) => run("cp", ["-al", folder.at("store"), folder.at("copy")])],
    [
      "tar",
      async (folder) => {
        await run("tar", ["-C", folder.at("store"), "-cf", folder.at("store.tar"), "."]);
        await run("mkdir", [folder.at("copy")]);
        await run("tar", ["-C", folder.at("copy"), "-xf", folder.at("store.tar")]);
      },
    ],
    ["Node.js", (folder) => cp(folder.at("store"), folder.at("copy"), { recursive: true })],
  ];

  test.for(COPIES)(
    "[ST44] is a copy when it was copied by %s, until that is settled",
    async ([, copy]) => {
      await using folder = await tempFolder();
      await use(folder.at("store"));
      await copy(folder);
      expect(await use(folder.at("copy"))).toBe("copy");
      expect(await use(folder.at("copy"))).toBe("copy");
      {
        await using store = await openDiskStore(DEPS, folder.at("copy"));
        await store.settleOrigin();
      }
      expect(await use(folder.at("copy"))).toBe("same");
    },
  );

  test("is a copy when a backup was put back in its place", async () => {
    await using folder = await tempFolder();
    await use(folder.at("store"));
    await run("cp", ["-a", folder.at("store"), folder.at("backup")]);
    await use(folder.at("store"), "b");
    await rm(folder.at("store"), { recursive: true });
    await run("cp", ["-a", folder.at("backup"), folder.at("store")]);
    expect(await use(folder.at("store"))).toBe("copy");
  });

  test("is a copy when only the files that had changed were put back", async () => {
    await using folder = await tempFolder();
    {
      await using store = await openDiskStore(DEPS, folder.at("store"));
      await store.write([put("a")]);
      await run("cp", ["-a", folder.at("store"), folder.at("backup")]);
      await store.write([put("b")]);
    }
    // As long ago as a backup is.
    await run("find", [
      folder.at("backup"),
      "-name",
      "*.log",
      "-exec",
      "touch",
      "-d",
      "-1 hour",
      "{}",
      "+",
    ]);
    for (const name of await logNames(folder))
      await run("cp", ["-a", folder.at(`backup/${name}`), folder.at(`store/${name}`)]);
    expect(await use(folder.at("store"))).toBe("copy");
  });
});

async function logNames(folder: TempFolder): Promise<string[]> {
  const { stdout } = await run("ls", [folder.at("backup")]);
  return stdout.split("\n").filter((name) => name.endsWith(".log"));
}
