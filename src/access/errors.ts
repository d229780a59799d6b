import { CodedError } from "../base/index.ts";

/** Every way a claim to access may be refused. docs/errors.md says what to do about each. */
export type AccessErrorCode =
  | "ACCESS_CERTIFICATE_EXPIRED"
  | "ACCESS_CERTIFICATE_INVALID"
  | "ACCESS_CONTROL_MALFORMED"
  | "ACCESS_FORK_PROOF_INVALID"
  | "ACCESS_INVITE_EXPIRED"
  | "ACCESS_INVITE_PROOF_INVALID"
  | "ACCESS_INVITE_REVOKED"
  | "ACCESS_INVITE_UNKNOWN"
  | "ACCESS_INVITE_USED_UP"
  | "ACCESS_REVOCATION_INVALID"
  | "ACCESS_TICKET_INVALID";

/** A certificate, control op, invite or ticket that does not hold. Its text never has a secret in it. */
export class AccessError extends CodedError<AccessErrorCode> {}
