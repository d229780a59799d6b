/** Values of the ordered store that belong to chunks. Numbers are varints but for checksums. */

import { ByteReader, ByteWriter } from "../base/index.ts";
import type { ChunkEntry, ChunkPlace } from "./chunk-store.ts";
import { ChunkError } from "./errors.ts";

/** Where bytes of a chunk lie. */
export interface Location {
  readonly pack: number;
  /** Where the record begins in its file. */
  readonly offset: number;
  /** Bytes of the chunk. */
  readonly size: number;
  /** CRC-32 of the chunk. */
  readonly crc: number;
}

/** What the index holds of a chunk. */
export interface IndexEntry extends ChunkEntry, Location {}

/** Pack, offset, size, CRC-32 (4 bytes, big-endian), number of places, then network and BinID of each. */
export function encodeIndexEntry(entry: IndexEntry): Uint8Array {
  const out = new ByteWriter(24 + 8 * entry.places.length);
  out.varint(entry.pack);
  out.varint(entry.offset);
  out.varint(entry.size);
  out.u32(entry.crc);
  out.varint(entry.places.length);
  for (const { network, binId } of entry.places) {
    out.varint(network);
    out.varint(binId);
  }
  return out.finish();
}

/** @throws {ChunkError} `CHUNKS_CORRUPT`. */
export function decodeIndexEntry(value: Uint8Array): IndexEntry {
  return reading("index entry", value, (input) => {
    const [pack, offset, size] = [input.varint(), input.varint(), input.varint()];
    const crc = input.u32();
    const places: ChunkPlace[] = [];
    for (let left = input.varint(); left > 0; left--)
      places.push({ network: input.varint(), binId: input.varint() });
    return { pack, offset, size, crc, places };
  });
}

/** What counts of a pack file. */
export interface PackRecord {
  /** Bytes from the start of the file: what lies beyond was never acknowledged. */
  readonly length: number;
  /** Chunks in it that the index names. */
  readonly chunks: number;
  /** Bytes of those chunks. */
  readonly bytes: number;
}

/** Length, chunks, bytes. */
export function encodePackRecord({ length, chunks, bytes }: PackRecord): Uint8Array {
  const out = new ByteWriter(16);
  out.varint(length);
  out.varint(chunks);
  out.varint(bytes);
  return out.finish();
}

/** @throws {ChunkError} `CHUNKS_CORRUPT`. */
export function decodePackRecord(value: Uint8Array): PackRecord {
  return reading("pack record", value, (input) => ({
    length: input.varint(),
    chunks: input.varint(),
    bytes: input.varint(),
  }));
}

function reading<T>(what: string, value: Uint8Array, read: (input: ByteReader) => T): T {
  let cause: unknown;
  try {
    const input = new ByteReader(value);
    const result = read(input);
    if (input.remaining === 0) return result;
  } catch (error) {
    cause = error;
  }
  throw new ChunkError("CHUNKS_CORRUPT", `Cannot read ${what}: its bytes make no sense`, { cause });
}
