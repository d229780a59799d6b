/**
 * The bounds that several layers share. Each layer's own stand in its `limits.ts`; docs/limits.md lists all and
 * a test holds it against the code.
 */

/** Bytes of UTF-8 in a database, collection or syncgroup name. */
export const NAME_BYTES_MAX = 1024;
/** Bytes of UTF-8 in a row key: long enough for paths, short enough that pages of keys stay small. */
export const ROW_KEY_BYTES_MAX = 1024;
/** Bytes of an encoded row value. What is larger is a blob. */
export const ROW_VALUE_BYTES_MAX = 1024 * 1024;
/** Ops in one batch. */
export const BATCH_OPS_MAX = 10_000;
/** Bytes of the encoded ops of one batch. */
export const BATCH_BYTES_MAX = 16 * 1024 * 1024;
/** Levels of arrays and objects in a row value. */
export const VALUE_DEPTH_MAX = 16;
/** Values within one row value, itself included. */
export const VALUE_NODES_MAX = 100_000;
/** Logs that a row's causal context may name. */
export const CONTEXT_ENTRIES_MAX = 256;
/** Bytes of a frame on any stream: one op of the largest value, with its key, context and header. */
export const FRAME_BYTES_MAX = 1024 * 1024 + 64 * 1024;
/** Milliseconds that a peer's timestamp may be ahead of our clock and still advance ours: more than honest clocks differ by. */
export const CLOCK_AHEAD_MS_MAX = 300_000;
/** Bytes of a blob's media type: as RFC 6838 bounds its two names. */
export const MEDIA_TYPE_BYTES_MAX = 255;
/** Levels of a blob's recipe: enough for 2^53 bytes. */
export const BLOB_DEPTH_MAX = 7;
/**
 * Bytes of memory that small encoded ops are cut from, one after another. As much can be kept alive by one of them, so it
 * is small.
 */
export const POOL_BYTES = 8 * 1024;
/** Names of devices, users and logs whose other form is remembered, of each kind: those of a large group, some hundred bytes each. */
export const NAMES_REMEMBERED_MAX = 4096;
