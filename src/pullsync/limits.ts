/** The bounds of pull-sync. Those of each message's fields stand in proto/rookery/pullsync.proto. */

/** Bins of a reserve: proximity 0 to 31, by the first 32 bits of an address. */
export const BINS = 32;
/** Bits of a BinID and of an epoch: what a number of the language holds exactly, and no counter of ours reaches. */
export const BIN_ID_BITS = 53;
/** Bytes of a frame of the rookery profile: a delivery of the largest chunk, with room. */
export const PULLSYNC_FRAME_BYTES_MAX = 256 * 1024;
/** Entries of an offer: Swarm's, so that want and offer stay small. */
export const PAGE_ENTRIES_MAX = 250;
/** Bytes of the chunks that an offer names: what one exchange costs at most. */
export const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Milliseconds that a live page waits for more once it has an entry: chunks stored together go together. */
export const LIVE_LINGER_MS = 5;

/** Milliseconds for opening a stream: above what the network itself allows. */
export const PULL_OPEN_TIMEOUT_MS = 15_000;
/**
 * Milliseconds that a peer may take for whatever is next: a request on a stream that it has opened, an answer that does not wait for
 * news, the next delivery, room for ours. A slow disk or line passes; one that stalls holds nothing longer.
 */
export const PEER_STALL_MS = 30_000;

/** Exchanges of one peer served at the same time: a live one for each bin, the historical ones, cursors, with room. */
export const EXCHANGES_PER_PEER_MAX = 80;
/** Pages of one peer whose chunks are being sent at the same time; others wait for their turn. */
export const SENDING_PER_PEER_MAX = 4;
/** Bytes of chunks read at once for one page: with `SENDING_PER_PEER_MAX` what one peer makes us hold. */
export const SEND_BATCH_BYTES = 1024 * 1024;

/** Bytes of deliveries that are not stored yet, in the whole process. */
export const DELIVERIES_HELD_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of deliveries stored by one write: enough that its sync does not count. */
export const STORE_BATCH_BYTES = 2 * 1024 * 1024;
/** Errors of a page that are kept one by one; the others are only counted. */
export const PAGE_ERRORS_KEPT_MAX = 8;
