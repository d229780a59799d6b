/**
 * The medium of pack files: a port, so that Node.js, a browser and the simulator each bring their own. Files are named by
 * numbers from 1 and only grow at their end, but for `truncate`. Rules: docs/spec/chunks.md; `chunkFilesRules` of the
 * testkit checks them for every implementation.
 */
export interface ChunkFiles extends AsyncDisposable {
  /** Numbers of the files that are there, ascending. @throws {ChunkError} `CHUNKS_READ_FAILED`. */
  list(): Promise<readonly number[]>;

  /** Bytes in a file; 0 when it is not there. */
  size(file: number): Promise<number>;

  /** `length` bytes from `at` on; fewer only where the file ends. @throws {ChunkError} `CHUNKS_READ_FAILED`. */
  read(file: number, at: number, length: number): Promise<Uint8Array>;

  /**
   * Writes `pieces` one after another at `at`, which is the file's end; a file that is not there is made. Not durable
   * before `sync`. One append a file at a time. After a failure the file may hold any part of it.
   *
   * @throws {ChunkError} `CHUNKS_FULL`, `CHUNKS_WRITE_FAILED`.
   */
  append(file: number, at: number, pieces: readonly Uint8Array[]): Promise<void>;

  /** What was appended to the file, and that it is there, is durable when it resolves. @throws as `append`. */
  sync(file: number): Promise<void>;

  /** Cuts a file to its first `length` bytes, durably; a shorter one, or none, stays as it is. @throws as `append`. */
  truncate(file: number, length: number): Promise<void>;

  /** Removes a file. One that is not there is removed. */
  remove(file: number): Promise<void>;

  /** Moves everything that is there out of the way, under a name that tells why; there are no files afterwards. */
  setAside(why: string): Promise<void>;

  close(): Promise<void>;
}
