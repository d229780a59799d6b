/** Bytes of records that a block is filled to: what is hashed, written and checked at once. */
export const BACKUP_BLOCK_BYTES = 256 * 1024;
/** Bytes of a block at most: one entry of the largest value that a store takes, or a block of small ones. */
export const BACKUP_BLOCK_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of entries that a restore writes at once. */
export const RESTORE_BATCH_BYTES = 4 * 1024 * 1024;
/** Entries that a restore writes at once. */
export const RESTORE_BATCH_OPS = 4096;
