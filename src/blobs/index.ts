/**
 * Blobs: content of any size, cut into chunks and named by the root of its recipe.
 *
 * Start at `Blobs`. Rules: docs/spec/blobs.md.
 *
 * @module
 */

export { BlobError, type BlobErrorCode } from "./errors.ts";
export type { PreOrderOptions } from "./pre-order.ts";
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
