/**
 * What one device pulls from another: deltas of scopes over one long-lived stream, page by page.
 *
 * Start at `Initiator` (who asks) and `serveDeltas` (who answers). Rules: docs/spec/sync.md.
 *
 * @module
 */

export { Reconciliations } from "./sums.ts";
export { DELTAS_PROTOCOL } from "./begin-stream.ts";
export { BlockedPeers } from "./blocked.ts";
export { PageBudget } from "./budget.ts";
export { Crowds } from "./crowd.ts";
export { RefusalError, refusalError, SyncError, type SyncErrorCode } from "./errors.ts";
export { isCallFault, isPeerFault } from "./fault.ts";
export { inTime } from "./in-time.ts";
export type { CatchUp, PullProgress } from "./catch-up.ts";
export { Initiator, type ScopesOf } from "./initiator.ts";
export {
  AUTHOR_GRACE_MS,
  BLOCK_MAX_MS,
  BLOCK_MIN_MS,
  BLOCKED_PEERS_MAX,
  GATHER_MS,
  HELD_BACK_MS,
  OPEN_TIMEOUT_MS,
  PAGES_HELD_BYTES_MAX,
  PART_MS_MAX,
  PART_TIMEOUT_MS,
  REQUEST_SCOPES_MAX,
} from "./limits.ts";
export { claimFromWire, claimToWire, PartCollector, partToWire, type ScopeClaim } from "./page.ts";
export { PeerKnowledges } from "./peer-knowledge.ts";
export { serveDeltas } from "./responder.ts";
export { Serving } from "./serving.ts";
