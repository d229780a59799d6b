import { mkdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CodedError } from "../base/index.ts";
import { readSecretFile, writeSecretFile } from "./files.ts";

/** `PEER_PATH_INVALID`: what is there is no folder, or none that can be used. */
export class FolderError extends CodedError<"PEER_PATH_INVALID"> {}

/** A peer's folder: secret files, the store and the socket. */
export interface Folder {
  readonly path: string;
  readonly storePath: string;
  readonly socketPath: string;
  /** Whether a store has been made in it. */
  hasStore(): Promise<boolean>;
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, bytes: Uint8Array): Promise<void>;
}

/** Paths in a peer's folder, whether it is there or not. */
export function folderPaths(path: string): Pick<Folder, "path" | "storePath" | "socketPath"> {
  const folder = resolve(path);
  return { path: folder, storePath: join(folder, "store"), socketPath: join(folder, "api.sock") };
}

/** Opens a folder, made unless it is there, for this user only. @throws {FolderError} `PEER_PATH_INVALID`. */
export async function openFolder(path: string): Promise<Folder> {
  const paths = folderPaths(path);
  try {
    await mkdir(paths.path, { recursive: true, mode: 0o700 });
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
    read: (name) => readSecretFile(join(paths.path, name)),
    write: (name, bytes) => writeSecretFile(join(paths.path, name), bytes),
  };
}
