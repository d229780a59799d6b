/** Bytes of a content chunk: the chunker cuts there at the latest, and a frame holds one whole. */
export const CHUNK_BYTES_MAX = 128 * 1024;
/** Bytes below which the chunker does not cut: bounds the records and requests that a blob takes. */
export const CHUNK_BYTES_MIN = 8 * 1024;
/** Bytes from which the chunker cuts more readily: puts the mean of random bytes at 39 KiB. */
export const CHUNK_BYTES_NORMAL = 32 * 1024;
/** Bytes that decide whether the chunker cuts after them: its hash has 32 bits, and each byte moves it by one. */
export const CHUNKER_WINDOW_BYTES = 32;
/** Bytes of a pack file: large enough to be few, small enough to be written anew when half of it is dead. */
export const PACK_BYTES_MAX = 256 * 1024 * 1024;
/** Chunks of one `put` or `delete`: its index entries fit one write of the store with room for what callers add. */
export const PUT_CHUNKS_MAX = 16_384;
/** Bytes of one `put`: a quarter of a pack, so that each fits one. */
export const PUT_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of several puts that share one sync: bounds how long the first of them waits. A larger one goes alone. */
export const CHUNK_GROUP_BYTES_MAX = 8 * 1024 * 1024;
/** Calls that share one sync: bounds the work between two of them. */
export const CHUNK_GROUP_CALLS_MAX = 1_024;
/** Ops of one index write that joins several calls: what the ordered store itself joins at most. A larger call goes alone. */
export const INDEX_WRITE_OPS_MAX = 20_000;
/** Bytes of one index write that joins several calls: as above. */
export const INDEX_WRITE_BYTES_MAX = 8 * 1024 * 1024;
/** Bytes read from a pack at a time, for chunks that lie side by side: some dozens of the usual size. */
export const PACK_READ_BYTES_MAX = 2 * 1024 * 1024;
/** Bytes between two chunks that are read along rather than read twice: a call costs about as much. */
export const PACK_READ_GAP_BYTES_MAX = 16 * 1024;
/** Reads of packs under way at once for one call: as many as Node.js has threads for them. */
export const PACK_READS_CONCURRENT_MAX = 4;
/** Times that a read looks its chunk up anew when what it read was replaced meanwhile. */
export const READ_ATTEMPTS_MAX = 4;
/** Chunks asked for at the same time in the whole process: as many as 4 GiB in chunks of 64 KiB, in about 20 MB of memory. */
export const WANTS_MAX = 65_536;
