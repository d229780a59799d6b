/**
 * Conflict policies, what a row in conflict shows, and values that merge.
 *
 * Start at `visibleOf`. Rules: docs/spec/conflicts.md.
 *
 * @module
 */

export type { Content, Kind } from "./content.ts";
export {
  addToCounter,
  addToSet,
  contentOf,
  deleteField,
  deleteFromSet,
  mergeableOf,
  pendingContent,
  setField,
} from "./edit.ts";
export { ConflictError, type ConflictErrorCode } from "./errors.ts";
export type { Head } from "./head.ts";
export { type MergeFailure, type MergeFunction, Merges, type MergesDeps } from "./merges.ts";
export {
  formatPolicy,
  LAST_WRITE_WINS,
  parsePolicy,
  type PlainPolicy,
  type Policy,
  PolicyTable,
  type PolicyText,
  type ResolverRole,
} from "./policy.ts";
export { readKind, shownOf, shownValue } from "./reading.ts";
export { differ, type Visible, visibleOf } from "./visible.ts";
