import { CodedError } from "../base/index.ts";

/** Every way in which true time may not be found. docs/errors.md says what to do about each. */
export type TimeErrorCode = "TIME_NTP_FAILED" | "TIME_SERVER_INVALID";

export class TimeError extends CodedError<TimeErrorCode> {}
