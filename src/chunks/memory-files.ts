import type { ChunkFiles } from "./chunk-files.ts";

/** Bytes of a file's memory at first; twice as many whenever they are full. */
const FIRST_BYTES = 4 * 1024;

interface MemoryFile {
  bytes: Uint8Array;
  size: number;
}

/** Pack files in memory, there as long as they are held: what was closed can be opened again. */
export interface MemoryChunkFiles extends ChunkFiles {
  /** What was set aside, by why, each with its files. */
  readonly aside: ReadonlyMap<string, readonly number[]>;
}

/** New, empty pack files in memory. Everything is durable at once. */
export function memoryChunkFiles(): MemoryChunkFiles {
  const files = new Map<number, MemoryFile>();
  const aside = new Map<string, readonly number[]>();
  const list = (): number[] => [...files.keys()].toSorted((a, b) => a - b);
  return {
    aside,
    list: async () => list(),
    size: async (file) => files.get(file)?.size ?? 0,
    async read(file, at, length) {
      const found = files.get(file);
      // A copy, as from a disk: what is read is its reader's.
      return found === undefined
        ? new Uint8Array()
        : found.bytes.slice(at, Math.min(at + length, found.size));
    },
    async append(file, at, pieces) {
      const found = files.get(file) ?? { bytes: new Uint8Array(FIRST_BYTES), size: 0 };
      const end = pieces.reduce((sum, piece) => sum + piece.length, at);
      files.set(file, found);
      if (end > found.bytes.length) {
        const grown = new Uint8Array(Math.max(end, 2 * found.bytes.length));
        grown.set(found.bytes.subarray(0, found.size));
        found.bytes = grown;
      }
      let to = at;
      for (const piece of pieces) {
        found.bytes.set(piece, to);
        to += piece.length;
      }
      found.size = end;
    },
    async sync() {},
    async truncate(file, length) {
      const found = files.get(file);
      if (found !== undefined) found.size = Math.min(found.size, length);
    },
    async remove(file) {
      files.delete(file);
    },
    async setAside(why) {
      aside.set(why, list());
      files.clear();
    },
    async close() {},
    async [Symbol.asyncDispose]() {},
  };
}
