/**
 * The Sync service: deltas between peers, syncgroups, and the peers' clocks.
 *
 * Start at `SyncService`. Rules: docs/spec/sync.md.
 *
 * @module
 */

export { SyncError, type SyncErrorCode, isPeerFault, type PullProgress } from "../deltas/index.ts";
export {
  type DeviceType,
  type Ejected,
  type EjectOptions,
  type GroupSpec,
  type GroupStatus,
  hasGroups,
  type InviteView,
  type Member,
  type MemberChanges,
  type MemberState,
  type MemberView,
  pausedDatabases,
  type PendingProgress,
  ServiceAccess,
  type SetSpecOptions,
  type Sharing,
  type SpecChanges,
} from "../groups/index.ts";
export type { HaveBlobHandler } from "./answers.ts";
export {
  type GroupOptions,
  type InviteOptions,
  type JoinOptions,
  ticketFor,
} from "./group-actions.ts";
export type { HandOverOptions, LeaveOptions, LeaveOutcome } from "./leaving.ts";
export type { PeerTime } from "./peer-clock.ts";
export { catchUps } from "./catch-ups.ts";
export type { PeerStatus } from "./peer-link.ts";
export { type SyncDeps, SyncService } from "./service.ts";
export type { Locator, Whereabouts } from "./whereabouts.ts";
