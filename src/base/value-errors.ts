import { CodedError } from "./errors.ts";

/** `UNSUPPORTED`: no row value. `TOO_LARGE`: over a limit. `MALFORMED`: bytes that encode none, or not in the one form. */
export type ValueErrorCode = "DB_VALUE_MALFORMED" | "DB_VALUE_TOO_LARGE" | "DB_VALUE_UNSUPPORTED";

export class ValueError extends CodedError<ValueErrorCode> {}
