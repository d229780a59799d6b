/** Rows in one page of a watch: what a consumer is given at once. */
export const WATCH_PAGE_ROWS = 256;
/** Bytes of values in one page of a watch, but for one row that alone is larger. */
export const WATCH_PAGE_BYTES = 1024 * 1024;
/** Rows of a change that a watch reads from the store at once: values of the largest size take 16 MiB. */
export const WATCH_READ_ROWS = 16;
/** Entries of the change log that a watch holds at once, so that a slow consumer keeps no scan open. */
export const WATCH_READ_CHANGES = 64;
/** Parts whose changes a watch remembers while it looks at the rows of one: some hundred bytes each. */
export const WATCH_ARRIVALS_MAX = 1_024;
/** Times that a batch's function is run before its conflicts are the caller's. */
export const BATCH_TRIES_MAX = 3;
/** Changes of one counter, set or map that are written together: each is worked out on what the one before made. */
export const EDITS_TOGETHER_MAX = 256;
/** Changes of one counter, set or map that wait for those before; further callers wait before they are taken. */
export const EDITS_WAITING_MAX = 10_000;
/** Times that changes of a row are worked out anew because others wrote it meanwhile: each time somebody got further. */
export const EDIT_TRIES_MAX = 64;
/** Versions that `history` answers where nothing is said. */
export const ROW_HISTORY_DEFAULT = 100;
/** Versions that `history` answers at most, each up to 1 MiB. */
export const ROW_HISTORY_MAX = 1_000;
/** Rows that are offered to a resolver as one conflict: more are offered in pieces. */
export const RESOLVER_ROWS_MAX = 1_000;
/** Bytes of values that are offered as one conflict, but for one row that alone has more: as much as a batch may write. */
export const RESOLVER_BYTES_MAX = 16 * 1024 * 1024;
/** Conflicts that a resolver may have without an answer. No other is offered until one is answered. */
export const RESOLVER_OFFERS_MAX = 16;
/** Rows that a resolver is to look at again, or has left as they are, and are remembered by their keys: past it, all are looked through. */
export const RESOLVER_KEYS_MAX = 10_000;
/** Keys of rows with several heads that a resolver reads ahead of what it offers. */
export const RESOLVER_READ_ROWS = 64;
/** Milliseconds until what a resolver has failed at is offered again the first time. */
export const RESOLVER_RETRY_MS_MIN = 1_000;
/** Milliseconds until it is offered again at most: twice as long each time up to here. */
export const RESOLVER_RETRY_MS_MAX = 60_000;
/** Prefixes of a collection that have a conflict policy of their own: all are looked through at each change of one. */
export const POLICIES_MAX = 256;
/** Collections that one batch writes to: as many as a commit has parts. */
export const BATCH_COLLECTIONS_MAX = 256;
/** Scans of one batch: each is held against all rows that have changed since. */
export const BATCH_RANGES_MAX = 256;
/** Milliseconds that the function of a batch may take unless it is given another time: what it reads by is kept for it meanwhile. */
export const BATCH_TIMEOUT_MS = 60_000;
/** Milliseconds that it may be given. */
export const BATCH_TIMEOUT_MS_MAX = 600_000;
/** Rows that one batch reads singly: what is compared again at its commit. As many as it may write. */
export const BATCH_READS_MAX = 10_000;
/** Patterns of one watch: each is held against each collection once. */
export const WATCH_PATTERNS_MAX = 256;
