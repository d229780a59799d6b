import { CodedError } from "../base/index.ts";

/** Every way a peer may refuse by itself; the layers below have their own. docs/errors.md says what to do about each. */
export type PeerErrorCode =
  | "PEER_CLOSED"
  | "PEER_IDENTITY_INVALID"
  | "PEER_IDENTITY_MISSING"
  | "PEER_NAME_INVALID"
  | "PEER_STORE_MISSING"
  | "PEER_VERIFY_FAILED";

export class PeerError extends CodedError<PeerErrorCode> {}
