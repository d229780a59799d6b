/** BlobRefs in one turn: with its rows they stay below what one store write may have. */
export const TURN_REFS_MAX = 50_000;
/** Bytes of parts aside of one log in a scope that a peer sent: one of the largest and some behind it. */
export const ASIDE_LOG_BYTES_MAX = 20 * 1024 * 1024;
/** Bytes of parts aside in a scope that peers sent: what may wait for a grant before it is left with its sender. */
export const ASIDE_SCOPE_BYTES_MAX = 64 * 1024 * 1024;
/** The same as a number of parts: each is looked for in memory. */
export const ASIDE_SCOPE_PARTS_MAX = 20_000;
/** Bytes of rivals in a scope whose control ops wait for others: each is looked at whenever the control log grows. */
export const RIVALS_WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** Bits for each row that a scope's filter of written rows may hold: few absent rows are then looked for all the same. */
export const WRITTEN_ROWS_BITS_EACH = 16;
/** Bytes that such a filter begins with: 4096 rows. */
export const WRITTEN_ROWS_BYTES_MIN = 8 * 1024;
/** Bytes of a scope's filter of written rows, enough for 1.4 million: of a larger scope all rows are looked for. */
export const WRITTEN_ROWS_BYTES_MAX = 4 * 1024 * 1024;
/** Memory for the names of rows that have changed since the oldest open batch of a database began to read: about 80 000 of them. */
export const RECENT_CHANGES_BYTES_MAX = 8 * 1024 * 1024;
/** Rows that a turn reads in one call: while it takes them up, the next are read. */
export const ROWS_A_READ = 250;
/** Such calls under way: with two, a thread stands still while the main one takes up what the other has read. */
export const READS_AT_ONCE = 4;
/** Rows that a turn reads without waiting: what a disk takes for as many that are not cached holds nobody up for long. */
export const ROWS_AT_ONCE_MAX = 128;
/** Bytes of commits that one turn leaves without signatures, which are written again with them: a signature takes as long as writing as much. */
export const LATE_BYTES_MAX = 8 * 1024;
/** Bytes of parts that are kept as they were served last, over all scopes of a peer: some seconds of small commits. */
export const RECENT_PARTS_BYTES_MAX = 1024 * 1024;
/** Bytes of one of them: larger ones are read again, so that one page does not take the place of all. */
export const RECENT_PART_BYTES_MAX = 64 * 1024;
