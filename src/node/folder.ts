import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { codeOf, CodedError } from "../base/index.ts";
import {
  makeFolder,
  readSecretFile,
  replaceSecretFile,
  setSecretAside,
  writeSecretFile,
} from "./files.ts";

/** `PEER_PATH_INVALID`: what is there is no folder, or none that can be used. */
export class FolderError extends CodedError<"PEER_PATH_INVALID"> {}

/** A peer's folder: secret files, the store and the socket. */
export interface Folder {
  readonly path: string;
  readonly storePath: string;
  /** Pack files of chunks. */
  readonly chunksPath: string;
  readonly socketPath: string;
  /** Whether a store has been made in it. */
  hasStore(): Promise<boolean>;
  /** The port used last, or `undefined`. What is lost or damaged of it costs a new one. */
  readPort(): Promise<number | undefined>;
  writePort(port: number): Promise<void>;
  /** A secret file, or `undefined`. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** Writes a secret file that is not there; durable when it resolves. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** In place of what is there: a crash leaves either. */
  replace(name: string, bytes: Uint8Array): Promise<void>;
  /** Renames it to `name.aside`, where it is there. */
  setAside(name: string): Promise<void>;
}

const PORT_FILE = "port";

async function readPort(path: string): Promise<number | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port > 0 && port < 65_536 ? port : undefined;
}

/** In place of the last one; a crash leaves either. */
async function writePort(path: string, port: number): Promise<void> {
  await writeFile(`${path}.new`, String(port), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Paths in a peer's folder, whether it is there or not. */
export function folderPaths(
  path: string,
): Pick<Folder, "path" | "storePath" | "chunksPath" | "socketPath"> {
  const folder = resolve(path);
  return {
    path: folder,
    storePath: join(folder, "store"),
    chunksPath: join(folder, "chunks"),
    socketPath: join(folder, "api.sock"),
  };
}

/** Opens a folder, made unless it is there, for this user only. @throws {FolderError} `PEER_PATH_INVALID`. */
export async function openFolder(path: string): Promise<Folder> {
  // Else it would be the folder that the process happens to be in.
  if (path === "")
    throw new FolderError("PEER_PATH_INVALID", "Cannot open peer: its path is empty");
  const paths = folderPaths(path);
  try {
    // Its own entry is synced too: keys and store in it are durable from then on.
    await makeFolder(paths.path);
  } catch (cause) {
    throw new FolderError(
      "PEER_PATH_INVALID",
      `Cannot open peer: ${path} is no folder and none can be made there`,
      { cause },
    );
  }
  return {
    ...paths,
    hasStore: () =>
      stat(paths.storePath).then(
        () => true,
        () => false,
      ),
    readPort: () => readPort(join(paths.path, PORT_FILE)),
    writePort: (port) => writePort(join(paths.path, PORT_FILE), port),
    read: (name) => readSecretFile(join(paths.path, name)),
    write: (name, bytes) => writeSecretFile(join(paths.path, name), bytes),
    replace: (name, bytes) => replaceSecretFile(join(paths.path, name), bytes),
    setAside: (name) => setSecretAside(join(paths.path, name)),
  };
}

/** Whether a folder holds a peer's store. Makes nothing. Where its path leads nowhere else either, who opens it is told why. */
export async function hasPeer(path: string): Promise<boolean> {
  try {
    await stat(folderPaths(path).storePath);
    return true;
  } catch (error) {
    return codeOf(error) !== "ENOENT";
  }
}
