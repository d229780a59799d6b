/**
 * Chunks: pieces of bytes by the address that their content gives them. What blobs are made of and what pull-sync replicates.
 *
 * Start at `ChunkStore`. Rules: docs/spec/chunks.md.
 *
 * @module
 */

export type { ChunkFiles } from "./chunk-files.ts";
export { Chunker, CHUNKER_VERSION } from "./chunker.ts";
export type {
  ChunkEntry,
  ChunkPlace,
  ChunkStatus,
  ChunkStore,
  ChunkWrite,
  PutOptions,
  PutOutcome,
} from "./chunk-store.ts";
export {
  nodeEdges,
  parentsOf,
  referencedBlobs,
  type RowEdge,
  rowEdge,
  rowEdgesOf,
} from "./edges.ts";
export { ChunkError, type ChunkErrorCode } from "./errors.ts";
export {
  CHUNK_RANGE,
  chunkKey,
  chunkOf,
  NODE_EDGE_RANGE,
  PACK_RANGE,
  packKey,
  packOf,
  readNodeEdgeKey,
  readRowEdgeKey,
  type RowCause,
  rowEdgeRange,
} from "./keys.ts";
export {
  type ChunkKind,
  type ChunkName,
  CONTENT,
  contentChunk,
  type SecondPut,
  VerifiedChunk,
  verifyChunk,
} from "./kind.ts";
export { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, PUT_BYTES_MAX, PUT_CHUNKS_MAX } from "./limits.ts";
export { type MemoryChunkFiles, memoryChunkFiles } from "./memory-files.ts";
export { type ChunkStoreDeps, openChunkStore } from "./pack-chunk-store.ts";
export {
  decodeIndexEntry,
  decodePackRecord,
  encodeIndexEntry,
  encodePackRecord,
  type IndexEntry,
  type PackRecord,
} from "./records.ts";
export { Wants, type WantSource } from "./wants.ts";
