/**
 * The Sync service: deltas between peers, syncgroups, and the peers' clocks.
 *
 * Start at `SyncService`. Rules: docs/spec/sync.md.
 *
 * @module
 */

export { SyncError, type SyncErrorCode, isPeerFault, type PullProgress } from "../deltas/index.ts";
export { type GroupStatus, hasGroups, type PendingProgress } from "./groups.ts";
export type { DeviceType, Member } from "./members.ts";
export type { PeerTime } from "./peer-clock.ts";
export type { GroupOptions, InviteOptions, JoinOptions } from "./group-actions.ts";
export { type HaveBlobHandler, type PeerStatus, type SyncDeps, SyncService } from "./service.ts";
export type { Sharing } from "./sharing.ts";
