/** Milliseconds by which the clock must have been moved against elapsed time to count as a step: less is drift, which is followed. */
export const CLOCK_STEP_MS_MIN = 1_000;
/** Milliseconds by which an NTP server must differ before the estimate moves: less is within what networks do to a packet. */
export const NTP_CHANGE_MS_MIN = 2_000;
/** Milliseconds by which a peer must differ before the estimate moves. */
export const PEER_CHANGE_MS_MIN = 2_000;
/** Milliseconds that a peer which has restarted since its last NTP may be believed to differ. */
export const PEER_REBOOTED_MS_MAX = 60_000;
/** Peers between this device and the NTP server; each adds the error of its measurement. */
export const HOPS_MAX = 2;
/** Milliseconds of a round trip to a peer: half of it is the error, and more than `PEER_CHANGE_MS_MIN` is no measurement. */
export const PEER_ROUND_TRIP_MS_MAX = 4_000;
/** Milliseconds within which peers of two users agree: the errors of two measurements. */
export const PEERS_AGREE_MS_MAX = 4_000;
/** Milliseconds that what a user's device said is held against what another's says: two measurements of each peer. */
export const PEER_WORD_MS_MAX = 660_000;
/** Users whose word is remembered; the oldest goes first. */
export const PEER_WORDS_MAX = 64;

/** NTP servers that may be configured. */
export const NTP_SERVERS_MAX = 8;
/** Bytes of a server's name: a host name and a port. */
export const NTP_SERVER_BYTES_MAX = 261;
/** Packets to a server in one measurement; the one that was fastest counts. */
export const NTP_SAMPLES = 4;
/** Milliseconds between them: servers refuse those who ask faster (RFC 5905, burst). */
export const NTP_SAMPLE_INTERVAL_MS = 2_000;
/** Milliseconds that a server has for one packet. */
export const NTP_ANSWER_MS_MAX = 5_000;
/** Milliseconds between measurements. */
export const NTP_INTERVAL_MS = 3_600_000;
/** Milliseconds until the next try after no server has answered, doubled each time up to `NTP_INTERVAL_MS`. */
export const NTP_RETRY_MS = 60_000;
/** Milliseconds that a server may be away from its reference clock by its own word (RFC 5905, MAXDIST). */
export const NTP_ROOT_DISTANCE_MS_MAX = 1_500;
