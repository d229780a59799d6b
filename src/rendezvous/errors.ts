import { CodedError } from "../base/index.ts";

/** Every way in which devices may not meet at a rendezvous. docs/errors.md says what to do about each. */
export type RendezvousErrorCode =
  | "RENDEZVOUS_ADDRESS_INVALID"
  | "RENDEZVOUS_BUSY"
  | "RENDEZVOUS_FAILED"
  | "RENDEZVOUS_FULL"
  | "RENDEZVOUS_PROTOCOL";

export class RendezvousError extends CodedError<RendezvousErrorCode> {}
