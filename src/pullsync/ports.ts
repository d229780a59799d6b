/**
 * What pull-sync needs from the world: streams to peers, and a reserve. Each is small, so that a program can bring its own; memory
 * ones are beside them. `pullStorageRules` and `syncerRules` of the testkit check every implementation.
 */

import type { ChunkName, VerifiedChunk } from "../chunks/index.ts";
import type { WriteOp } from "../store/index.ts";

/** A peer as its streamer names it: the text of a device id in the rookery profile. */
export type PeerName = string;

/** Whole messages both ways. `FramedStream` of `net` is one. */
export interface PullStream {
  /** Sends one frame, given whole or in parts. Resolves when there is room again. The bytes are not changed afterwards. */
  send(payload: Uint8Array | readonly Uint8Array[]): Promise<void>;
  /** The next frame; `undefined` when the peer has ended its side. Rejects when the stream was reset or lost. */
  receive(): Promise<Uint8Array | undefined>;
  /** Ends our side. */
  closeWrite(): Promise<void>;
  /** Ends both sides at once. */
  reset(): void;
  /** Aborted when the stream has ended both ways, been reset or lost its connection. */
  readonly ended: AbortSignal;
}

/** Serves one stream; when it throws the stream is reset, when it returns our side is closed. */
export type PullStreamHandler = (stream: PullStream, peer: PeerName) => Promise<void>;

/** Streams to peers. What goes before the first message of a stream, and who may open one, is its business. */
export interface Streamer {
  /** @throws an error with a code; `NET_PROTOCOL_UNSUPPORTED` when the peer does not speak the protocol. */
  open(
    peer: PeerName,
    protocol: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<PullStream>;
  /** Serves a protocol. Answers a function that ends it. */
  handle(protocol: string, handler: PullStreamHandler): () => void;
}

/** What a reserve holds and an offer names. Batch and stamp hash are of Swarm's postage: empty in the rookery profile. */
export interface PullEntry {
  /** 32 bytes. */
  readonly address: Uint8Array;
  readonly batch: Uint8Array;
  readonly stampHash: Uint8Array;
}

/** An entry with its number in its bin. */
export interface BinEntry {
  /** From 1, ascending within a bin, never given twice. */
  readonly binId: bigint;
  readonly entry: PullEntry;
  /** Bytes of the chunk. */
  readonly size: number;
}

/** What a delivery carries. */
export interface StampedBytes {
  readonly bytes: Uint8Array;
  /** Empty in the rookery profile. */
  readonly stamp: Uint8Array;
}

/** A chunk that was held against its address, as it comes from a peer. */
export interface PullChunk {
  readonly entry: PullEntry;
  readonly chunk: VerifiedChunk;
  readonly stamp: Uint8Array;
}

/**
 * `stored`: it is in the reserve now and was not. `duplicate`: it was there. `stale`: the reserve has a later one in its place.
 * `invalid`: the reserve does not take it.
 */
export type PullOutcome = "stored" | "duplicate" | "stale" | "invalid";

/** The store write that ends a page, in the making: alone among all writes of the storage. */
export interface SealWrite {
  /** Whether each is in the reserve as this write will leave it. */
  has(entries: readonly PullEntry[]): Promise<boolean[]>;
  /** Written together with the chunks, or not at all. */
  add(...ops: readonly WriteOp[]): void;
}

export interface PullPutOptions {
  /** Called once with the write that the chunks are stored by, or, without chunks, with one of its own. */
  readonly seal?:
    | ((write: SealWrite, outcomes: readonly PullOutcome[]) => Promise<void>)
    | undefined;
}

export interface SubscribeOptions {
  /** The last BinID of interest. The subscription ends once every number up to it has been given; default: never. */
  readonly to?: bigint | undefined;
  /** Ends the subscription, without an error. */
  readonly signal?: AbortSignal | undefined;
}

export interface StorageWatcher {
  storing(write: SealWrite, entries: readonly PullEntry[]): void;
  stored(entries: readonly PullEntry[]): void;
  lost(entries: readonly PullEntry[]): void;
}

/** A reserve: chunks by bin, numbered in the order of their arrival. */
export interface PullStorage {
  /** For each of the 32 bins the greatest BinID that is durable; 0: none was given. */
  cursors(): Promise<readonly bigint[]>;

  /** Another number whenever the reserve was made anew, never 0. */
  epoch(): Promise<bigint>;

  /**
   * Entries of a bin in the order of their BinIDs, from the first that is not below `start` on; those that left the reserve are
   * passed over. Behind the last one it waits for the next, without polling. Nothing is shown before it is durable.
   */
  subscribe(bin: number, start: bigint, options?: SubscribeOptions): AsyncIterable<BinEntry>;

  /** Whether each entry is in the reserve. */
  has(entries: readonly PullEntry[]): Promise<boolean[]>;

  /** The bytes of each entry; `undefined` for one that is not, or no longer, in the reserve. */
  get(entries: readonly PullEntry[]): Promise<(StampedBytes | undefined)[]>;

  /** Stores chunks; durable when it resolves. One outcome each, in order. */
  put(chunks: readonly PullChunk[], options?: PullPutOptions): Promise<PullOutcome[]>;

  /**
   * Takes back entries that were lost and whose chunks are here again by another way than `put`. Default: there is none. Answers
   * nothing: `watch` tells of those that are in the reserve again.
   */
  takeBack?(entries: readonly PullEntry[]): Promise<void>;

  /**
   * Tells of entries that come into the reserve, by whichever way: `storing` within the write that brings them, what it adds is
   * written with them; `stored` when that is durable. And `lost`, when ones that were there were found damaged and have left it.
   * Answers a function that ends it.
   */
  watch(watcher: StorageWatcher): () => void;

  /** Whether an address lies in the area that this reserve is responsible for. */
  within(address: Uint8Array): boolean;
}

/**
 * Who is asking for which chunk, for the whole process: what one source has asked for, another does not. `Wants` of `chunks` is one.
 * Sources are told apart by identity.
 */
export interface PullWants {
  /** Whether `source` is to ask for the chunk; after `lateMs` milliseconds another may. */
  claim(chunk: ChunkName, source: object, lateMs: number): boolean;
  /** Gives up all claims of `source`. */
  release(source: object): void;
  /** The chunk is here: whoever claims it need not ask any more. */
  stored(chunk: ChunkName): void;
}

/** The answer to the cursors stream. */
export interface PullCursors {
  /** 32 of them. */
  readonly cursors: readonly bigint[];
  readonly epoch: bigint;
}

export interface GetMessage {
  readonly bin: number;
  readonly start: bigint;
  /** The last BinID asked for; `undefined`: whatever comes. */
  readonly to: bigint | undefined;
}

export interface OfferMessage {
  readonly topmost: bigint;
  readonly entries: readonly PullEntry[];
}

/** All empty: what was wanted is not there any more. */
export interface DeliveryMessage {
  readonly address: Uint8Array;
  readonly data: Uint8Array;
  readonly stamp: Uint8Array;
}

/**
 * How the messages of one version of the protocol are written. Reading throws an error with a code when the bytes are none, or
 * break a limit; bytes fields are views of the frame.
 */
export interface PullCodec {
  /** As in protocol ids. */
  readonly version: string;
  /** Whether Get carries `to`, which the server then keeps to. */
  readonly hasTo: boolean;
  readonly encodeSyn: () => Uint8Array;
  readonly decodeSyn: (bytes: Uint8Array) => void;
  readonly encodeAck: (message: PullCursors) => Uint8Array;
  readonly decodeAck: (bytes: Uint8Array) => PullCursors;
  readonly encodeGet: (message: GetMessage) => Uint8Array;
  readonly decodeGet: (bytes: Uint8Array) => GetMessage;
  readonly encodeOffer: (message: OfferMessage) => Uint8Array;
  readonly decodeOffer: (bytes: Uint8Array) => OfferMessage;
  readonly encodeWant: (bits: Uint8Array) => Uint8Array;
  readonly decodeWant: (bytes: Uint8Array) => Uint8Array;
  /** In parts, so that a chunk is not copied. */
  readonly encodeDelivery: (message: DeliveryMessage) => readonly Uint8Array[];
  readonly decodeDelivery: (bytes: Uint8Array) => DeliveryMessage;
}
