import { CodedError } from "../base/index.ts";

/** Every way a store may refuse. docs/errors.md says what to do about each. */
export type StoreErrorCode =
  | "STORE_CLOSED"
  | "STORE_CORRUPT"
  | "STORE_FULL"
  | "STORE_LOCKED"
  | "STORE_OPEN_FAILED"
  | "STORE_READ_FAILED"
  | "STORE_READ_ONLY"
  | "STORE_UNSUPPORTED_FORMAT"
  | "STORE_WRITE_FAILED";

export class StoreError extends CodedError<StoreErrorCode> {}
