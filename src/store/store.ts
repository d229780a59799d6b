import type { StoreError } from "./errors.ts";

/** One entry of the ordered map. The arrays belong to the store: they are read, never written. */
export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Keys from `gte` (or after `gt`) up to, not including, `lt`. A bound left out is open. */
export interface KeyRange {
  readonly gte?: Uint8Array | undefined;
  readonly gt?: Uint8Array | undefined;
  readonly lt?: Uint8Array | undefined;
}

export interface ReadOptions {
  /** Read the store as it was when the snapshot was taken. Default: as it is now. */
  readonly snapshot?: Snapshot | undefined;
}

export interface ScanOptions extends ReadOptions {
  /** From the last key to the first. Default false. */
  readonly reverse?: boolean | undefined;
  /** Entries at most. Default: all of the range. */
  readonly limit?: number | undefined;
}

export type WriteOp =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "delete"; readonly key: Uint8Array };

/** The store as it was at one moment, until closed. */
export interface Snapshot {
  close(): Promise<void>;
}

/**
 * `open`: reads and writes. `readOnly`: a write failed; reads go on, nothing is acknowledged until the engine has
 * been closed and opened again. `closed`: neither.
 */
export type StoreState = "open" | "readOnly" | "closed";

/**
 * An ordered map from byte keys to byte values. It is all that the layers above know about disks.
 *
 * Keys sort by unsigned bytes. A write is atomic, and durable once its promise resolves; writes take effect in call order. A
 * scan sees the store as it was when the scan began. Rules: docs/spec/store.md.
 */
export interface Store extends AsyncDisposable {
  /** 16 random bytes drawn when the store was born: names this store, so that what was noted of another is not mistaken for it. */
  readonly id: Uint8Array;

  readonly state: StoreState;

  /** The value under `key`, or `undefined`: absence is an answer, not an error. */
  get(key: Uint8Array, options?: ReadOptions): Promise<Uint8Array | undefined>;

  /** One answer per key, in order. */
  getMany(keys: readonly Uint8Array[], options?: ReadOptions): Promise<(Uint8Array | undefined)[]>;

  /** The entries of a range in key order. Leaving the loop ends the scan. */
  scan(range: KeyRange, options?: ScanOptions): AsyncIterable<Entry>;

  /**
   * Applies all of `batch` or none of it, durably. Calls made in one microtask turn, or while a write is under way,
   * share one engine write and one sync.
   *
   * @throws {StoreError} `STORE_FULL` or `STORE_WRITE_FAILED` when the engine refused: the batch may or may not be
   *   there after reopening (`STORE_READ_ONLY` from then on, until reopened).
   */
  write(batch: readonly WriteOp[]): Promise<void>;

  /** A fixed view for several reads. */
  snapshot(): Snapshot;

  /** Calls `listener` after each change of `state`. Answers a function that ends it. */
  onState(listener: (state: StoreState, cause?: StoreError) => void): () => void;

  /** Waits for writes under way, then releases the medium. Calling it twice is harmless. */
  close(): Promise<void>;
}
