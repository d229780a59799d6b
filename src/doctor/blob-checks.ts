/** What is kept of blobs: why chunks are wanted, which are here and where, and what is known to be whole. Of bytes nothing is read. */

import {
  CHUNK_RANGE,
  chunkOf,
  chunkKey,
  CONTENT,
  decodeIndexEntry,
  decodePackRecord,
  encodePackRecord,
  NODE_EDGE_RANGE,
  PACK_RANGE,
  packKey,
  packOf,
  type PackRecord,
  readNodeEdgeKey,
  readRowEdgeKey,
  rowEdgeRange,
} from "../chunks/index.ts";
import { NOTE_RANGE, noteAddressOf, noteKey, readNote } from "../blobs/index.ts";
import { toHex } from "../base/index.ts";
import { asideKey, decodeRow, type Interner, oldKey, rivalsAt, rowKey } from "../records/index.ts";
import type { KeyRange, Store } from "../store/index.ts";
import type { Finding, Fix } from "./finding.ts";
import { type Counts, readOr, rowText } from "./scope-view.ts";

/** Looks at what the store holds of blobs. */
export async function* verifyBlobs(
  store: Store,
  interner: Interner,
  counts: Counts,
): AsyncGenerator<Finding, void, undefined> {
  yield* verifyRowEdges(store, interner);
  yield* verifyChunkIndex(store, counts);
  yield* verifyNotes(store);
}

/** A blob is kept for row versions that are here, and for nothing else. */
async function* verifyRowEdges(
  store: Store,
  interner: Interner,
): AsyncGenerator<Finding, void, undefined> {
  const scopes = new Map(Array.from(interner.scopes(), (id) => [interner.scope(id), id]));
  for await (const { key } of store.scan(rowEdgeRange())) {
    const fix = { type: "remove", key } as const;
    const read = readOr(readRowEdgeKey, key);
    if (read === undefined) {
      yield finding("CH32", key, "A reference to a blob cannot be read", fix);
      continue;
    }
    const { scope, log, generation, space, key: name } = read.cause;
    const [row, old, aside] = await store.getMany([
      rowKey(scope, space, name),
      oldKey(scope, space, name, log, generation),
      asideKey(scope, log, generation),
    ]);
    const heads = (row && readOr(decodeRow, row))?.heads ?? [];
    const isHead = heads.some((head) => head.log === log && head.generation === generation);
    if (isHead || old !== undefined || aside !== undefined) continue;
    if (await isAny(store, rivalsAt(scope, log, generation))) continue;
    const database = scopes.get(scope)?.database;
    const says = "A blob is kept for a row version that is not here";
    yield { ...finding("CH11", key, says, fix), database, row: rowText(name) };
  }
}

/** The index names bytes that count, and packs count what the index names. */
async function* verifyChunkIndex(
  store: Store,
  counts: Counts,
): AsyncGenerator<Finding, void, undefined> {
  const packs = new Map<number, PackRecord>();
  for await (const { key, value } of store.scan(PACK_RANGE)) {
    const record = readOr(decodePackRecord, value);
    if (record !== undefined) packs.set(packOf(key), record);
    // Its bytes cannot be told from those that were never acknowledged, and are gone with the next opening.
    else yield finding("CH32", key, "How much of a pack counts cannot be read");
  }
  const sums = new Map(Array.from(packs.keys(), (pack) => [pack, { chunks: 0, bytes: 0 }]));
  for await (const { key, value } of store.scan(CHUNK_RANGE)) {
    counts.chunks += 1;
    const fix = { type: "remove", key } as const;
    const entry = readOr(decodeIndexEntry, value);
    if (entry === undefined || readOr(chunkOf, key) === undefined) {
      yield finding("CH32", key, "Where a chunk lies cannot be read", fix);
      continue;
    }
    const length = packs.get(entry.pack)?.length ?? 0;
    if (entry.offset + entry.size > length)
      yield finding("CH4", key, "A chunk is said to lie where nothing counts", fix);
    if (
      entry.places.some(({ network }, i) => i > 0 && network <= (entry.places[i - 1]?.network ?? 0))
    )
      yield finding("CH9", key, "The places of a chunk are not in order", fix);
    const sum = sums.get(entry.pack);
    if (sum === undefined) continue;
    sum.chunks += 1;
    sum.bytes += entry.size;
  }
  for (const [pack, { chunks, bytes }] of sums) {
    const record = packs.get(pack) as PackRecord;
    if (record.chunks === chunks && record.bytes === bytes) continue;
    const key = packKey(pack);
    const value = encodePackRecord({ ...record, chunks, bytes });
    const says = "A pack counts other chunks than the index names";
    yield finding("CH32", key, says, { type: "replace", key, value });
  }
}

/** What is noted to be whole is here, with all that its nodes name. Of what is above a lost chunk the next pass tells. */
async function* verifyNotes(store: Store): AsyncGenerator<Finding, void, undefined> {
  for await (const { key, value } of store.scan(NOTE_RANGE)) {
    const fix = { type: "remove", key } as const;
    if (readOr(readNote, value) === undefined)
      yield finding("BL13", key, "A note of what is whole cannot be read", fix);
    else if (
      (await store.get(chunkKey({ kind: CONTENT, address: noteAddressOf(key) }))) === undefined
    )
      yield finding("BL13", key, "A recipe node is said to be whole and is not here", fix);
  }
  for await (const { key } of store.scan(NODE_EDGE_RANGE)) {
    const edge = readOr(readNodeEdgeKey, key);
    if (edge === undefined) {
      const fix = { type: "remove", key } as const;
      yield finding("CH32", key, "An edge between chunks cannot be read", fix);
      continue;
    }
    if (edge.kind !== CONTENT.code) continue;
    const above = noteKey(edge.parent);
    const [note, child, below] = await store.getMany([
      above,
      chunkKey({ kind: CONTENT, address: edge.child }),
      noteKey(edge.child),
    ]);
    const level = note && readOr(readNote, note)?.level;
    if (level === undefined || (child !== undefined && (level < 2 || below !== undefined)))
      continue;
    const says = "A recipe node is said to be whole, and something below it is not here";
    yield finding("BL13", above, says, { type: "remove", key: above });
  }
}

function finding(rule: string, key: Uint8Array, says: string, fix?: Fix): Finding {
  return { rule, says, key: toHex(key), ...(fix !== undefined && { fix }) };
}

async function isAny(store: Store, range: KeyRange): Promise<boolean> {
  for await (const _ of store.scan(range, { limit: 1 })) return true;
  return false;
}
