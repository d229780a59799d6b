import { CodedError } from "../base/index.ts";

/**
 * `CLOSED`: our side is closed, or keeps that network no more. `CORRUPT`: a record of ours makes no sense. `ENDED`: the peer ended the
 * stream instead of answering. `INVALID_CHUNK`: what was delivered is not what its address says. `MALFORMED`: an answer or
 * a request that cannot be. `MISSING_FULL`: too much that a peer offered has not come. `REFUSED`: a network that is not
 * here, a device that is no member of it, or too many streams. `TIMEOUT`: the peer stalls. `UNSOLICITED_CHUNK`: it delivered what was not asked for.
 */
export type PullSyncErrorCode =
  | "PULLSYNC_CLOSED"
  | "PULLSYNC_CORRUPT"
  | "PULLSYNC_ENDED"
  | "PULLSYNC_INVALID_CHUNK"
  | "PULLSYNC_MALFORMED"
  | "PULLSYNC_MISSING_FULL"
  | "PULLSYNC_REFUSED"
  | "PULLSYNC_TIMEOUT"
  | "PULLSYNC_UNSOLICITED_CHUNK";

export class PullSyncError extends CodedError<PullSyncErrorCode> {}

/** A peer delivered a chunk that was not wanted, or one a second time. It was thrown away. [PS17] */
export class UnsolicitedChunkError extends PullSyncError {
  constructor() {
    super("PULLSYNC_UNSOLICITED_CHUNK", "Cannot take chunk: it was not asked for");
  }
}
