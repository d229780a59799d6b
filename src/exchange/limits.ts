/** Bytes to which answers are filled before they are sent, and of one at most: as the message's limit says. */
export const ANSWER_BYTES_MAX = 256 * 1024;
/** Requests of one stream that may be unanswered; one more breaks the protocol. */
export const REQUESTS_IN_FLIGHT_MAX = 256;
/** Bytes of requests of one stream that wait: more than 256 of 256 addresses have, some 12 MB once read. Beyond, nothing more is read of it. */
export const REQUESTS_HELD_BYTES_MAX = 3 * 1024 * 1024;
/** Streams of one peer that are served at once: it needs one, and others while those that it gave up are ending. More are reset. */
export const SERVED_STREAMS_PER_PEER_MAX = 8;
/** Requests of one stream that are worked on at once; the others wait. Reading one and sending another go on side by side. */
export const REQUESTS_AT_ONCE_MAX = 4;
/** Bytes of chunks that one request's worker reads before it sends them: a stream holds as many times `REQUESTS_AT_ONCE_MAX`. */
export const READ_AHEAD_BYTES = 1024 * 1024;
/** Blobs that may be named on one stream; whoever asks for more opens a new one. */
export const STREAM_BLOBS_MAX = 16_384;
/** Milliseconds in which an asker must take some of what it asked for; then its stream is reset and what it held is freed. */
export const SERVE_STALL_MS = 30_000;
/** Roots that were asked for as no row names them, of which is remembered what rows say: so that they are not read each time. */
export const REFUSED_ROOTS_MAX = 1_024;
/** Different things that rows say of such a root; of more nothing is remembered. */
export const REFUSED_SAID_MAX = 16;
/** Blobs whose upper recipe nodes are remembered, to answer for which nodes lie in them. */
export const RECIPES_KNOWN_MAX = 64;
/** Recipe nodes of one blob that are remembered, by name: those of 300 GB at the usual size. What is beyond is looked for again. */
export const RECIPE_NAMES_MAX = 65_536;
/** Such nodes of all blobs together: 40 MB. */
export const RECIPE_NAMES_ALL_MAX = 131_072;
/** Recipe nodes that are read to find one in its blob; what is not found by then counts as not in it. */
export const RECIPE_WALK_NODES_MAX = 4_096;
/** Recipe nodes that are kept as read, for requests that go on in the same node: 3 MB. */
export const NODES_KEPT_MAX = 64;
/** Bytes of chunks that are asked of one peer and not yet there. */
export const PEER_WINDOW_BYTES = 4 * 1024 * 1024;
/** Bytes of chunks that are asked of all peers together and not yet there. */
export const WINDOW_BYTES = 16 * 1024 * 1024;
/** Bytes of chunks in one request: several are under way at once, and each is answered in a few frames. */
export const REQUEST_BYTES = 512 * 1024;
/** Addresses in one request for chunks or nodes, as the message's limit says. */
export const REQUEST_ADDRESSES_MAX = 256;
/** Bytes counted for a recipe node that is asked for, before it is known: as many as one of 200 entries has. */
export const NODE_BYTES_GUESS = 8 * 1024;
/** Bytes of chunks that are stored in one go, while the next arrive: few syncs, and little to fetch again after a kill. */
export const BATCH_BYTES = 4 * 1024 * 1024;
/** Chunks stored in one go, for blobs of tiny ones. */
export const BATCH_CHUNKS_MAX = 4_096;
/** Milliseconds in which a holder must bring `STALL_BYTES`, or all that it was asked for; then it has stalled. */
export const STALL_MS = 30_000;
/** Bytes that a holder brings in `STALL_MS` at the least: a slow line does, one that drips does not. */
export const STALL_BYTES = 64 * 1024;
/** Milliseconds for which a holder that stalled or lacked something is not asked for the same blob again. */
export const FAILED_HOLDER_REST_MS = 30_000;
/** Peers asked at once whether they have a blob. */
export const ASKED_AT_ONCE_MAX = 8;
/** Milliseconds after which peers are asked anew when none had the blob, doubled each time. */
export const LOCATE_RETRY_MIN_MS = 500;
/** The longest such wait: a blob that appears at a peer is found within half a minute, without any word of it. */
export const LOCATE_RETRY_MAX_MS = 30_000;
/** Blobs that a storage peer fetches by itself at once. */
export const KEEPER_FETCHES_MAX = 4;
/** Blobs that a storage peer is after at once, some 4 MB; of what rows name beyond that, each has its turn. */
export const KEEPER_WANTED_MAX = 10_000;
/** Blobs that a storage peer counts as kept: some 15 MB. */
export const KEEPER_KEPT_MAX = 100_000;
/** Milliseconds without progress after which a storage peer that is not the nearest one fetches by itself. */
export const KEEPER_PATIENCE_MS = 10_000;
/** Milliseconds after which a storage peer looks first whether a blob that it awaits has become whole, doubled each time up to `KEEPER_PATIENCE_MS`. */
export const KEEPER_LOOK_MS = 500;
/** Milliseconds before a storage peer tries a blob again, doubled each time. */
export const KEEPER_RETRY_MIN_MS = 1_000;
/** The longest such wait; a connection that opens ends it. */
export const KEEPER_RETRY_MAX_MS = 300_000;
/** Recipe nodes in one request: as many bytes as a request for chunks brings. */
export const REQUEST_NODES = 64;
/** Milliseconds after which a chunk that a fetch has asked for may be asked for by pull-sync: a holder has stalled by then. */
export const CLAIM_MS = 60_000;
/** Nodes above a damaged chunk that a storage peer looks at to see which blobs it belongs to. */
export const ANCESTORS_MAX = 1_024;
