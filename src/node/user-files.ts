/** Files of people: what blobs are made of and written into. They lie where people say, not in the peer's folder. */

import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { CodedError, codeOf } from "../base/index.ts";
import { syncFolder } from "./files.ts";
import { FILE_READ_BYTES } from "./limits.ts";

/** `NOT_READ`: a file cannot be read. `NOT_WRITTEN`: nor written; what stood there stands there still. */
export type FileErrorCode = "FILE_NOT_READ" | "FILE_NOT_WRITTEN";

/** The system's refusal of a file that somebody has named. */
export class FileError extends CodedError<FileErrorCode> {}

/** The bytes of a file, from its start to its end as they are when they are read. @throws {FileError} `FILE_NOT_READ`. */
export async function* readUserFile(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const refused = (cause: unknown): FileError =>
    new FileError("FILE_NOT_READ", `Cannot read ${path}: ${whyOf(cause)}`, { cause });
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    throw refused(cause);
  }
  await using _closing = { [Symbol.asyncDispose]: () => file.close() };
  for (;;) {
    const read = await file.read(new Uint8Array(FILE_READ_BYTES)).catch((cause: unknown) => {
      throw refused(cause);
    });
    if (read.bytesRead === 0) return;
    yield read.buffer.subarray(0, read.bytesRead);
  }
}

/** Bytes of a file now; `undefined` when it has none by itself, as a pipe. @throws {FileError} `FILE_NOT_READ`. */
export async function sizeOfUserFile(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (cause) {
    throw new FileError("FILE_NOT_READ", `Cannot read ${path}: ${whyOf(cause)}`, { cause });
  }
}

/**
 * Writes a file that is there whole or not at all: aside, synced, and then renamed to `path`, in place of a file that stands
 * there. Durable when it resolves. Answers its bytes. `isSecret`: only its owner may read it.
 *
 * @throws {FileError} `FILE_NOT_WRITTEN`; what the source threw. Nothing is left behind then.
 */
export async function writeUserFile(
  path: string,
  source: AsyncIterable<Uint8Array>,
  { isSecret = false }: { readonly isSecret?: boolean } = {},
): Promise<number> {
  const refused = (cause: unknown): FileError =>
    new FileError("FILE_NOT_WRITTEN", `Cannot write ${path}: ${whyOf(cause)}`, { cause });
  // A device or a pipe would be taken away by the rename.
  const there = await stat(path).catch(() => undefined);
  if (there !== undefined && !there.isFile()) throw refused("it is no plain file");
  const aside = `${path}.new-${randomBytes(8).toString("hex")}`;
  let file: FileHandle;
  try {
    file = await open(aside, "wx", isSecret ? 0o600 : 0o666);
  } catch (cause) {
    throw refused(cause);
  }
  try {
    const bytes = await fill(file, source, refused);
    await rename(aside, path).catch((cause: unknown) => {
      throw refused(cause);
    });
    await syncFolder(dirname(path));
    return bytes;
  } catch (error) {
    await rm(aside, { force: true }).catch(() => {});
    throw error;
  }
}

async function fill(
  file: FileHandle,
  source: AsyncIterable<Uint8Array>,
  refused: (cause: unknown) => FileError,
): Promise<number> {
  await using _closing = { [Symbol.asyncDispose]: () => file.close() };
  const fails = (cause: unknown): never => {
    throw refused(cause);
  };
  let bytes = 0;
  for await (const piece of source) {
    await file.writeFile(piece).catch(fails);
    bytes += piece.length;
  }
  await file.sync().catch(fails);
  return bytes;
}

function whyOf(cause: unknown): string {
  if (typeof cause === "string") return cause;
  const code = codeOf(cause);
  if (code === "ENOENT") return "it is not there";
  if (code === "EISDIR") return "it is a folder";
  return `the system refused (${code ?? "no code"})`;
}
