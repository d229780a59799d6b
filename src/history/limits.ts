/** Ops of waiting writes that share one turn, and so one sync: as many as one batch may have, so that a turn stays one page of work. */
export const TURN_OPS_MAX = 10_000;
/** Writes that may wait for their turn before more are made to wait outside: bounds what a burst keeps in memory. */
export const WRITES_WAITING_MAX = 100_000;
/** Logs in a part's dictionary: every op's context has at most 256, and a batch of rows shares most. */
export const PART_LOGS_MAX = 1024;
/** Bytes of rows, as they are before, that a turn of local writes reads: it holds them, and what it supersedes is written once more. */
export const TURN_READ_BYTES_MAX = 32 * 1024 * 1024;
/** The same for what a peer sent: more, since rows in conflict are larger here than they were at the author. */
export const DELIVERY_READ_BYTES_MAX = 80 * 1024 * 1024;
/** Ops of deliveries that share one turn: as many as are taken at once when a device catches up. */
export const TOGETHER_OPS_MAX = 1000;
/** Bytes of their parts. */
export const TOGETHER_BYTES_MAX = 1024 * 1024;
/** Bytes of a batch's hint. */
export const HINT_BYTES_MAX = 256;
/** Logs of one device in a scope: it begins a new one only when its store was set back. */
export const DEVICE_LOGS_MAX = 64;
/** Logs in a scope: as many as a vector may name in a request. */
export const SCOPE_LOGS_MAX = 4096;
/** Of these, logs of one user's devices: some ten of them with some logs each, and no user takes the places of others. */
export const USER_LOGS_MAX = 256;
/** Of these, logs of devices whose user may do nothing: anybody can make up such devices, and those who may must find a place. */
export const STRANGER_LOGS_MAX = 1024;
/** Parts of a commit, and so collections of a batch: as many digests as its header holds. */
export const COMMIT_PARTS_MAX = 256;
/** BlobRefs in one commit, and in one part of a peer's: each is one more key in the write that brings it. */
export const PART_REFS_MAX = 10_000;
/** Milliseconds that a write waits for a peer's word on our log, after a store was opened of which nobody knows whether it is the last one: a connection that is being made is there by then, and nobody likes to wait longer. */
export const OWN_LOG_WORD_MS_MAX = 2000;
/** Logs of ours in a store from which on a clock that ran ahead begins no further one: half of what peers take of one device. */
export const CLOCK_LOGS_MAX = 32;
/** Parts that serving one peer reads ahead, over all logs that it lacks something of; each log at least one. */
export const SERVE_AHEAD_PARTS = 1024;
/** Bytes of the records of one log that it reads ahead, but for one that alone is larger. */
export const SERVE_AHEAD_BYTES = 64 * 1024;
/** Bytes of rows that are read together for the parts that a peer is sent next, as far as those before let one guess: some four pages. */
export const SERVE_TOGETHER_BYTES = 1024 * 1024;
/** Bytes of rows read together that are kept where they came to more than was guessed, but for those of the first part. */
export const SERVE_TOGETHER_BYTES_MAX = 4 * 1024 * 1024;
/** Row ops whose rows are read together: in the order of their keys twice as fast as a page alone. */
export const SERVE_TOGETHER_OPS_MAX = 4096;
/** Parts whose rows are read together: were all of them as large as can be, 128 MiB for as long as that is not noticed. */
export const SERVE_TOGETHER_PARTS_MAX = 8;
/** Streams for which rows of several parts are read at once: as many as Node.js has threads for files; 512 MiB at most, until it is seen what came. */
export const SERVE_READS_MAX = 4;
/** Logs whose first parts are read at once when a peer is served. */
export const SERVE_SCANS_MAX = 64;
/** Control ops of one log in a scope: an admin of a large group stays far below. */
export const LOG_CONTROLS_MAX = 16_384;
/** Of these, and of those of a scope, as many as are kept for revocations. */
export const CONTROLS_RESERVE = 1024;
/** Control ops of a scope: some hundred bytes of memory each. */
export const SCOPE_CONTROLS_MAX = 65_536;
/** Of these, as many as anybody may fill; the rest is for the owner and admins, so that nobody else keeps a revocation out. */
export const SCOPE_CONTROLS_FREE = 32_768;
/** Row ops that one store write takes back or takes in again: with what they supersede they stay below what a write may have. */
export const RECOUNT_OPS_MAX = 20_000;
/** Row ops of a forked log that one commit authors again: others wait for no more than that. */
export const AUTHOR_AGAIN_OPS_MAX = 1000;
/** Bytes of their values: a commit has room for the largest one beside that. */
export const AUTHOR_AGAIN_BYTES_MAX = 2 * 1024 * 1024;
/** Bytes of such parts in one store write. */
export const RECOUNT_BYTES_MAX = 32 * 1024 * 1024;
/** Changes, or parts of a log, up to which what follows a position is read one by one by their numbers, not by a scan: opening one takes as long as reading some twenty. */
export const READ_SINGLY_MAX = 16;
/** Control heads whose bytes are remembered: those of the scopes that are written to by turns. */
export const HEADS_REMEMBERED_MAX = 256;
/** Bytes of a part's header within a proof that a log forks: two of these, two headers of commits and the rest make one control op. */
export const PROOF_PART_BYTES_MAX = 20_480;
