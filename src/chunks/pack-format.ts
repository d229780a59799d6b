/**
 * Bytes of a pack file; integers are big-endian.
 *
 *   header   "rookpack" (8), format version (4), id of the ordered store (16), number of the file (4), CRC-32 of these (4)
 *   record   bytes of the chunk (4), their CRC-32 (4), kind (1), address (32), the chunk
 *
 * What is read is held against the index entry. A record says again whose bytes they are, so that a pack can be read without
 * an index.
 */

import {
  ByteReader,
  ByteWriter,
  type Crypto,
  concatBytes,
  equalBytes,
  utf8,
} from "../base/index.ts";
import type { ChunkName } from "./kind.ts";

const MAGIC = utf8("rookpack");
const FORMAT = 1;
const STORE_ID_SIZE = 16;
const HEADER_FIELDS_SIZE = MAGIC.length + 4 + STORE_ID_SIZE + 4;

/** Bytes before the first record. */
export const PACK_HEADER_SIZE = HEADER_FIELDS_SIZE + 4;
/** Bytes of a record before its chunk. */
export const RECORD_HEADER_SIZE = 4 + 4 + 1 + 32;

/** The first bytes of file `pack` of the store with this id. */
export function packHeader(crypto: Crypto, storeId: Uint8Array, pack: number): Uint8Array {
  const fields = new ByteWriter(HEADER_FIELDS_SIZE);
  fields.bytes(MAGIC);
  fields.u32(FORMAT);
  fields.bytes(storeId);
  fields.u32(pack);
  const crc = new ByteWriter(4);
  crc.u32(crypto.crc32(fields.written()));
  return concatBytes(fields.finish(), crc.finish());
}

/** Whose a pack file is. `foreign`: another store's. `newer`: of a later format. `damaged`: its header is no header. */
export type PackOwner = "ours" | "foreign" | "newer" | "damaged";

/** Reads the header of file `pack`. */
export function packOwner(
  crypto: Crypto,
  storeId: Uint8Array,
  pack: number,
  header: Uint8Array,
): PackOwner {
  if (header.length < PACK_HEADER_SIZE) return "damaged";
  const fields = header.subarray(0, HEADER_FIELDS_SIZE);
  const input = new ByteReader(header);
  const magic = input.bytes(MAGIC.length);
  const [format, id, number, crc] = [
    input.u32(),
    input.bytes(STORE_ID_SIZE),
    input.u32(),
    input.u32(),
  ];
  if (!equalBytes(magic, MAGIC) || crc !== crypto.crc32(fields)) return "damaged";
  if (format > FORMAT) return "newer";
  return equalBytes(id, storeId) && number === pack ? "ours" : "foreign";
}

/** Writes what stands before a chunk of `size` bytes with this CRC-32. */
export function writeRecordHeader(
  out: ByteWriter,
  { kind, address }: ChunkName,
  size: number,
  crc: number,
): void {
  out.u32(size);
  out.u32(crc);
  out.u8(kind.code);
  out.bytes(address);
}
