import { constants } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { codeOf } from "../base/index.ts";
import { ChunkError, type ChunkErrorCode, type ChunkFiles } from "../chunks/index.ts";
import { makeFolder, syncFolder } from "./files.ts";
import { PACK_FILES_OPEN_MAX, SET_ASIDE_MAX } from "./limits.ts";

const NAME = /^(\d{8,10})\.pack$/;
/** Only the owner may read and write. */
const MODE = 0o600;
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/**
 * Pack files in a folder, made unless it is there: `00000001.pack` and so on. One process at a time uses it, which the lock
 * of the ordered store beside it sees to.
 *
 * @throws {ChunkError} `CHUNKS_OPEN_FAILED`.
 */
export async function openNodeChunkFiles(folder: string): Promise<ChunkFiles> {
  const path = resolve(folder);
  try {
    await makeFolder(path);
    // A file may stand there, or a folder that is not to be looked into.
    await readdir(path);
  } catch (cause) {
    throw failure("CHUNKS_OPEN_FAILED", "open", cause);
  }
  return new FolderChunkFiles(path);
}

/** A file that is open, until nobody uses it and others are used more. */
interface OpenFile {
  readonly handle: Promise<FileHandle>;
  users: number;
  isDropped: boolean;
}

class FolderChunkFiles implements ChunkFiles {
  readonly #path: string;
  /** The one used last at the end. */
  readonly #open = new Map<number, OpenFile>();
  /** Files whose names are not durable yet. */
  readonly #new = new Set<number>();

  constructor(path: string) {
    this.#path = path;
  }

  async list(): Promise<readonly number[]> {
    const names = await this.#reading(() => readdir(this.#path));
    const numbers = names.flatMap((name) => NAME.exec(name)?.slice(1).map(Number) ?? []);
    return numbers.toSorted((a, b) => a - b);
  }

  async size(file: number): Promise<number> {
    return await this.#reading(async () => (await unlessMissing(stat(this.#at(file))))?.size ?? 0);
  }

  async read(file: number, at: number, length: number): Promise<Uint8Array> {
    return await this.#reading(async () => {
      // Not of the pool of small Buffers, which callers would keep alive; not zeroed, since it is filled or cut.
      const bytes = Buffer.allocUnsafeSlow(length);
      const read = await this.#use(file, constants.O_RDWR, async (handle) => {
        let filled = 0;
        while (filled < length) {
          const { bytesRead } = await handle.read(bytes, filled, length - filled, at + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return filled;
      });
      return new Uint8Array(bytes.buffer, 0, read ?? 0);
    });
  }

  async append(file: number, at: number, pieces: readonly Uint8Array[]): Promise<void> {
    await this.#writing(async () => {
      let flags = constants.O_RDWR;
      if (at === 0) {
        flags |= constants.O_CREAT;
        this.#new.add(file);
      }
      const written = await this.#use(file, flags, (handle) => writeAll(handle, at, pieces));
      if (written === undefined) throw new Error("The file is gone");
    });
  }

  async sync(file: number): Promise<void> {
    await this.#writing(async () => {
      await this.#use(file, constants.O_RDWR, (handle) => handle.datasync());
      if (!this.#new.has(file)) return;
      await syncFolder(this.#path);
      this.#new.delete(file);
    });
  }

  async truncate(file: number, length: number): Promise<void> {
    await this.#writing(() =>
      this.#use(file, constants.O_RDWR, async (handle) => {
        if ((await handle.stat()).size <= length) return;
        await handle.truncate(length);
        await handle.sync();
      }),
    );
  }

  async remove(file: number): Promise<void> {
    this.#drop(file);
    await this.#writing(async () => {
      await rm(this.#at(file), { force: true });
      await syncFolder(this.#path);
    });
  }

  async setAside(why: string): Promise<void> {
    await this.close();
    await this.#writing(async () => {
      await moveAside(this.#path, why);
      await makeFolder(this.#path);
    });
  }

  async close(): Promise<void> {
    const files = [...this.#open.values()];
    for (const file of this.#open.keys()) this.#drop(file);
    await Promise.all(files.map(({ handle }) => handle.then(closed, () => {})));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #at(file: number): string {
    return join(this.#path, `${String(file).padStart(8, "0")}.pack`);
  }

  /** What `work` answers with the open file, or `undefined` when there is none. */
  async #use<T>(
    file: number,
    flags: number,
    work: (handle: FileHandle) => Promise<T>,
  ): Promise<T | undefined> {
    const opened = this.#open.get(file) ?? {
      handle: open(this.#at(file), flags, MODE),
      users: 0,
      isDropped: false,
    };
    this.#open.delete(file);
    this.#open.set(file, opened);
    opened.users += 1;
    try {
      const handle = await unlessMissing(opened.handle);
      return handle && (await work(handle));
    } finally {
      opened.users -= 1;
      // One that could not be opened is tried anew.
      await opened.handle.catch(() => this.#forget(file, opened));
      if (opened.isDropped) closeUnused(opened);
      this.#dropOldest();
    }
  }

  #forget(file: number, opened: OpenFile): void {
    if (this.#open.get(file) === opened) this.#open.delete(file);
  }

  #dropOldest(): void {
    for (const file of this.#open.keys()) {
      if (this.#open.size <= PACK_FILES_OPEN_MAX) return;
      this.#drop(file);
    }
  }

  #drop(file: number): void {
    const opened = this.#open.get(file);
    if (opened === undefined) return;
    this.#open.delete(file);
    opened.isDropped = true;
    closeUnused(opened);
  }

  async #reading<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw failure("CHUNKS_READ_FAILED", "read", cause);
    }
  }

  async #writing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw failure("CHUNKS_WRITE_FAILED", "write", cause);
    }
  }
}

/** What writes several pieces at once. Not by Node.js's own type, which users of the package need not have. */
interface Writer {
  writev(pieces: readonly Uint8Array[], at: number): Promise<{ readonly bytesWritten: number }>;
}

/** Writes `pieces` at `at`: a system may take fewer bytes than it is given. */
export async function writeAll(
  handle: Writer,
  at: number,
  pieces: readonly Uint8Array[],
): Promise<true> {
  let rest = [...pieces];
  let to = at;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, to);
    to += bytesWritten;
    let done = bytesWritten;
    let whole = 0;
    while (whole < rest.length && done >= (rest[whole] as Uint8Array).length)
      done -= (rest[whole++] as Uint8Array).length;
    rest = rest.slice(whole);
    if (rest.length > 0) rest[0] = (rest[0] as Uint8Array).subarray(done);
  }
  return true;
}

async function moveAside(path: string, why: string): Promise<void> {
  for (let number = 1; ; number++) {
    try {
      await rename(path, `${path}.${why}-${number}`);
      break;
    } catch (error) {
      const isTaken = ["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(codeOf(error) ?? "");
      if (!isTaken || number >= SET_ASIDE_MAX) throw error;
    }
  }
  await syncFolder(dirname(path));
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function closeUnused({ users, handle }: OpenFile): void {
  if (users === 0) void handle.then(closed, () => {});
}

async function closed(handle: FileHandle): Promise<void> {
  // What was to be durable was synced; there is nothing that a caller could do.
  await handle.close().catch(() => {});
}

function failure(code: ChunkErrorCode, action: string, cause: unknown): ChunkError {
  const system = codeOf(cause);
  if (system !== undefined && FULL.has(system) && code !== "CHUNKS_READ_FAILED") {
    return new ChunkError("CHUNKS_FULL", `Cannot ${action} chunks: the medium is full`, { cause });
  }
  return new ChunkError(
    code,
    `Cannot ${action} chunks: the system refused (${system ?? "no code"})`,
    { cause },
  );
}
