import type { WriteOp } from "../store/index.ts";
import type { ChunkKind, ChunkName, VerifiedChunk } from "./kind.ts";

/** `stored`: its bytes are here now and were not, or took the place of others. `duplicate`, `stale`: see `SecondPut`. */
export type PutOutcome = "stored" | "duplicate" | "stale";

/** What a layer above notes of a chunk in its index entry: pull-sync the number that a network's reserve gave it. */
export interface ChunkPlace {
  /** The network's number in this store, from 1. */
  readonly network: number;
  /** From 1, below 2^53. */
  readonly binId: number;
}

/** What the index knows of a chunk that is here. */
export interface ChunkEntry {
  /** Bytes of the chunk. */
  readonly size: number;
  /** At most one a network, by ascending network. */
  readonly places: readonly ChunkPlace[];
}

/**
 * One store write in the making: what a caller adds to it is durable together with the chunks, or not at all. Good until
 * the function that it was given to has returned.
 */
export interface ChunkWrite {
  /** A chunk as this write will leave it; `undefined` when it is not here. */
  entry(name: ChunkName): Promise<ChunkEntry | undefined>;
  /** Several of one kind, in order: one read. */
  entries(kind: ChunkKind, addresses: readonly Uint8Array[]): Promise<(ChunkEntry | undefined)[]>;
  /** Notes a place; takes the place of one in the same network. The chunk is here. */
  place(name: ChunkName, place: ChunkPlace): Promise<void>;
  /** Anything else that is to be written with it: under keys of the caller's own. */
  add(...ops: readonly WriteOp[]): void;
}

export interface PutOptions {
  /**
   * Called once, when the chunks' bytes are durable and the index is about to be written: alone among all writes of the
   * store, in the order of the calls. When it throws nothing of this call is written, and `put` rejects with what it threw.
   * It must not wait for another change of this store, which waits for it. Of `delete`: `outcomes` is empty. [CH7]
   */
  readonly with?: (write: ChunkWrite, outcomes: readonly PutOutcome[]) => Promise<void> | void;
}

export interface ChunkStatus {
  readonly chunks: number;
  /** Of the chunks. */
  readonly bytes: number;
  readonly packs: number;
  /** Of the pack files, dead bytes and headers included. */
  readonly packBytes: number;
  /** Of chunks deleted or replaced, in the packs still. */
  readonly deadBytes: number;
  /** The budget that `packBytes` is held to; `undefined`: none but the medium. */
  readonly capacityBytes: number | undefined;
}

/**
 * Chunks by address, durable and checked: put resolves when a chunk's bytes and its index entry are durable, and what is
 * read was held against its checksum. Rules: docs/spec/chunks.md; `chunkStoreRules` of the testkit checks them.
 *
 * Every call of a closed store fails with `CHUNKS_CLOSED`, but for `close`.
 */
export interface ChunkStore extends AsyncDisposable {
  /**
   * Stores chunks, each once however often it occurs. Calls made while another is under way share its sync. [CH5]
   *
   * @throws {ChunkError} `CHUNKS_FULL`, `CHUNKS_WRITE_FAILED`, `CHUNKS_READ_ONLY`; {StoreError}: none of them may be taken
   *   to be here.
   */
  put(chunks: readonly VerifiedChunk[], options?: PutOptions): Promise<PutOutcome[]>;

  /** A write of the index and of a caller's own keys, without bytes. Alone, as `PutOptions.with`. @throws as `put`. */
  write(change: (write: ChunkWrite) => Promise<void> | void): Promise<void>;

  /** Whether each is here, in order. */
  has(kind: ChunkKind, addresses: readonly Uint8Array[]): Promise<boolean[]>;

  /** What the index knows of each, in order. */
  entries(kind: ChunkKind, addresses: readonly Uint8Array[]): Promise<(ChunkEntry | undefined)[]>;

  /**
   * The bytes of a chunk, or of a range of it as far as it goes; `undefined` when it is not here. One whose bytes are damaged is taken out of
   * the index, told to `onLost`, and is not here. [CH8]
   *
   * @throws {ChunkError} `CHUNKS_READ_FAILED`; {StoreError}.
   */
  get(
    name: ChunkName,
    range?: { readonly start: number; readonly end: number },
  ): Promise<Uint8Array | undefined>;

  /** As `get`, in order; chunks that lie side by side are read at once. */
  getMany(kind: ChunkKind, addresses: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;

  /** Takes chunks out; their bytes are dead. Those that are not here are passed over. */
  delete(kind: ChunkKind, addresses: readonly Uint8Array[], options?: PutOptions): Promise<void>;

  status(): ChunkStatus;

  /** Calls `listener` for each chunk found damaged and taken out, once that is durable. Answers a function that ends it. */
  onLost(listener: (chunk: ChunkName, entry: ChunkEntry) => void): () => void;

  /** Refuses new calls and waits for those under way. Idempotent. The ordered store stays open: it is not ours. */
  close(): Promise<void>;
}
