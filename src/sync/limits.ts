/** Bytes to which frames of commits are filled before one is sent: large enough that encryption and sending cost little per row, small enough that other streams get their turn. */
export const DELTA_FRAME_BYTES = 256 * 1024;
/** Bytes of received pages that one process holds before they are durable; peers wait meanwhile. */
export const PAGES_HELD_BYTES_MAX = 64 * 1024 * 1024;
/** Ops of a catch-up that is applied in one store write and visible at once; a larger one comes page by page. */
export const CATCH_UP_AT_ONCE_OPS = 1000;
/** Bytes of such a catch-up. */
export const CATCH_UP_AT_ONCE_BYTES = 4 * 1024 * 1024;
/** Pages of one stream that are written while the next is read: two in all, so that disk and network work at the same time. */
export const PAGES_IN_FLIGHT_MAX = 2;
/** Scopes in one request for deltas, as the message's limit says. */
export const REQUEST_SCOPES_MAX = 256;
/** Requests of one peer that are worked on at once; the next waits in the stream. */
export const CALLS_IN_FLIGHT_MAX = 16;
/** Milliseconds after which an unanswered call is given up: a join writes durably a few times, on a slow disk. */
export const CALL_TIMEOUT_MS = 20_000;
/** Milliseconds for connecting to one peer, all its addresses together. */
export const CONNECT_TIMEOUT_MS = 15_000;
/** Milliseconds before a lost peer is tried again, doubled each time. */
export const RETRY_MIN_MS = 250;
/** The longest such wait: a peer that was away for a day is found within a minute of its return. */
export const RETRY_MAX_MS = 60_000;
/** Milliseconds for which a peer that broke the protocol is not talked to, doubled each time. */
export const BLOCK_MIN_MS = 60_000;
/** The longest such block: a day. */
export const BLOCK_MAX_MS = 86_400_000;
/** Peers whose misbehaviour is remembered; the one longest ago is forgotten first. */
export const BLOCKED_PEERS_MAX = 10_000;
/** Milliseconds between two measurements of a peer's clock. */
export const CLOCK_INTERVAL_MS = 300_000;
/** Addresses kept per peer, as a ticket holds. */
export const ADDRESSES_MAX = 16;
/** Bytes of one address. */
export const ADDRESS_BYTES_MAX = 256;
/** Collections in a syncgroup, as the message's limit says. */
export const GROUP_COLLECTIONS_MAX = 256;
/** Members of a syncgroup that this device connects to by itself; the others are met when they connect. */
export const PEERS_DIALLED_MAX = 100;
/** Milliseconds within which a part that has begun must go on: what it holds, others wait for. */
export const PART_TIMEOUT_MS = 30_000;
/** Milliseconds from a part's first frame to its last: the largest at 10 kB/s. */
export const PART_MS_MAX = 1_700_000;
/** Milliseconds in which both sides of a new deltas stream have to say who they are. */
export const OPEN_TIMEOUT_MS = 20_000;
/** Logs per stream that wait for a control log to grow; further ones are asked for again with the next stream. */
export const WAITING_LOGS_MAX = 1000;
/** Entries of vectors in the claims or sums of one frame, as one vector's limit says: about 250 kB. */
export const FRAME_VECTOR_ENTRIES_MAX = 4096;
/** Logs, over all scopes, of which we remember per connection how far the peer says to hold them; of others it is sent what it has. */
export const PEER_KNOWN_ENTRIES_MAX = 100_000;
/** Milliseconds that a peer which shares nothing with us may stay connected: time for a join, and places for others. */
export const STRANGER_MS_MAX = 60_000;
