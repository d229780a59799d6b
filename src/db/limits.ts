/** Rows in one page of a watch: what a consumer is given at once. */
export const WATCH_PAGE_ROWS = 256;
/** Bytes of values in one page of a watch, but for one row that alone is larger. */
export const WATCH_PAGE_BYTES = 1024 * 1024;
/** Times that a batch's function is run before its conflicts are the caller's. */
export const BATCH_TRIES_MAX = 3;
