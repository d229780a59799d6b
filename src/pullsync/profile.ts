import { type Crypto, type DeviceId, overlayOf } from "../base/index.ts";
import { type ChunkKind, CONTENT } from "../chunks/index.ts";
import { CODEC_1_4_0 } from "./codec-1-4-0.ts";
import type { PeerName, PullCodec, PullEntry } from "./ports.ts";
import { BIN_ID_MAX, entryOf } from "./entry.ts";
import {
  LIVE_LINGER_MS,
  OFFERED_BYTES_MAX,
  PAGE_ENTRIES_MAX,
  PULLSYNC_FRAME_BYTES_MAX,
} from "./limits.ts";

/** What differs between networks that replicate by pull-sync. The engine knows none of them. */
export interface PullProfile {
  /** What protocol ids begin with: `/rookery/pullsync`. The codec's version and the stream's name follow. */
  readonly prefix: string;
  readonly codec: PullCodec;
  /** Whether each stream begins with a Hello that names the network: the streamer's work. */
  readonly hasHello: boolean;
  /** Bytes of a frame at most, both ways. */
  readonly frameBytesMax: number;
  readonly pageEntriesMax: number;
  readonly pageBytesMax: number;
  /** Milliseconds that a live page waits for each further entry. */
  readonly liveLingerMs: number;
  /** The greatest BinID that a peer is believed. */
  readonly binIdMax: bigint;
  /** Schemes of addresses; a delivery is valid when one of them says so. */
  readonly kinds: readonly ChunkKind[];
  /** The 32-byte address of a peer, which its bins are counted from. */
  overlay(crypto: Crypto, peer: PeerName): Uint8Array;
  /** The entry that a delivery is of; `undefined` when its stamp cannot be one. */
  entryOf(crypto: Crypto, address: Uint8Array, stamp: Uint8Array): PullEntry | undefined;
}

/** Rookery's: content chunks without stamps among the storage peers of a syncgroup. */
export const ROOKERY_PROFILE: PullProfile = {
  prefix: "/rookery/pullsync",
  codec: CODEC_1_4_0,
  hasHello: true,
  frameBytesMax: PULLSYNC_FRAME_BYTES_MAX,
  pageEntriesMax: PAGE_ENTRIES_MAX,
  pageBytesMax: OFFERED_BYTES_MAX,
  liveLingerMs: LIVE_LINGER_MS,
  binIdMax: BIN_ID_MAX,
  kinds: [CONTENT],
  overlay: (crypto, peer) => overlayOf(crypto, peer as DeviceId),
  entryOf: (_crypto, address, stamp) => (stamp.length === 0 ? entryOf(address) : undefined),
};

/** The protocol ids of a profile. */
export function protocolsOf({ prefix, codec }: PullProfile): { cursors: string; pull: string } {
  const base = `${prefix}/${codec.version}`;
  return { cursors: `${base}/cursors`, pull: `${base}/pullsync` };
}
