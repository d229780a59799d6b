/**
 * Where what belongs to chunks lies in the ordered store. Integers are big-endian.
 *
 *   0x30  kind, address                               -> the chunk's index entry
 *   0x31  kind, child, parent                         -> a stored recipe node names the child
 *   0x32  root, scope, log, generation, space, key    -> a row version held here names the blob
 *   0x33  pack                                        -> how much of a pack file counts
 *   0x34, 0x35                                         reserved: pins, uploads and readers; doomed chunks
 */

import { ADDRESS_SIZE, ByteReader, BytesError, ByteWriter } from "../base/index.ts";
import type { KeyRange } from "../store/index.ts";
import type { ChunkName } from "./kind.ts";

const SPACE_OF = { chunk: 0x30, nodeEdge: 0x31, rowEdge: 0x32, pack: 0x33 } as const;

/** Bytes of a chunk's key before its address. */
export const CHUNK_KEY_PREFIX = 2;

export function chunkKey({ kind, address }: ChunkName): Uint8Array {
  const out = new ByteWriter(CHUNK_KEY_PREFIX + ADDRESS_SIZE);
  out.u8(SPACE_OF.chunk);
  out.u8(kind.code);
  out.bytes(address);
  return out.finish();
}

/** All index entries. */
export const CHUNK_RANGE: KeyRange = spaceRange(SPACE_OF.chunk);

/** The kind and the address of an index entry's key. @throws {RangeError} when it is none. */
export function chunkOf(key: Uint8Array): { readonly kind: number; readonly address: Uint8Array } {
  const input = new ByteReader(key);
  input.u8();
  const name = { kind: input.u8(), address: input.bytes(ADDRESS_SIZE) };
  if (input.remaining > 0)
    throw new BytesError("BYTES_MALFORMED", "Cannot read the key of an edge: there are bytes left");
  return name;
}

export function packKey(pack: number): Uint8Array {
  const out = new ByteWriter(5);
  out.u8(SPACE_OF.pack);
  out.u32(pack);
  return out.finish();
}

/** All pack records. */
export const PACK_RANGE: KeyRange = spaceRange(SPACE_OF.pack);

/** The pack of a pack record's key. */
export function packOf(key: Uint8Array): number {
  const input = new ByteReader(key);
  input.u8();
  return input.u32();
}

/** That a node, stored here, names a chunk. */
export function nodeEdgeKey(child: ChunkName, parent: Uint8Array): Uint8Array {
  const out = new ByteWriter(2 + 2 * ADDRESS_SIZE);
  out.u8(SPACE_OF.nodeEdge);
  out.u8(child.kind.code);
  out.bytes(child.address);
  out.bytes(parent);
  return out.finish();
}

/** All nodes that name a chunk. */
export function nodeEdgeRange(child: ChunkName): KeyRange {
  return edgesUnder(nodeEdgeKey(child, LEAST), nodeEdgeKey(child, GREATEST));
}

/** All edges from nodes. */
export const NODE_EDGE_RANGE: KeyRange = spaceRange(SPACE_OF.nodeEdge);

/** What an edge from a node says. @throws {BytesError} when it is none. */
export function readNodeEdgeKey(key: Uint8Array): {
  readonly kind: number;
  readonly child: Uint8Array;
  readonly parent: Uint8Array;
} {
  const input = new ByteReader(key);
  input.u8();
  const [kind, child, parent] = [input.u8(), input.bytes(ADDRESS_SIZE), input.bytes(ADDRESS_SIZE)];
  if (input.remaining > 0)
    throw new BytesError("BYTES_MALFORMED", "Cannot read the key of an edge: there are bytes left");
  return { kind, child, parent };
}

/** The node of a node edge's key. */
export function parentOf(key: Uint8Array): Uint8Array {
  return key.slice(2 + ADDRESS_SIZE);
}

/** A row version as an edge names it: numbers of this store, as `history` has them. */
export interface RowCause {
  readonly scope: number;
  readonly log: number;
  readonly generation: number;
  readonly space: number;
  /** The row's key, UTF-8. */
  readonly key: Uint8Array;
}

export function rowEdgeKey(root: Uint8Array, cause: RowCause): Uint8Array {
  const out = new ByteWriter(18 + ADDRESS_SIZE + cause.key.length);
  out.u8(SPACE_OF.rowEdge);
  out.bytes(root);
  out.u32(cause.scope);
  out.u32(cause.log);
  out.u64(BigInt(cause.generation));
  out.u8(cause.space);
  out.bytes(cause.key);
  return out.finish();
}

export function readRowEdgeKey(key: Uint8Array): { root: Uint8Array; cause: RowCause } {
  const input = new ByteReader(key);
  input.u8();
  const root = input.bytes(ADDRESS_SIZE);
  const [scope, log, generation] = [input.u32(), input.u32(), Number(input.u64())];
  const space = input.u8();
  return { root, cause: { scope, log, generation, space, key: input.bytes(input.remaining) } };
}

/**
 * All row edges of a blob, or those behind a scope, or behind a log of a scope; without a root, of all blobs, those of one side
 * by side.
 */
export function rowEdgeRange(
  root?: Uint8Array,
  after?: { readonly scope: number; readonly log?: number },
): KeyRange {
  if (root === undefined) return spaceRange(SPACE_OF.rowEdge);
  const range = rootsFrom(root, rootAfter(root));
  if (after === undefined) return range;
  const last = new ByteWriter(17 + ADDRESS_SIZE);
  last.u8(SPACE_OF.rowEdge);
  last.bytes(root);
  last.u32(after.scope);
  last.u32(after.log ?? 0xffff_ffff);
  // A key goes on with a generation, which is less than this.
  last.u64(2n ** 64n - 1n);
  return { ...range, gte: last.finish() };
}

/** Row edges of the blobs after `root`. */
export function rowEdgesAfter(root: Uint8Array): KeyRange {
  const next = rootAfter(root);
  const { lt } = rowEdgeRange();
  return next === undefined ? { gte: lt, lt } : rootsFrom(next, undefined);
}

function rootsFrom(first: Uint8Array, last: Uint8Array | undefined): KeyRange {
  const at = (root: Uint8Array): Uint8Array => Uint8Array.of(SPACE_OF.rowEdge, ...root);
  return { gte: at(first), lt: last === undefined ? rowEdgeRange().lt : at(last) };
}

/** The least address greater than `root`, or `undefined` when it is the last. */
function rootAfter(root: Uint8Array): Uint8Array | undefined {
  const next = root.slice();
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = ((next[i] as number) + 1) & 0xff;
    if (next[i] !== 0) return next;
  }
  return undefined;
}

const LEAST = new Uint8Array(ADDRESS_SIZE);
const GREATEST = new Uint8Array(ADDRESS_SIZE).fill(0xff);

/** From `first` to `last`, both included. */
function edgesUnder(first: Uint8Array, last: Uint8Array): KeyRange {
  return { gte: first, lt: Uint8Array.of(...last, 0) };
}

function spaceRange(space: number): KeyRange {
  return { gte: Uint8Array.of(space), lt: Uint8Array.of(space + 1) };
}
