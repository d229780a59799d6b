import type { StoreError } from "./errors.ts";
import type { StoreOrigin } from "./witness.ts";

/** One entry of the ordered map. The arrays belong to the store: they are read, never written. */
export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Keys from `gte` (or after `gt`, not both) up to, not including, `lt`. A bound left out is open. */
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

/**
 * One change. Its arrays are handed over: they must stay as they are until the write's promise settles, and are their
 * caller's again afterwards.
 */
export type WriteOp =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "delete"; readonly key: Uint8Array };

/**
 * The store as it was at one moment, until closed; closing it twice is harmless. Reopening after a failed write ends it:
 * reads with it fail with `STORE_READ_FAILED` from then on.
 */
export interface Snapshot {
  close(): Promise<void>;
}

/**
 * `open`: reads and writes. `readOnly`: a write failed; reads go on, nothing is acknowledged until the engine has
 * been closed and opened again, which is tried with growing delays for as long as it takes. `closed`: neither.
 */
export type StoreState = "open" | "readOnly" | "closed";

/**
 * An ordered map from byte keys to byte values. It is all that the layers above know about disks.
 *
 * Keys sort by unsigned bytes; they have 1 to `STORE_KEY_BYTES_MAX` bytes and do not begin with 0x00. A write is atomic,
 * and durable once its promise resolves; writes take effect in call order. A key, value or batch beyond the limits is a
 * `RangeError`. Rules: docs/spec/store.md.
 *
 * Every call of a closed store fails with `STORE_CLOSED`, but for `close` and `onState`. Reads fail with
 * `STORE_READ_FAILED` when the engine refuses, is reopened meanwhile, or stays away longer than
 * `STORE_REOPEN_READ_WAIT_MS`, and with `STORE_CORRUPT` when what it holds is damaged.
 */
export interface Store extends AsyncDisposable {
  /** 16 random bytes drawn when the store was born: names this store, so that what was noted of another is not mistaken for it. */
  readonly id: Uint8Array;

  /** Whether it is the very store that was open on its medium last. [ST43] */
  readonly origin: StoreOrigin;

  readonly state: StoreState;

  /**
   * Says that all that must follow when the store is a copy has been done, durably: the next opening finds its origin by the
   * medium alone. Nothing where the origin is another. [ST44]
   *
   * @throws {StoreError} as `write` does: then the next opening finds a copy once more.
   */
  settleOrigin(): Promise<void>;

  /** The value under `key`, or `undefined`: absence is an answer, not an error. [ST1] */
  get(key: Uint8Array, options?: ReadOptions): Promise<Uint8Array | undefined>;

  /**
   * What `get` would answer, without a promise where the engine can be asked at once; `"wait"` where it cannot: then `get` answers.
   * For few keys: nobody else runs meanwhile. [ST45]
   *
   * @throws what `get` rejects with.
   */
  getNow(key: Uint8Array, options?: ReadOptions): Uint8Array | undefined | "wait";

  /** One answer per key, in order. [ST2] */
  getMany(keys: readonly Uint8Array[], options?: ReadOptions): Promise<(Uint8Array | undefined)[]>;

  /**
   * The entries of a range in key order, as they were when the first was asked for. Leaving the loop ends the scan. Read
   * in pages of at most `STORE_SCAN_PAGE_ENTRIES`, the next one when asked for. [ST3] to [ST6]
   */
  scan(range: KeyRange, options?: ScanOptions): AsyncIterable<Entry>;

  /**
   * Applies all of `batch` or none of it, durably. Calls made in one microtask turn, or while a write is under way,
   * share one engine write and one sync. Of two ops on one key the later counts. [ST8] to [ST14]
   *
   * @throws {StoreError} `STORE_FULL` or `STORE_WRITE_FAILED` when the engine refused: the batch may or may not be
   *   there after reopening. `STORE_READ_ONLY` from then on until reopened: the batch is not there.
   */
  write(batch: readonly WriteOp[]): Promise<void>;

  /**
   * A fixed view for several reads. [ST7]
   *
   * @throws {StoreError} `STORE_READ_FAILED` while the engine is being reopened.
   */
  snapshot(): Snapshot;

  /** Calls `listener` after each change of `state`, before any promise settles by it. Answers a function that ends it. */
  onState(listener: (state: StoreState, cause?: StoreError) => void): () => void;

  /** Refuses new calls, waits for writes accepted before, then releases the medium. Calling it twice is harmless. */
  close(): Promise<void>;
}
