import type { ChunkFiles } from "../../chunks/index.ts";

/** What of the port can fail. */
export type FilesAction = "append" | "sync" | "truncate" | "read";

/** How one call fails. */
export interface FilesFault {
  readonly error: Error;
  /** Of an append: bytes that are there all the same. Default none. */
  readonly written?: number | undefined;
}

/** Pack files that fail when told to, count what they did, and can be made to rot. */
export class FaultyChunkFiles implements ChunkFiles {
  readonly #files: ChunkFiles;
  readonly #faults = new Map<FilesAction, (FilesFault | undefined)[]>();
  /** What was done, in order: `append 1`, `sync 1`, `truncate 1`, `remove 1`, `read 1`; failed calls too. */
  readonly done: string[] = [];
  /** Every call of these fails until they are taken out. */
  readonly outages = new Map<FilesAction, FilesFault>();
  /** Resolves before each sync: to hold a group there. */
  beforeSync: (() => Promise<void>) | undefined;
  bytesAppended = 0;
  /** Bytes of each file that a sync has made durable. */
  readonly synced = new Map<number, number>();

  constructor(files: ChunkFiles) {
    this.#files = files;
  }

  /** Lets the next call fail, or the one after `skipped` more. */
  fail(action: FilesAction, fault: FilesFault, skipped = 0): void {
    const planned = this.#faults.get(action) ?? [];
    for (let i = 0; i < skipped; i++) planned.push(undefined);
    this.#faults.set(action, [...planned, fault]);
  }

  /** Takes back what is to fail. */
  forgetFaults(): void {
    this.#faults.clear();
    this.outages.clear();
  }

  /** How often something was done. */
  count(action: string): number {
    return this.done.filter((one) => one.startsWith(`${action} `)).length;
  }

  /** Changes one byte of a file, by exclusive or. */
  async damage(file: number, at: number, bits = 0x40): Promise<void> {
    const rest = await this.#files.read(file, at, await this.#files.size(file));
    rest[0] = (rest[0] ?? 0) ^ bits;
    await this.#files.truncate(file, at);
    await this.#files.append(file, at, [rest]);
    await this.#files.sync(file);
  }

  list(): Promise<readonly number[]> {
    return this.#files.list();
  }

  size(file: number): Promise<number> {
    return this.#files.size(file);
  }

  async read(file: number, at: number, length: number): Promise<Uint8Array> {
    this.#begin("read", file);
    return await this.#files.read(file, at, length);
  }

  async append(file: number, at: number, pieces: readonly Uint8Array[]): Promise<void> {
    const fault = this.#next("append");
    this.done.push(`append ${file}`);
    if (fault === undefined) {
      for (const { length } of pieces) this.bytesAppended += length;
      return await this.#files.append(file, at, pieces);
    }
    let left = fault.written ?? 0;
    const parts = pieces.map((piece) => {
      const part = piece.subarray(0, left);
      left -= part.length;
      return part;
    });
    if (fault.written !== undefined) await this.#files.append(file, at, parts);
    throw fault.error;
  }

  async sync(file: number): Promise<void> {
    await this.beforeSync?.();
    this.#begin("sync", file);
    const size = await this.#files.size(file);
    await this.#files.sync(file);
    this.synced.set(file, size);
  }

  async truncate(file: number, length: number): Promise<void> {
    this.#begin("truncate", file);
    await this.#files.truncate(file, length);
  }

  async remove(file: number): Promise<void> {
    this.done.push(`remove ${file}`);
    await this.#files.remove(file);
  }

  async setAside(why: string): Promise<void> {
    this.done.push(`setAside ${why}`);
    await this.#files.setAside(why);
  }

  async close(): Promise<void> {
    this.done.push("close all");
    await this.#files.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #begin(action: FilesAction, file: number): void {
    this.done.push(`${action} ${file}`);
    const fault = this.#next(action);
    if (fault !== undefined) throw fault.error;
  }

  #next(action: FilesAction): FilesFault | undefined {
    const planned = this.#faults.get(action)?.shift();
    return this.outages.get(action) ?? planned;
  }
}
