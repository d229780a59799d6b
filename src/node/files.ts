/** Files that are there entirely or not at all, whenever the power goes. */

import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { codeOf } from "../base/index.ts";
import { StoreError } from "../store/index.ts";
import { SECRET_BYTES_MAX } from "./limits.ts";

/** Only the owner may read and write. */
const SECRET_MODE = 0o600;
/** Only the owner may look into it. */
const FOLDER_MODE = 0o700;
/** Rights of group and others. */
const OTHERS_MASK = 0o077;

/**
 * Writes a secret that was not there before, readable by its owner only, durable once the promise resolves. A crash
 * leaves either nothing or all of it under `path`. A secret is never overwritten.
 *
 * @throws {StoreError} `STORE_WRITE_FAILED` when `path` exists or cannot be written, `STORE_FULL`.
 */
export async function writeSecretFile(path: string, bytes: Uint8Array): Promise<void> {
  if (bytes.length > SECRET_BYTES_MAX) {
    throw new RangeError(
      `A secret file has at most ${SECRET_BYTES_MAX} bytes, not ${bytes.length}`,
    );
  }
  const temporary = `${path}.new-${randomBytes(8).toString("hex")}`;
  try {
    const file = await open(temporary, "wx", SECRET_MODE);
    await using _closing = { [Symbol.asyncDispose]: () => file.close() };
    await file.writeFile(bytes);
    await file.sync();
    // A link, unlike a rename, fails when the name is taken.
    await link(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    throw secretError("write", cause);
  } finally {
    // What went wrong before is what its caller must hear; a rest of 4 KiB at most does no harm.
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/**
 * Writes a secret in place of the one that is there, as `writeSecretFile` does: a crash leaves either.
 *
 * @throws {StoreError} `STORE_WRITE_FAILED`, `STORE_FULL`.
 */
export async function replaceSecretFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new-${randomBytes(8).toString("hex")}`;
  await writeSecretFile(temporary, bytes);
  try {
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw secretError("write", cause);
  }
}

/** Renames a secret to a name that is free, `path` and `.aside`, where there is one. @throws {StoreError} `STORE_WRITE_FAILED`. */
export async function setSecretAside(path: string): Promise<void> {
  try {
    await rename(path, `${path}.aside`);
    await syncFolder(dirname(path));
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw secretError("write", cause);
  }
}

/**
 * The secret at `path`, or `undefined` when there is none.
 *
 * @throws {StoreError} `STORE_READ_FAILED` when it cannot be read, is no plain file, is too large, or may be read by
 *   other users.
 */
export async function readSecretFile(path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle;
  try {
    // Without O_NONBLOCK the opening of a pipe waits for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw secretError("read", cause);
  }
  await using _closing = { [Symbol.asyncDispose]: () => file.close() };
  const { mode, size, isPlain } = await statOf(file);
  if (!isPlain)
    throw new StoreError("STORE_READ_FAILED", "Cannot read secret file: it is no plain file");
  if (process.platform !== "win32" && (mode & OTHERS_MASK) !== 0) {
    const message =
      "Cannot read secret file: other users may read or change it; allow only the owner (chmod 600)";
    throw new StoreError("STORE_READ_FAILED", message);
  }
  if (size > SECRET_BYTES_MAX) {
    throw new StoreError(
      "STORE_READ_FAILED",
      `Cannot read secret file: it has more than ${SECRET_BYTES_MAX} bytes`,
    );
  }
  try {
    return new Uint8Array(await file.readFile());
  } catch (cause) {
    throw secretError("read", cause);
  }
}

/** Makes a folder and those above it that are missing, for the owner only, durable once the promise resolves. */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let above = path; !(await isThere(above)); above = dirname(above)) missing.push(above);
  // Step by step: Node.js's recursive way never ends where the system will not have a name, as in /proc.
  for (const made of missing.reverse()) {
    await mkdir(made, { mode: FOLDER_MODE }).catch((error: unknown) => {
      // Somebody else was faster.
      if (codeOf(error) !== "EEXIST") throw error;
    });
    await syncFolder(dirname(made));
  }
  if (!(await stat(path)).isDirectory())
    throw Object.assign(new Error(`${path} is no folder`), { code: "ENOTDIR" });
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** Makes durable which names `path` holds. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder, and keeps its names by itself.
  if (process.platform !== "win32") await syncFile(path);
}

/** Makes durable what the files of `path` hold, and their names. Folders in it are left out. */
export async function syncFilesIn(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isFile()) await syncFile(join(path, entry.name));
  }
  await syncFolder(path);
}

/** Removes what crashes have left beside `path`: names that begin with it and go on as `isRemains` says. */
export async function removeBeside(
  path: string,
  isRemains: (rest: string) => boolean,
): Promise<void> {
  const name = basename(path);
  for (const other of await readdir(dirname(path))) {
    if (!other.startsWith(name) || !isRemains(other.slice(name.length))) continue;
    await rm(join(dirname(path), other), { recursive: true, force: true });
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r");
  await using _closing = { [Symbol.asyncDispose]: () => file.close() };
  await file.sync();
}

async function statOf(file: FileHandle): Promise<{ mode: number; size: number; isPlain: boolean }> {
  const stat = await file.stat();
  return { mode: stat.mode, size: stat.size, isPlain: stat.isFile() };
}

function secretError(action: "read" | "write", cause: unknown): StoreError {
  const code = codeOf(cause);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new StoreError("STORE_FULL", `Cannot ${action} secret file: the medium is full`, {
      cause,
    });
  }
  const why =
    code === "EEXIST" ? "there is one already" : `the system refused (${code ?? "no code"})`;
  return new StoreError(
    action === "read" ? "STORE_READ_FAILED" : "STORE_WRITE_FAILED",
    `Cannot ${action} secret file: ${why}`,
    { cause },
  );
}

/** Removes a folder with all that is in it. One that is not there is removed. */
export function removeFolder(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}

/** Gives a folder another name beside it; durable when it resolves. */
export async function renameFolder(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}
