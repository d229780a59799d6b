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
/** Milliseconds for which a peer that broke the protocol is not talked to, doubled each time. */
export const BLOCK_MIN_MS = 60_000;
/** The longest such block: a day. */
export const BLOCK_MAX_MS = 86_400_000;
/** Peers whose misbehaviour is remembered; the one longest ago is forgotten first. */
export const BLOCKED_PEERS_MAX = 10_000;
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
/** Bytes to which a page grows while a commit of which it has a part has others to come: the largest commit, its headers once a part, and what holds them together. */
export const PAGE_BYTES_MAX = 16 * 1024 * 1024 + 512 * 1024;
/** Milliseconds before a scope is asked for from scratch once more from the same peer, where head sums differ: it is sent whole each time. */
export const RECONCILE_MIN_MS = 600_000;
/** Scopes of which we remember a peer when that was last; the one longest ago is forgotten first. */
export const RECONCILED_SCOPES_MAX = 1000;
/** Times that all control ops of a scope are asked for on one stream: what they bring may show once that more is lacking. */
export const CONTROLS_ASKED_MAX = 3;
/** Streams on which a database is served, from which on what others made is held back: below, sending it twice costs less than waiting. */
export const CROWD_STREAMS_MIN = 8;
/** Milliseconds after which a peer is told of what is held back from it; twice as long for one of two who serve each other. A commit that its author could not bring reaches others after that. */
export const HELD_BACK_MS = 3000;
/** Milliseconds that an initiator waits for what was offered to come from elsewhere, before it asks. */
export const OFFER_GRACE_MS = 500;
