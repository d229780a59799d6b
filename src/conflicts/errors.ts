import { CodedError } from "../base/index.ts";

/** Every way a policy or a mergeable value may be refused. docs/errors.md says what to do about each. */
export type ConflictErrorCode =
  | "CONFLICT_KIND_MISMATCH"
  | "CONFLICT_MERGE_INVALID"
  | "CONFLICT_POLICY_INVALID"
  | "CONFLICT_TOTAL_TOO_LARGE";

/** What cannot be merged or said. Its text never repeats a row's key or value. */
export class ConflictError extends CodedError<ConflictErrorCode> {}
