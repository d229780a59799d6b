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
export const OFFERED_BYTES_MAX = 4 * 1024 * 1024;
/** Milliseconds that a live page waits for more once it has an entry: chunks stored together go together. */
export const LIVE_LINGER_MS = 5;

/** Milliseconds for opening a stream: above what the network itself allows. */
export const PULL_OPEN_TIMEOUT_MS = 15_000;
/**
 * Milliseconds that a peer may take for whatever is next: a request on a stream that it has opened, an answer that does not wait for
 * news, the next delivery, room for ours. A slow disk or line passes; one that stalls holds nothing longer.
 */
export const PEER_STALL_MS = 30_000;

/** Milliseconds after which a chunk that one peer was asked for may be asked of another: when that one would be given up. */
export const WANT_LATE_MS = 30_000;

/** Chunks that one peer offered while another was asked, of which is remembered who did not bring them. */
export const CONTESTED_MAX = 10_000;
/** Milliseconds in which who did not bring such a chunk is not asked for it: others, who wait to be asked again, go first. */
export const CONTESTED_REST_MS = 10_000;

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

/** Intervals of a peer's bin that are kept: one goes on while it lasts, another begins at most with each connection. */
export const INTERVALS_MAX = 1000;
/** Peers noted for a missing chunk: all storage peers of a large group. */
export const MISSING_SOURCES_MAX = 256;
/** Missing chunks noted of one peer's offers; above it none of its pages is sealed that would need more. */
export const MISSING_PER_PEER_MAX = 10_000;
/** Historical workers of a peer at the same time: enough that one waits for the disk while others wait for the line. */
export const HISTORICAL_WORKERS_PER_PEER = 4;
/**
 * Requests that wait for news at one peer, in all networks together: below the streams that a protocol may have on a connection, so
 * that historical pages find room.
 */
export const LIVE_PER_PEER_MAX = 64;
/** Milliseconds after which a request that waits makes room for another, where there are more than may wait. */
export const LIVE_TURN_MS = 10_000;
/** Milliseconds until a failed page is tried again, at first; twice as long each time. */
export const PULL_RETRY_MIN_MS = 250;
/** Milliseconds until a failed page is tried again, at most. */
export const PULL_RETRY_MAX_MS = 60_000;
/** Milliseconds until the next page where one brought nothing new: each costs a write of the disk, and a peer could offer without end. */
export const IDLE_PAGE_REST_MS = 100;
/** Milliseconds at least until a page that a peer broke off is tried again: meanwhile others who have its chunks are asked. */
export const BROKEN_PAGE_REST_MS = 5_000;
/** Milliseconds until missing chunks are asked for again, at first: what another source was asked for comes meanwhile. */
export const MISSING_RETRY_MIN_MS = 1_000;
/** Milliseconds until missing chunks are asked for again, at most. */
export const MISSING_RETRY_MAX_MS = 300_000;
/** Milliseconds of each of the two windows that rates are taken over. */
export const RATE_WINDOW_MS = 5_000;
/** Keys deleted by one write where a reserve was made anew. */
export const SWEEP_OPS_MAX = 1000;
/** Numbers held against the index of chunks at once. */
export const VERIFY_ENTRIES = 1000;
