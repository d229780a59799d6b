/**
 * Rookery: a local-first database that synchronises peer to peer.
 *
 * Start at `openPeer`.
 *
 * @module
 */

export { readUserFile, sizeOfUserFile, writeUserFile } from "#platform";
export { createApi } from "./api.ts";
export { type ApiConnection, connectToApi, serveApi } from "./api-connection.ts";
export {
  type BlobRef,
  codeOf,
  type DeviceId,
  type Logger,
  parseBlobRef,
  type UserId,
  type Value,
} from "../base/index.ts";
export type {
  BlobPut,
  BlobPutOptions,
  BlobRange,
  BlobStatus,
  PutProgress,
} from "../blobs/index.ts";
export type { FetchProgress, KeeperStatus } from "../exchange/index.ts";
export type { ChunkStatus } from "../chunks/index.ts";
export type {
  Batch,
  BatchOptions,
  Change,
  Collection,
  CollectionAccess,
  CollectionInfo,
  CollectionName,
  CollectionPattern,
  Conflict,
  ConflictingValue,
  ConflictRow,
  CounterRow,
  DatabaseChange,
  DatabaseWatchOptions,
  DatabaseWatchPage,
  KeptVersion,
  MapRow,
  MergeFunction,
  PolicyText,
  QuarantinedRow,
  Resolution,
  Resolutions,
  Resolver,
  RevokeOptions,
  SetRow,
  WatchPage,
} from "../db/index.ts";
export type {
  Ejected,
  EjectOptions,
  GroupSpec,
  GroupStatus,
  InviteOptions,
  InviteView,
  JoinOptions,
  HandOverOptions,
  LeaveOptions,
  LeaveOutcome,
  Member,
  MemberChanges,
  MemberState,
  MemberView,
  PeerStatus,
  PendingProgress,
  ServiceAccess,
  SetSpecOptions,
  SpecChanges,
} from "../sync/index.ts";
export type { TimeSource, TimeStatus } from "../time/index.ts";
export { type ExamineOptions, treatFolder, verifyFolder, type VerifyOptions } from "./examine.ts";
export type { Finding, Looked, Treated } from "../doctor/index.ts";
export { BackupError, type BackupManifest, type BackupOptions } from "../backup/index.ts";
export { checkBackup, restorePeer } from "./restore.ts";
export { PeerError, type PeerErrorCode } from "./errors.ts";
export type { LinkedGroup, LinkOptions, OwnDevice, PairOptions } from "./devices.ts";
export type { RevokeDeviceOptions } from "./revoke-device.ts";
export { openPeer, type PeerOptions } from "./open-peer.ts";
export type { NetworkPeerStatus, NetworkStatus } from "./network-status.ts";
export { type ChunkOverview, Peer, type PeerOverview } from "./peer.ts";
export { type BlobReadOptions, type BlobSource, PeerBlob, PeerBlobs } from "./peer-blobs.ts";
export { PeerDatabase, type SyncgroupOptions } from "./peer-database.ts";
export { Syncgroup } from "./syncgroup.ts";
