import { CodedError } from "../base/index.ts";

/** Every way bytes may be refused as a message. docs/errors.md says what to do about each. */
export type WireErrorCode =
  | "WIRE_LIMIT"
  | "WIRE_MALFORMED"
  | "WIRE_MISSING"
  | "WIRE_NOT_CANONICAL"
  | "WIRE_TOO_LARGE"
  | "WIRE_UNKNOWN_VALUE";

/** Bytes that are not the message they should be. Its text names message and field, never what they hold. */
export class WireError extends CodedError<WireErrorCode> {}
