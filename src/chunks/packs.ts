import { ByteWriter, codeOf, type Crypto, type Logger } from "../base/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import type { ChunkFiles } from "./chunk-files.ts";
import type { IndexChange } from "./chunk-index.ts";
import type { ChunkStatus } from "./chunk-store.ts";
import { ChunkError } from "./errors.ts";
import { PACK_RANGE, packKey, packOf } from "./keys.ts";
import type { VerifiedChunk } from "./kind.ts";
import { PACK_BYTES_MAX } from "./limits.ts";
import {
  PACK_HEADER_SIZE,
  packHeader,
  RECORD_HEADER_SIZE,
  writeRecordHeader,
} from "./pack-format.ts";
import {
  decodePackRecord,
  encodePackRecord,
  type IndexEntry,
  type Location,
  type PackRecord,
} from "./records.ts";

export interface PacksDeps {
  readonly store: Store;
  readonly files: ChunkFiles;
  readonly crypto: Crypto;
  readonly logger?: Logger | undefined;
}

/** A pack file as it is now. */
export interface Pack {
  /** As the ordered store has it. */
  record: PackRecord;
  /** Bytes from its start that are durable: those that the record counts, and those of a write under way. */
  end: number;
  /** Never appended to: it is full, or not as its record says. */
  isSealed: boolean;
}

const NO_RECORD: PackRecord = { length: 0, chunks: 0, bytes: 0 };

/** The records of packs as the ordered store has them. */
export async function readPackRecords(store: Store): Promise<Map<number, PackRecord>> {
  const records = new Map<number, PackRecord>();
  for await (const { key, value } of store.scan(PACK_RANGE))
    records.set(packOf(key), decodePackRecord(value));
  return records;
}

/** What an index write counts: made by `Packs.counted`, and true once that write is durable. */
export interface PackCount {
  readonly ops: readonly WriteOp[];
  readonly records: ReadonlyMap<number, PackRecord>;
}

/**
 * The pack files: what is appended where, and how much of each counts. Memory never counts more than the ordered store:
 * after a write of it that failed, `forget` makes the next append look there first.
 */
export class Packs {
  readonly #deps: PacksDeps;
  readonly #packs: Map<number, Pack>;
  /** Files that may hold more than their `end`: to be cut before anything is appended anywhere. */
  readonly #uncut = new Set<number>();
  /** The file that is appended to, unless it is sealed. */
  #current: number;
  /** The ordered store may count other bytes than we do. */
  #isForgotten = false;

  /** `packs` as they were found; `current` the highest number that has been used. */
  constructor(deps: PacksDeps, packs: Map<number, Pack>, current: number) {
    this.#deps = deps;
    this.#packs = packs;
    this.#current = current;
  }

  /** Bytes of all pack files. */
  get bytes(): number {
    let bytes = 0;
    for (const { end } of this.#packs.values()) bytes += end;
    return bytes;
  }

  /** Bytes of a pack file, those that no record counts yet included. */
  endOf(pack: number): number {
    return this.#packs.get(pack)?.end ?? 0;
  }

  /** Bytes that the packs grow by when these chunks are appended. */
  room(chunks: readonly VerifiedChunk[]): number {
    const records = recordBytes(chunks);
    return this.#hasRoom(records) ? records : PACK_HEADER_SIZE + records;
  }

  status(): Omit<ChunkStatus, "capacityBytes"> {
    const sum = { chunks: 0, bytes: 0, packs: 0, packBytes: 0, deadBytes: 0 };
    for (const { record, end } of this.#packs.values()) {
      if (record.length === 0) continue;
      const counted = Math.min(record.length, end);
      const live = PACK_HEADER_SIZE + record.chunks * RECORD_HEADER_SIZE + record.bytes;
      sum.chunks += record.chunks;
      sum.bytes += record.bytes;
      sum.packs += 1;
      sum.packBytes += counted;
      sum.deadBytes += Math.max(0, counted - live);
    }
    return sum;
  }

  /** From here on the records in the ordered store are the truth, whatever memory says. */
  forget(): void {
    this.#isForgotten = true;
  }

  /** Makes memory count what the ordered store does, where a failed write of it has left that open. @throws {StoreError}. */
  async recall(): Promise<void> {
    if (!this.#isForgotten) return;
    const records = await readPackRecords(this.#deps.store);
    for (const [number, pack] of this.#packs) {
      pack.record = records.get(number) ?? NO_RECORD;
      // A damaged file may hold less than its record says.
      const end = Math.min(pack.end, pack.record.length);
      if (end < pack.end) this.#uncut.add(number);
      pack.end = end;
    }
    this.#isForgotten = false;
  }

  /** Cuts files to what counts in them. @throws {ChunkError} `CHUNKS_READ_ONLY`. */
  async #cut(): Promise<void> {
    for (const pack of this.#uncut) {
      try {
        await this.#deps.files.truncate(pack, this.#packs.get(pack)?.end ?? 0);
      } catch (cause) {
        this.#deps.logger?.("error", "chunks.truncate-failed", { pack, code: codeOf(cause) });
        throw new ChunkError(
          "CHUNKS_READ_ONLY",
          "Cannot write chunks: what an earlier write has left cannot be removed",
          { cause },
        );
      }
      this.#uncut.delete(pack);
    }
  }

  /**
   * Appends chunks to one pack and syncs it; answers where each lies, in order. They do not count before an index write
   * does. One call at a time, after `recall`.
   *
   * @throws {ChunkError} `CHUNKS_FULL`, `CHUNKS_WRITE_FAILED`: what the file holds of them is cut by the next call;
   *   `CHUNKS_READ_ONLY` when that fails.
   */
  async append(chunks: readonly VerifiedChunk[]): Promise<Location[]> {
    await this.#cut();
    const { files, crypto, store, logger } = this.#deps;
    const [number, pack] = this.#packFor(recordBytes(chunks));
    const pieces: Uint8Array[] = [];
    const at = pack.end;
    if (at === 0) pieces.push(packHeader(crypto, store.id, number));
    const headers = new ByteWriter(chunks.length * RECORD_HEADER_SIZE);
    let offset = Math.max(at, PACK_HEADER_SIZE);
    const locations = chunks.map((chunk): Location => {
      const { length: size } = chunk.bytes;
      const crc = crypto.crc32(chunk.bytes);
      const from = headers.length;
      writeRecordHeader(headers, chunk, size, crc);
      pieces.push(headers.written().subarray(from), chunk.bytes);
      const location = { pack: number, offset, size, crc };
      offset += RECORD_HEADER_SIZE + size;
      return location;
    });
    this.#uncut.add(number);
    try {
      await files.append(number, at, pieces);
      await files.sync(number);
    } catch (error) {
      logger?.("error", "chunks.write-failed", { pack: number, code: codeOf(error) });
      throw error;
    }
    this.#uncut.delete(number);
    pack.end = offset;
    return locations;
  }

  /** Whether the current pack is there and takes as many bytes more. */
  #hasRoom(bytes: number): boolean {
    const pack = this.#packs.get(this.#current);
    if (pack === undefined || pack.isSealed || pack.end === 0) return false;
    return pack.end + bytes <= PACK_BYTES_MAX;
  }

  #packFor(bytes: number): [number, Pack] {
    const current = this.#packs.get(this.#current);
    // One that is empty was begun and could not be written.
    const isEmpty = current?.end === 0 && !current.isSealed;
    if (current !== undefined && (isEmpty || this.#hasRoom(bytes))) return [this.#current, current];
    if (current !== undefined) current.isSealed = true;
    this.#current += 1;
    const next: Pack = { record: NO_RECORD, end: 0, isSealed: false };
    this.#packs.set(this.#current, next);
    return [this.#current, next];
  }

  /** What an index write with these changes counts, all that was appended up to `lengths` included. */
  counted(changes: Iterable<IndexChange>, lengths: ReadonlyMap<number, number>): PackCount {
    const records = new Map<number, PackRecord>();
    const recordOf = (pack: number): PackRecord =>
      records.get(pack) ?? this.#packs.get(pack)?.record ?? NO_RECORD;
    const add = (entry: IndexEntry | undefined, sign: 1 | -1): void => {
      if (entry === undefined) return;
      const { length, chunks, bytes } = recordOf(entry.pack);
      const sums = { chunks: chunks + sign, bytes: bytes + sign * entry.size };
      records.set(entry.pack, { length, ...sums });
    };
    for (const [pack, length] of lengths) {
      const record = recordOf(pack);
      records.set(pack, { ...record, length: Math.max(length, record.length) });
    }
    for (const { before, after } of changes) {
      add(before, -1);
      add(after, 1);
    }
    const ops = Array.from(records, ([pack, record]): WriteOp => {
      return { type: "put", key: packKey(pack), value: encodePackRecord(record) };
    });
    return { ops, records };
  }

  /** Takes up what a durable index write has counted. */
  count({ records }: PackCount): void {
    for (const [number, record] of records) {
      const pack = this.#packs.get(number);
      if (pack === undefined) this.#packs.set(number, { record, end: 0, isSealed: true });
      else pack.record = record;
    }
  }
}

function recordBytes(chunks: readonly VerifiedChunk[]): number {
  let bytes = 0;
  for (const chunk of chunks) bytes += RECORD_HEADER_SIZE + chunk.bytes.length;
  return bytes;
}
