/** The network's bounds, whatever carries it. Those of libp2p alone stand in `node`. */

/** Bytes that a stream's sender holds before `write` makes its caller wait: a full batch of frames, so that the next is ready. */
export const STREAM_WRITE_BUFFER_BYTES = 256 * 1024;
/** Bytes of a stream under way to a reader that does not read: 10 MB/s over a path of 100 ms. */
export const STREAM_WINDOW_BYTES = 1024 * 1024;
/** Bytes read ahead of a stream's reader; above it the peer is held back. Together with the window less than two windows. */
export const STREAM_READ_AHEAD_BYTES = 128 * 1024;
/** Streams of one protocol that one side may have opened on a connection: one a database, or pull-sync's 36 for each of two networks, with room. */
export const STREAMS_PER_PROTOCOL_MAX = 80;
/** Milliseconds that a peer has to read the rest and to finish once a handler has returned; then the stream is reset. */
export const STREAM_LINGER_MS = 10_000;
/** Milliseconds from a frame's first byte to its last: 1 MiB at 10 kB/s. A peer that drips bytes holds a stream no longer. */
export const FRAME_TIMEOUT_MS = 120_000;
/** Bytes of frames joined into one write: what encrypts and sends best, as measured. */
export const FRAME_BATCH_BYTES = 256 * 1024;
/** Bytes of a part from which on it is sent without a copy: copying all costs a fifth of the rate, tiny writes cost more. */
export const FRAME_COPY_BYTES = 16 * 1024;
/** Bytes of frames waiting to be sent on one stream. More means that a caller does not wait for `send`. */
export const FRAME_QUEUE_BYTES_MAX = 32 * 1024 * 1024;
