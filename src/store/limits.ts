/** Bytes in a key: a row key of 1 KiB with its scope, and as much again for what layers above may prefix. */
export const STORE_KEY_BYTES_MAX = 4 * 1024;
/** Bytes in a value: the largest batch and its index entries in one piece. */
export const STORE_VALUE_BYTES_MAX = 32 * 1024 * 1024;
/** Ops in one write: a batch of `BATCH_OPS_MAX` ops with several index entries for each. */
export const STORE_WRITE_OPS_MAX = 100_000;
/** Bytes of keys and values in one write: a batch of `BATCH_BYTES_MAX` with what it supersedes. */
export const STORE_WRITE_BYTES_MAX = 128 * 1024 * 1024;
/** Ops in one engine batch that joins several writes: bounds how long the last of them waits. */
export const STORE_GROUP_OPS_MAX = 20_000;
/** Bytes in one engine batch that joins several writes: bounds the copy that the engine makes. */
export const STORE_GROUP_BYTES_MAX = 8 * 1024 * 1024;
/** Keys of one `getMany` that are read without a thread: what a disk takes for as many that are not cached holds nobody up for long. */
export const STORE_GET_AT_ONCE_MAX = 128;
/** Keys of one `getMany` from which on two threads read a half each: below, handing them over costs more. */
export const STORE_GET_HALVES_MIN = 512;
/** Entries read from the engine at a time by a scan: few enough to hold, enough to pay for the call. */
export const STORE_SCAN_PAGE_ENTRIES = 512;
/** Bytes after which a scan's page ends early, so that large values are held few at a time. */
export const STORE_SCAN_PAGE_BYTES = 256 * 1024;
/** Milliseconds before the first attempt to reopen after a failed write: most causes do not pass at once. */
export const STORE_REOPEN_DELAY_MS = 100;
/** Milliseconds between attempts to reopen at most: how long a store stays read-only after room was made. */
export const STORE_REOPEN_DELAY_MS_MAX = 5_000;
/** Milliseconds that a read waits for the engine while it is being reopened: an open replays its log, no more. */
export const STORE_REOPEN_READ_WAIT_MS = 10_000;
