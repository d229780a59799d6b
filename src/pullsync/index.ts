/**
 * Pull-sync: how storage peers keep each other's chunks. Usable alone: bring a `Streamer` and a `PullStorage`, or take those in memory.
 *
 * Start at `Syncer`, which speaks with peers; `Puller` decides what to ask them for. Rules: docs/spec/pullsync.md.
 *
 * @module
 */

export { decodeBits, encodeBits } from "./bit-vector.ts";
export { Budget } from "./budget.ts";
export type { LackingCause, LackingEntry, PulledPage, SyncOptions, SyncResult } from "./client.ts";
export type { DeliveryMessage, GetMessage, OfferMessage, PullCodec, PullCursors } from "./codec.ts";
export { CODEC_1_4_0 } from "./codec-1-4-0.ts";
export type { PullCounters } from "./counters.ts";
export { entryKeyOf, entryOf, equalEntries } from "./entry.ts";
export { PullSyncError, type PullSyncErrorCode, UnsolicitedChunkError } from "./errors.ts";
export { HelloGate, type HelloGateDeps, type IsMember, NetworkStreamer } from "./hello-gate.ts";
export {
  BINS,
  DELIVERIES_HELD_BYTES_MAX,
  EXCHANGES_PER_PEER_MAX,
  PAGE_BYTES_MAX,
  PAGE_ENTRIES_MAX,
  PEER_STALL_MS,
} from "./limits.ts";
export { BIN_ID_MAX } from "./numbers.ts";
export { MemoryPullStorage, type MemoryStorageDeps } from "./memory-storage.ts";
export type {
  BinEntry,
  PeerName,
  PullChunk,
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
export { type PullProfile, protocolsOf, ROOKERY_PROFILE } from "./profile.ts";
export { proximity } from "./proximity.ts";
export { type PullProtocol, Syncer, type SyncerDeps, type SyncerOptions } from "./syncer.ts";
