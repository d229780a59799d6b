/**
 * Pull-sync: how storage peers keep each other's chunks. Usable alone: bring a `Streamer` and a `PullStorage`, or take those in memory.
 *
 * Start at `Syncer`, which speaks with peers; `Puller` decides what to ask them for. Rules: docs/spec/pullsync.md.
 *
 * @module
 */

export { CODEC_1_4_0, decodeBits, encodeBits } from "./codec-1-4-0.ts";
export { Budget } from "../base/index.ts";
export type {
  LackingCause,
  LackingEntry,
  PulledPage,
  SyncOptions,
  SyncResult,
} from "./deliveries.ts";
export type {
  BinEntry,
  DeliveryMessage,
  GetMessage,
  OfferMessage,
  PeerName,
  PullChunk,
  PullCodec,
  PullCursors,
  PullEntry,
  PullOutcome,
  PullPutOptions,
  PullStorage,
  PullStream,
  PullStreamHandler,
  PullWants,
  SealWrite,
  StampedBytes,
  Streamer,
  SubscribeOptions,
} from "./ports.ts";
export type { PullCounters } from "./pull-exchange.ts";
export { BIN_ID_MAX, entryKeyOf, entryOf, equalEntries, proximity } from "./entry.ts";
export { PullSyncError, type PullSyncErrorCode, UnsolicitedChunkError } from "./errors.ts";
export { HelloGate, type HelloGateDeps, type IsMember, NetworkStreamer } from "./hello-gate.ts";
export { type Gap, type Interval, Intervals } from "./intervals.ts";
export {
  BINS,
  DELIVERIES_HELD_BYTES_MAX,
  EXCHANGES_PER_PEER_MAX,
  OFFERED_BYTES_MAX,
  PAGE_ENTRIES_MAX,
  PEER_STALL_MS,
} from "./limits.ts";
export { MemoryPullStorage, type MemoryStorageDeps } from "./memory-storage.ts";
export {
  type PullNetworkStatus,
  networkIdOf,
  PullNetworks,
  type PullNetworksDeps,
} from "./networks.ts";
export type { BinProgress, PeerProgress, PeerPullState, PullFailure } from "./peer-puller.ts";
export {
  binIdOf,
  binKey,
  decodeEntry,
  decodeIntervals,
  decodeMissing,
  decodeNetwork,
  decodeNumber,
  encodeNumber,
  entryBinRange,
  entryKey,
  NETWORK_RANGE,
  recordRanges,
} from "./records.ts";
export { type PullProfile, protocolsOf, ROOKERY_PROFILE } from "./profile.ts";
export { Puller, type PullerDeps, type PullerOptions, type PullerProgress } from "./puller.ts";
export type { Placing } from "./reserve-bins.ts";
export { Reserve, type ReserveDeps, type ReserveOptions } from "./reserve.ts";
export { type PullProtocol, Syncer, type SyncerDeps, type SyncerOptions } from "./syncer.ts";
