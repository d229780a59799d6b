/** Entries of a recipe node at most: 9 kB, one small frame. */
export const NODE_ENTRIES_MAX = 256;
/** Entries below which a node does not end, but at its level's end: bounds how many nodes a recipe has. */
export const NODE_ENTRIES_MIN = 64;
/** One address in as many ends a node: puts the mean at 125 entries. */
export const NODE_END_SPACING = 64;
/** Bytes of a blob that are cut and hashed before others get their turn: a few milliseconds. */
export const PUT_PIECE_BYTES = 1024 * 1024;
/** Bytes of chunks that a put writes at once: what was cut before others had their turn. */
export const PUT_BATCH_BYTES = 1024 * 1024;
/** Batches of a put that are being written at the same time: several share a sync, and the next are synced while they are indexed. */
export const PUT_BATCHES_WRITTEN_MAX = 8;
/** Bytes of chunks that a read asks for at once, when it has gone on for a while. Two such batches are held. */
export const READ_BATCH_BYTES = 2 * 1024 * 1024;
/** Bytes that a read asks for first: a short one does not read far ahead. Doubled with each batch. */
export const READ_FIRST_BATCH_BYTES = 256 * 1024;
/** Chunks that a read asks for at once, for blobs of tiny ones. */
export const READ_BATCH_CHUNKS_MAX = 1_024;
/** Bytes of a blob that `bytes` answers in one piece: what is larger is read piece by piece. */
export const BLOB_BYTES_AT_ONCE_MAX = 512 * 1024 * 1024;
/** Nodes whose edges are written at once: as many ops as one index write joins. */
export const NODE_WRITE_BATCH = 64;
/** Addresses that a walk answers at once: a page of pull-sync's. */
export const ADDRESS_PAGE_MAX = 250;
/** Names of lacking nodes that a walk answers at once: what one request may ask for. */
export const MISSING_NODES_PAGE_MAX = 256;
/** Addresses of one level that a walk remembers so that it comes by each once: 10 MB. What is older it may come by again. */
export const WALK_SEEN_MAX = 65_536;
/** Deletions in one write when notes of whole blobs are taken back. */
export const NOTE_WRITE_BATCH = 1_024;
