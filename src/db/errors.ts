import { CodedError } from "../base/index.ts";

/** Every way a database may refuse. docs/errors.md says what to do about each. Values have their own: `ValueError`. */
export type DbErrorCode =
  | "DB_BAD_VERSION"
  | "DB_BATCH_ENDED"
  | "DB_BATCH_SCOPES"
  | "DB_BATCH_TIMEOUT"
  | "DB_BATCH_TOO_LARGE"
  | "DB_CLOSED"
  | "DB_COLLECTION_DESTROYED"
  | "DB_COLLECTION_EXISTS"
  | "DB_CONCURRENT_BATCH"
  | "DB_CONTEXT_FULL"
  | "DB_CONTROLS_FULL"
  | "DB_KEY_INVALID"
  | "DB_NAME_INVALID"
  | "DB_NO_ACCESS"
  | "DB_PATTERN_INVALID"
  | "DB_POLICIES_FULL"
  | "DB_READ_ONLY"
  | "DB_READ_ONLY_BATCH"
  | "DB_RESUME_MARKER_UNKNOWN";

export class DbError extends CodedError<DbErrorCode> {}
