/**
 * References as edges: a chunk is wanted while something held here names it. Each edge is a key of its own, written in the
 * store write that brings what it stands for, so that nothing is counted twice or forgotten, whatever fails. [CH11]
 */

import { BlobRef, ByteReader, ByteWriter } from "../base/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import { ChunkError } from "./errors.ts";
import {
  nodeEdgeKey,
  nodeEdgeRange,
  parentOf,
  readRowEdgeKey,
  type RowCause,
  rowEdgeKey,
  rowEdgeRange,
  rowEdgesAfter,
} from "./keys.ts";
import type { ChunkName } from "./kind.ts";

const NOTHING = new Uint8Array();

/** The edge from a row version to a blob that it names: written with the version. [CH11] */
export function rowEdge(ref: BlobRef, cause: RowCause): WriteOp {
  const value = new ByteWriter(16);
  value.u8(ref.depth);
  value.u8(ref.chunker);
  value.varint(ref.size);
  return { type: "put", key: rowEdgeKey(ref.root, cause), value: value.finish() };
}

/** The edges from a recipe node to each distinct child, also those that are not here yet: written with the node. [CH11] */
export function nodeEdges(parent: Uint8Array, children: readonly ChunkName[]): WriteOp[] {
  return children.map((child) => ({
    type: "put",
    key: nodeEdgeKey(child, parent),
    value: NOTHING,
  }));
}

/** A row version held here that names a blob. */
export interface RowEdge {
  readonly cause: RowCause;
  /** As the row has it, without its media type. */
  readonly ref: BlobRef;
}

/**
 * Row versions that name the blob with this root, by scope and, within it, by log; from behind those of `after` on, of its log
 * or, without one, of its whole scope: one blob may be named in very many rows.
 */
export async function* rowEdgesOf(
  store: Store,
  root: Uint8Array,
  after?: { readonly scope: number; readonly log?: number },
): AsyncGenerator<RowEdge, void, undefined> {
  for await (const { key, value } of store.scan(rowEdgeRange(root, after)))
    yield readEdge(key, value);
}

/** One edge of each blob that any row version names, by ascending root, from the one after `after` on. */
export async function* referencedBlobs(
  store: Store,
  after?: Uint8Array,
): AsyncGenerator<RowEdge, void, undefined> {
  let range = after === undefined ? rowEdgeRange() : rowEdgesAfter(after);
  for (;;) {
    let found: RowEdge | undefined;
    for await (const { key, value } of store.scan(range, { limit: 1 }))
      found = readEdge(key, value);
    if (found === undefined) return;
    yield found;
    range = rowEdgesAfter(found.ref.root);
  }
}

/** Addresses of the stored nodes that name a chunk. */
export async function* parentsOf(
  store: Store,
  child: ChunkName,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { key } of store.scan(nodeEdgeRange(child))) yield parentOf(key);
}

function readEdge(key: Uint8Array, value: Uint8Array): RowEdge {
  try {
    const { root, cause } = readRowEdgeKey(key);
    const input = new ByteReader(value);
    const [depth, chunker, size] = [input.u8(), input.u8(), input.varint()];
    return { cause, ref: new BlobRef({ root, size, depth, chunker }) };
  } catch (error) {
    throw new ChunkError("CHUNKS_CORRUPT", "Cannot read reference: its bytes make no sense", {
      cause: error,
    });
  }
}
