import { CodedError } from "../base/index.ts";

/** Every way the Sync service may refuse, here or at the peer that was asked. docs/errors.md says what to do about each. */
export type SyncErrorCode =
  | "SYNC_BAD_VERSION"
  | "SYNC_BUSY"
  | "SYNC_CLOSED"
  | "SYNC_DUP_PUBLISH"
  | "SYNC_GROUP_ENDED"
  | "SYNC_GROUP_EXISTS"
  | "SYNC_INVITE_EXPIRED"
  | "SYNC_INVITE_USED_UP"
  | "SYNC_JOIN_FAILED"
  | "SYNC_LAST_ADMIN"
  | "SYNC_NO_ACCESS"
  | "SYNC_NO_GROUP"
  | "SYNC_NO_INVITE"
  | "SYNC_NO_MEMBER"
  | "SYNC_NOT_ADMIN"
  | "SYNC_OFFLINE"
  | "SYNC_PENDING"
  | "SYNC_PROTOCOL"
  | "SYNC_SERVICE_FULL"
  | "SYNC_SPEC_INVALID"
  | "SYNC_TIMEOUT"
  | "SYNC_UNSUPPORTED"
  | "SYNC_WRONG_DATABASE";

export class SyncError extends CodedError<SyncErrorCode> {}

/** A peer's refusal: what it says of itself or of us. Never its fault. */
export class RefusalError extends SyncError {}

/** Codes that a peer may answer with; any other, of a later version perhaps, is shown as `SYNC_UNSUPPORTED`. */
const ANSWERS: ReadonlySet<string> = new Set<SyncErrorCode>([
  "SYNC_BUSY",
  "SYNC_DUP_PUBLISH",
  "SYNC_INVITE_EXPIRED",
  "SYNC_INVITE_USED_UP",
  "SYNC_NO_ACCESS",
  "SYNC_NOT_ADMIN",
  "SYNC_OFFLINE",
  "SYNC_PENDING",
  "SYNC_PROTOCOL",
  "SYNC_SPEC_INVALID",
  "SYNC_UNSUPPORTED",
]);

/** A peer's refusal as our error. Its text is the peer's: shown, never acted on. */
export function refusalError(code: string, message: string): RefusalError {
  const known = ANSWERS.has(code) ? (code as SyncErrorCode) : "SYNC_UNSUPPORTED";
  return new RefusalError(known, `Peer refused: ${message === "" ? code : message}`);
}
