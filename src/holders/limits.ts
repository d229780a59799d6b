/** Milliseconds without a write after which a device says what it holds: a burst is told of once. */
export const HOLDER_REST_MS = 5000;
/** Milliseconds between two holder records of one device in one collection: each is a commit for all. */
export const HOLDER_INTERVAL_MS = 180_000;
/** Superseded holder records of one device that are kept before it says less often what it holds: what goes and comes while all are there. */
export const HOLDER_OLDS_FREE = 4;
/** The longest time between two of its records then, in milliseconds: of a holder that is silent for a year the others keep a record a day. */
export const HOLDER_INTERVAL_MAX_MS = 86_400_000;
/** Commits of one log that are looked through for one that is more than holder records, from its end. What lies deeper is published later. */
export const ROUND_COMMITS_MAX = 64;
/** Superseded versions looked at in one store write of dropping: such writes stand between those of people. */
export const DROP_SCAN_MAX = 1000;
/** Bytes of their values and of the commits that are written anew without them, about, in such a write. */
export const DROP_BYTES_MAX = 4 * 1024 * 1024;
/** Changes looked at in one step of collecting them. */
export const COLLECT_CHANGES_MAX = 500;
/** Rows looked at in such a step, about: what a page of a scan has. */
export const COLLECT_ROWS_MAX = 1000;
/** Rows of a destroyed collection that are deleted in one commit: a small one, since others write meanwhile. */
export const EMPTY_ROWS_MAX = 500;
/** Bytes of their values, about, which the commit's turn reads. */
export const EMPTY_BYTES_MAX = 4 * 1024 * 1024;
