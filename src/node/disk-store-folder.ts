/** The folder of a store: what stands where it is sought, how a new one comes to be, what a crash leaves beside it. */

import { open, readdir, realpath, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Clock, codeOf, type Logger, type Random, toHex } from "../base/index.ts";
import { openStore, StoreError } from "../store/index.ts";
import type { OpenLevel } from "./disk-store.ts";
import { diskWitness } from "./disk-witness.ts";
import { makeFolder, removeBeside, syncFilesIn, syncFolder } from "./files.ts";
import { REOPEN_ROOM_BYTES, ROOM_PROBE_BYTES } from "./limits.ts";

/** Everything that LevelDB and the witness put into a folder. */
const LEVEL_FILE =
  /^(CURRENT|LOCK|LOG|LOG\.old|WITNESS(\.new)?|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/;
/** Those of its files that may hold rows. */
const LEVEL_LOG = /^\d+\.log$/;
const LEVEL_TABLE = /^\d+\.(ldb|sst)$/;
/** What follows the folder's name in the names of what a crash may leave beside it. */
const REMAINS = /^(\.new-[0-9a-f]{16}|\.room)$/;

/**
 * What stands at a path. `begun`: LevelDB was opened there once and never got to hold rows. `damaged`: LevelDB's files
 * are there but those that tell which of them count.
 */
export type Found = "nothing" | "begun" | "store" | "damaged";

/** @throws {StoreError} `STORE_OPEN_FAILED` for anything that is no folder, or one of something else. */
export async function lookAt(path: string): Promise<Found> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return "nothing";
    const why =
      codeOf(cause) === "ENOTDIR" ? "a file stands where a folder should be" : "the system refused";
    throw new StoreError(
      "STORE_OPEN_FAILED",
      `Cannot open store: ${why} (${codeOf(cause) ?? "no code"}): ${path}`,
      { cause },
    );
  }
  if (names.length === 0) return "nothing";
  if (names.includes("CURRENT"))
    return names.some((name) => name.startsWith("MANIFEST-")) ? "store" : "damaged";
  if (!names.every((name) => LEVEL_FILE.test(name))) {
    throw new StoreError(
      "STORE_OPEN_FAILED",
      `Cannot open store: the folder holds something else: ${path}`,
    );
  }
  const hasRows = names.some((name) => LEVEL_TABLE.test(name)) || (await bytesOfLogs(path)) > 0;
  return hasRows ? "damaged" : "begun";
}

interface MakeDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly openLevel: OpenLevel;
}

/**
 * Makes a new store aside and moves it to `path` when it is durable, so that what stands at `path` is always whole. When
 * another process was quicker, its store is left there.
 *
 * @throws {StoreError} as `openStore` does; `STORE_FULL`, `STORE_OPEN_FAILED`.
 */
export async function makeAside(path: string, deps: MakeDeps): Promise<void> {
  const { clock, random, openLevel } = deps;
  const aside = `${path}.new-${toHex(random.bytes(8))}`;
  try {
    await makeFolder(aside);
    const store = await openStore({
      openEngine: () => openLevel(aside, { create: true }),
      witness: diskWitness(aside),
      clock,
      random,
    });
    await store.close();
    await syncFilesIn(aside);
    await rename(aside, path);
    await syncFolder(dirname(path));
  } catch (error) {
    // Where this fails too, the next opening removes it.
    await rm(aside, { recursive: true, force: true }).catch(() => {});
    if ((await lookAt(path)) === "nothing") throw creationError(error);
  }
}

/** The one name of the folder at `path`. LevelDB locks a name, so two names of one folder would be opened twice. */
export async function whereIs(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw new StoreError("STORE_OPEN_FAILED", `Cannot open store: its folder is gone: ${path}`, {
      cause,
    });
  }
}

/** Removes what crashes have left beside an open store. Whoever else makes one there now has lost the race already. */
export async function removeRemains(folder: string, logger: Logger | undefined): Promise<void> {
  try {
    await removeBeside(folder, (rest) => REMAINS.test(rest));
  } catch (error) {
    // Nothing depends on it; the next opening tries again.
    logger?.("warn", "store.remains-kept", { code: codeOf(error) });
  }
}

/** Rejects unless LevelDB has room to write anew what its logs hold, as it does when it is opened. */
export async function proveRoom(folder: string): Promise<void> {
  const needed = (await bytesOfLogs(folder)) + REOPEN_ROOM_BYTES;
  if ((await freeBytes(folder)) < needed)
    throw new StoreError("STORE_FULL", `Cannot reopen store: it needs ${needed} free bytes`);
  const probe = `${folder}.room`;
  try {
    const file = await open(probe, "w");
    await using _closing = { [Symbol.asyncDispose]: () => file.close() };
    await file.writeFile(new Uint8Array(ROOM_PROBE_BYTES));
    await file.sync();
  } finally {
    await rm(probe, { force: true });
  }
}

/** Bytes that its owner may still write where the folder is. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Paths of LevelDB's logs in `folder`. */
export async function logsIn(folder: string): Promise<string[]> {
  return (await readdir(folder))
    .filter((name) => LEVEL_LOG.test(name))
    .map((name) => join(folder, name));
}

async function bytesOfLogs(folder: string): Promise<number> {
  let bytes = 0;
  for (const log of await logsIn(folder)) bytes += (await stat(log)).size;
  return bytes;
}

function creationError(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const code = codeOf(cause);
  if (code === "ENOSPC" || code === "EDQUOT")
    return new StoreError("STORE_FULL", "Cannot create store: the medium is full", { cause });
  const why =
    code === "ENOTDIR" || code === "EEXIST"
      ? "a file stands where a folder should be"
      : "the system refused";
  return new StoreError("STORE_OPEN_FAILED", `Cannot create store: ${why} (${code ?? "no code"})`, {
    cause,
  });
}
