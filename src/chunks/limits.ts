/** Bytes of a content chunk: the chunker cuts there at the latest, and a frame holds one whole. */
export const CHUNK_BYTES_MAX = 128 * 1024;
/** Bytes below which the chunker does not cut: bounds the records and requests that a blob takes. */
export const CHUNK_BYTES_MIN = 8 * 1024;
/** Bytes from which the chunker cuts more readily: puts the mean of random bytes at 39 KiB. */
export const CHUNK_BYTES_NORMAL = 32 * 1024;
/** Bytes that decide whether the chunker cuts after them: its hash has 32 bits, and each byte moves it by one. */
export const CHUNKER_WINDOW_BYTES = 32;
