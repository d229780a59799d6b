/** Bytes of a content chunk: the chunker cuts there at the latest, and a frame holds one whole. */
export const CHUNK_BYTES_MAX = 128 * 1024;
