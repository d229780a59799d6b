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
/** Milliseconds that a peer which shares nothing with us may stay connected: time for a join, and places for others. */
export const STRANGER_MS_MAX = 60_000;
