import { type BlobRef, codeOf } from "../base/index.ts";
import { type ChunkStore, CONTENT } from "../chunks/index.ts";
import { BlobError, invalid } from "./errors.ts";
import { READ_BATCH_BYTES, READ_BATCH_CHUNKS_MAX, READ_FIRST_BATCH_BYTES } from "./limits.ts";
import { chunksHere, loadNode } from "./nodes.ts";
import type { NodeName, RecipeEntry } from "./recipe.ts";

/** Bytes of a blob from `start` up to, not including, `end`. */
export interface BlobRange {
  /** Default: 0. */
  readonly start?: number | undefined;
  /** Default: the blob's size. */
  readonly end?: number | undefined;
}

/** @throws {RangeError} unless 0 ≤ start ≤ end ≤ the blob's size. */
export function rangeOf(
  { size }: BlobRef,
  { start = 0, end = size }: BlobRange,
): { start: number; end: number } {
  const isInside = Number.isSafeInteger(start) && Number.isSafeInteger(end) && end <= size;
  if (!isInside || start < 0 || start > end)
    throw new RangeError(
      `A range lies within the blob's ${size} bytes and ends where it begins or later`,
    );
  return { start, end };
}

/** A chunk, and where in the blob it begins. */
interface PlacedChunk extends RecipeEntry {
  readonly at: number;
}

interface ReadDeps {
  readonly chunks: ChunkStore;
  /** Called with the address of a chunk that is not here. */
  readonly onMissing: (address: Uint8Array) => Promise<void>;
}

/**
 * The bytes of a range, which is not empty, in pieces as long as chunks. Reads the nodes on the way to it and the chunks in it; while one batch
 * of chunks is taken, the next is read. [BL9]
 */
export async function* readRange(
  deps: ReadDeps,
  root: NodeName,
  { start, end }: { start: number; end: number },
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const batches = inBatches(chunksWithin(deps, root, 0, start, end));
  const load = async (): Promise<Loaded[] | undefined> => {
    signal?.throwIfAborted();
    const next = await batches.next();
    return next.done === true ? undefined : await loadBatch(deps, next.value);
  };
  let loading = load();
  for (;;) {
    const batch = await loading;
    signal?.throwIfAborted();
    if (batch === undefined) return;
    loading = load();
    // It is awaited when it is its turn, or not at all.
    loading.catch(() => {});
    for (const { at, bytes } of batch) {
      signal?.throwIfAborted();
      yield bytes.subarray(Math.max(0, start - at), Math.min(bytes.length, end - at));
    }
  }
}

interface Loaded {
  readonly at: number;
  readonly bytes: Uint8Array;
}

async function loadBatch(
  { chunks, onMissing }: ReadDeps,
  batch: readonly PlacedChunk[],
): Promise<Loaded[]> {
  // Before they are read: a recipe may say one byte of what has 128 KiB, a thousand times.
  await chunksHere(chunks, batch);
  const found = await chunks.getMany(
    CONTENT,
    batch.map(({ address }) => address),
  );
  const missing = batch.find((_, i) => found[i] === undefined);
  if (missing !== undefined) {
    await onMissing(missing.address);
    throw new BlobError("BLOB_NOT_HERE", "Cannot read blob: a chunk of it is not here");
  }
  return batch.map(({ size, at }, i) => {
    const bytes = found[i] as Uint8Array;
    if (bytes.length !== size) throw invalid("a chunk is not as long as it says");
    return { at, bytes };
  });
}

/** The chunks below a name, which begins at `at`, that hold bytes of the range. As deep as a recipe: seven levels. */
async function* chunksWithin(
  deps: ReadDeps,
  name: NodeName,
  at: number,
  start: number,
  end: number,
): AsyncGenerator<PlacedChunk, void, undefined> {
  if (name.level === 0) {
    yield { address: name.address, size: name.size, at };
    return;
  }
  const node = await loadNode(deps.chunks, name);
  if (node === undefined) {
    await deps.onMissing(name.address);
    throw new BlobError("BLOB_NOT_HERE", "Cannot read blob: part of its recipe is not here");
  }
  let next = at;
  for (const { address, size } of node.entries) {
    const from = next;
    next += size;
    if (next <= start) continue;
    if (from >= end) return;
    yield* chunksWithin(deps, { address, size, level: node.level - 1 }, from, start, end);
  }
}

/**
 * Whether all that a read of the range, which is not empty, needs is here: asks the index of the chunks, and reads none. [BL9]
 *
 * @throws {BlobError} `BLOB_INVALID`.
 */
export async function isRangeHere(
  chunks: ChunkStore,
  root: NodeName,
  { start, end }: { start: number; end: number },
): Promise<boolean> {
  const deps = { chunks, onMissing: () => Promise.resolve() };
  try {
    for await (const batch of inBatches(chunksWithin(deps, root, 0, start, end)))
      if ((await chunksHere(chunks, batch)).includes(false)) return false;
    return true;
  } catch (error) {
    if (codeOf(error) === "BLOB_NOT_HERE") return false;
    throw error;
  }
}

/** Few at first, so that the first bytes come soon and a short read goes not far; then more. */
async function* inBatches(
  chunks: AsyncIterable<PlacedChunk>,
): AsyncGenerator<PlacedChunk[], void, undefined> {
  let batch: PlacedChunk[] = [];
  let bytes = 0;
  let bytesMax = READ_FIRST_BATCH_BYTES;
  for await (const chunk of chunks) {
    batch.push(chunk);
    bytes += chunk.size;
    if (bytes < bytesMax && batch.length < READ_BATCH_CHUNKS_MAX) continue;
    yield batch;
    batch = [];
    bytes = 0;
    bytesMax = Math.min(2 * bytesMax, READ_BATCH_BYTES);
  }
  if (batch.length > 0) yield batch;
}
