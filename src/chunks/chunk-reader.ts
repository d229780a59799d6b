import type { Crypto } from "../base/index.ts";
import type { ChunkFiles } from "./chunk-files.ts";
import {
  PACK_READ_BYTES_MAX,
  PACK_READ_GAP_BYTES_MAX,
  PACK_READS_CONCURRENT_MAX,
} from "./limits.ts";
import { RECORD_HEADER_SIZE } from "./pack-format.ts";
import type { Location } from "./records.ts";

interface Wanted extends Location {
  /** Which of those asked for it is. */
  readonly index: number;
}

/** Reads chunks from pack files, each held against its checksum. */
export class ChunkReader {
  readonly #files: ChunkFiles;
  readonly #crypto: Crypto;

  constructor(files: ChunkFiles, crypto: Crypto) {
    this.#files = files;
    this.#crypto = crypto;
  }

  /** The bytes, or `undefined` when they are not those that were written. @throws {ChunkError} `CHUNKS_READ_FAILED`. */
  async read(location: Location): Promise<Uint8Array | undefined> {
    const at = location.offset + RECORD_HEADER_SIZE;
    return this.#checked(location, await this.#files.read(location.pack, at, location.size));
  }

  /** As `read`, in order. What lies side by side is read at once, and shares memory. */
  async readMany(
    locations: readonly (Location | undefined)[],
  ): Promise<(Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = locations.map(() => undefined);
    const wanted = locations.flatMap((location, index) =>
      location ? [{ ...location, index }] : [],
    );
    const runs = runsOf(wanted).values();
    const work = async (): Promise<void> => {
      for (const run of runs) await this.#readRun(run, found);
    };
    await Promise.all(Array.from({ length: PACK_READS_CONCURRENT_MAX }, work));
    return found;
  }

  async #readRun(run: readonly Wanted[], found: (Uint8Array | undefined)[]): Promise<void> {
    const [first, last] = [run[0] as Wanted, run.at(-1) as Wanted];
    const start = first.offset + RECORD_HEADER_SIZE;
    const end = last.offset + RECORD_HEADER_SIZE + last.size;
    const bytes = await this.#files.read(first.pack, start, end - start);
    for (const one of run) {
      const at = one.offset + RECORD_HEADER_SIZE - start;
      found[one.index] = this.#checked(one, bytes.subarray(at, at + one.size));
    }
  }

  #checked({ size, crc }: Location, bytes: Uint8Array): Uint8Array | undefined {
    return bytes.length === size && this.#crypto.crc32(bytes) === crc ? bytes : undefined;
  }
}

/** Those that one read serves, together. */
function runsOf(wanted: Wanted[]): Wanted[][] {
  wanted.sort((a, b) => a.pack - b.pack || a.offset - b.offset);
  const runs: Wanted[][] = [];
  for (const one of wanted) {
    const run = runs.at(-1);
    if (run !== undefined && isNeighbour(run, one)) run.push(one);
    else runs.push([one]);
  }
  return runs;
}

function isNeighbour(run: readonly Wanted[], next: Wanted): boolean {
  const [first, last] = [run[0] as Wanted, run.at(-1) as Wanted];
  const end = last.offset + RECORD_HEADER_SIZE + last.size;
  return (
    next.pack === first.pack &&
    next.offset - end <= PACK_READ_GAP_BYTES_MAX &&
    next.offset + RECORD_HEADER_SIZE + next.size - first.offset <= PACK_READ_BYTES_MAX
  );
}
