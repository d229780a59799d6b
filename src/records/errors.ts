import { CodedError } from "../base/index.ts";

/** Every way the history may refuse. docs/errors.md says what to do about each. */
export type HistoryErrorCode =
  | "HISTORY_CLOSED"
  | "HISTORY_CONTEXT_FULL"
  | "HISTORY_CONTROLS_FULL"
  | "HISTORY_CORRUPT"
  | "HISTORY_FORK"
  | "HISTORY_MALFORMED"
  | "HISTORY_NO_DATABASE"
  | "HISTORY_SIGNATURE_INVALID"
  | "HISTORY_TOO_LARGE"
  | "HISTORY_UNASKED"
  | "HISTORY_UNAUTHORISED";

export class HistoryError extends CodedError<HistoryErrorCode> {}
