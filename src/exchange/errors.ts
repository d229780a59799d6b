import { CodedError } from "../base/index.ts";

/**
 * `CLOSED`: the exchange is closed. `LACKING`: a holder does not give what it said to have. `PROTOCOL`: a peer broke the
 * protocol. `STALLED`: a peer makes no progress. docs/errors.md says what to do about each.
 */
export type ExchangeErrorCode =
  | "EXCHANGE_CLOSED"
  | "EXCHANGE_LACKING"
  | "EXCHANGE_PROTOCOL"
  | "EXCHANGE_STALLED";

export class ExchangeError extends CodedError<ExchangeErrorCode> {}

/** An asker that broke the protocol. */
export function askerFault(why: string): ExchangeError {
  return new ExchangeError("EXCHANGE_PROTOCOL", `Cannot serve chunks: ${why}`);
}

/** A holder that broke the protocol. */
export function holderFault(why: string, cause?: unknown): ExchangeError {
  return new ExchangeError("EXCHANGE_PROTOCOL", `Cannot fetch: ${why}`, { cause });
}
