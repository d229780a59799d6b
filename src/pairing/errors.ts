import { CodedError } from "../base/index.ts";

/** Every way in which two devices may not become one user's. docs/errors.md says what to do about each. */
export type PairErrorCode =
  | "PAIR_DEVICE_UNKNOWN"
  | "PAIR_EXPIRED"
  | "PAIR_FAILED"
  | "PAIR_NOT_EVERYWHERE"
  | "PAIR_NOT_FRESH"
  | "PAIR_NO_USER_KEY"
  | "PAIR_REFUSED"
  | "PAIR_TICKET_INVALID"
  | "PAIR_USED";

export class PairError extends CodedError<PairErrorCode> {}

/** What the answering device tells the other; anything else is told as `PAIR_REFUSED`. */
const TOLD: readonly string[] = ["PAIR_EXPIRED", "PAIR_USED", "PAIR_NO_USER_KEY"];

export function toldCode(code: string | undefined): PairErrorCode {
  return code !== undefined && TOLD.includes(code) ? (code as PairErrorCode) : "PAIR_REFUSED";
}
