/** Bytes to which frames of commits are filled before one is sent: large enough that encryption and sending cost little per row, small enough that other streams get their turn. */
export const DELTA_FRAME_BYTES = 256 * 1024;
/** Bytes of received pages that one process holds before they are durable; peers wait meanwhile. */
export const PAGES_HELD_BYTES_MAX = 64 * 1024 * 1024;
/** Ops of a catch-up that is applied in one store write and visible at once; a larger one comes page by page. */
export const CATCH_UP_AT_ONCE_OPS = 1000;
/** Bytes of such a catch-up. */
export const CATCH_UP_AT_ONCE_BYTES = 4 * 1024 * 1024;
/** Bytes of pages from which on those that came while a write was under way are a write of their own: more would only be held longer. */
export const PAGES_TOGETHER_BYTES = 256 * 1024;
/** Writes of one stream's pages that wait while the next page is read, beside the one that the store is at work on: so that disk, processor and network work at the same time. */
export const PAGES_IN_FLIGHT_MAX = 2;
/** Bytes that scopes with vectors may take of one message: what a request may have, less the rest of it. */
export const CLAIMS_BYTES_MAX = 1023 * 1024;
/** Bytes of a scope's owner, its sums and what frames them, at most: all but its names and its vector. */
export const CLAIM_BYTES = 256;
/** Bytes of a log and a generation of it in a vector, at most. */
export const CLAIM_ENTRY_BYTES = 56;
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
/** Times that what waits is asked for again at once, a stream: more than the control ops of a scope follow on each other in the answers of honest peers. */
export const ASKED_AGAIN_AT_ONCE = 16;
/** Milliseconds after which what waits may be asked for once more: a member whose each answer makes a control log grow is asked four times a second. */
export const ASK_AGAIN_MS = 250;
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
/** Devices that a database is served to, from which on what others made is held back: below, sending it twice costs less than waiting. */
export const CROWD_DEVICES_MIN = 8;
/** Milliseconds after which the first of those is told from whom something is held back. A commit that its author could not bring reaches others after that. */
export const HELD_BACK_MS = 3000;
/** Milliseconds from one that is told to the next: each is told by one neighbour or other within a second, and all of them together take little. */
export const TELL_EVERY_MS = 500;
/** Milliseconds that an initiator waits for what was offered to come from elsewhere, before it asks. */
export const OFFER_GRACE_MS = 500;
/** The same where its author pulls from us: only one that keeps it from us, or a connection that is dead, takes longer. */
export const AUTHOR_GRACE_MS = 10_000;
/** Logs of one scope for which it is kept what a peer has offered: where there are more, the scope is asked for whatever has come meanwhile. */
export const OFFERED_LOGS_MAX = 1000;
/** Milliseconds for which no other peer is asked for what it has offered while one is being asked. */
export const ASKED_MS_MAX = 5000;
/** Milliseconds that a stream of a crowd rests after a page of news, for each device that pulls: with 50 members two seconds, in which each of them sends 50 pages. */
export const PACE_MS_A_DEVICE = 40;
/** The longest such rest. */
export const PACE_MS_MAX = 2000;
/** Milliseconds for which a device in a crowd gathers what it receives before it writes again: what many bring is then one write and one sync. */
export const GATHER_MS = 500;
/** Ops of what is gathered so: what is larger is a write of its own, and nobody who catches up waits for it. */
export const GATHERED_OPS_MAX = 100;
/** Bytes of such a page. */
export const GATHERED_BYTES_MAX = 64 * 1024;
/** Logs per stream that are asked for from their beginning so, over all scopes; further ones come by the next stream: few logs fork at all. */
export const BRANCHED_LOGS_MAX = 1000;
/** Times that a stream asks for one log from its beginning, since the peer holds another branch of it: once each time that another store of its device turns up. */
export const BRANCH_ASKED_MAX = 4;
/** Milliseconds after which an initiator asks again where a round has not ended alike, doubled each time: what was under way is here by then. */
export const COMPARE_AGAIN_MS = 10_000;
/** Times that a stream asks so: over ten minutes, in which a scope may be asked for from scratch again. */
export const COMPARED_AGAIN_MAX = 6;
