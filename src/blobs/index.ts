/**
 * Blobs: content of any size, cut into chunks and named by the root of its recipe.
 *
 * Start at `Blobs`. Rules: docs/spec/blobs.md.
 *
 * @module
 */

export { Blobs, type BlobsDeps, type BlobStatus, type RecipeStep } from "./blobs.ts";
export { BlobError, type BlobErrorCode } from "./errors.ts";
export { ADDRESS_PAGE_MAX, BLOB_BYTES_AT_ONCE_MAX, MISSING_NODES_PAGE_MAX } from "./limits.ts";
export type { MissingChunks } from "./missing.ts";
export type { StoredNode } from "./nodes.ts";
export { NOTE_RANGE, noteAddressOf, noteKey, readNote } from "./notes.ts";
export type { BlobSource } from "./pieces.ts";
export type { PreOrderOptions } from "./pre-order.ts";
export type { BlobPut, BlobPutOptions, PutProgress } from "./put.ts";
export type { BlobRange } from "./read.ts";
export {
  checkChunk,
  checkNode,
  makeNode,
  type NodeName,
  type RecipeEntry,
  type RecipeNode,
  rootOf,
  VerifiedNode,
} from "./recipe.ts";
export { type BuiltRecipe, RecipeBuilder } from "./recipe-builder.ts";
export { RecipeVerifier } from "./recipe-verifier.ts";
