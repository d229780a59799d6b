import type { DeviceId } from "../base/index.ts";

/**
 * How peers reach each other. A transport proves who the other device is, encrypts, and carries many streams over one
 * connection. Rules: docs/spec/net.md; `transportRules` in `testkit` checks them for every implementation.
 */
export interface Transport extends AsyncDisposable {
  /** Our own device, proven to every peer. */
  readonly device: DeviceId;

  /** Where others reach us now, as multiaddr texts ending in `/p2p/<device>`. Empty when not listening. */
  addresses(): readonly string[];

  /** Where a device was heard to be, by who may be wrong: on the local network. Absent: nowhere. */
  found?(device: DeviceId): readonly string[];

  /** Calls `listener` when `found` answers something new for a device. Answers a function that ends it. */
  onFound?(listener: (device: DeviceId) => void): () => void;

  /** Connections that are open now. */
  connections(): readonly Connection[];

  /**
   * The open connection to `device` if there is one, else a new one by any of `addresses` (multiaddr texts). Two
   * devices have one connection at a time, whoever dialled, also when both dial at once.
   *
   * @throws {NetError} `NET_UNREACHABLE`, `NET_PEER_MISMATCH` (another device answered), `NET_CLOSED`.
   */
  connect(
    device: DeviceId,
    addresses: readonly string[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Connection>;

  /**
   * Serves a protocol: `handler` is called for each stream that a peer opens. Its stream is reset when it throws and
   * closed when it returns; what the peer sends after that is thrown away. One handler a protocol; answers a function
   * that ends the service (streams that are open go on).
   */
  handle(protocol: string, handler: StreamHandler): () => void;

  /** Calls `listener` for each connection as it opens, by whichever side. Answers a function that ends it. */
  onConnection(listener: (connection: Connection) => void): () => void;

  /** Refuses new work, closes all connections, stops listening. Has a time limit, then aborts. Idempotent. */
  close(): Promise<void>;
}

export type StreamHandler = (stream: Stream, connection: Connection) => Promise<void>;

/** An encrypted connection to one proven device. */
export interface Connection {
  readonly peer: DeviceId;
  /** Whether we dialled or they did. */
  readonly direction: "inbound" | "outbound";
  /** The other end's address as multiaddr text. */
  readonly remoteAddress: string;
  /** Whether the transport itself needs it now, because others are reached through it. Absent: no. */
  readonly isInUse?: boolean;
  /** Aborted, with a `NetError` as reason, when the connection has closed for whatever cause. */
  readonly closed: AbortSignal;

  /**
   * Opens a stream of `protocol`.
   *
   * @throws {NetError} `NET_PROTOCOL_UNSUPPORTED`, `NET_STREAMS_FULL`, `NET_CLOSED`; `NET_UNREACHABLE` when the peer
   *   does not answer in time.
   */
  open(protocol: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<Stream>;

  /**
   * Closes it and everything on it: streams that we have not closed for writing are reset. `reason` is for our own
   * log; the peer only sees an end. Idempotent.
   */
  close(reason?: string): Promise<void>;
}

/**
 * A two-way byte stream with back-pressure on both sides. One reader and one writer at a time.
 */
export interface Stream {
  readonly protocol: string;
  readonly peer: DeviceId;
  /** Bytes of this stream's content that `read` has answered and `write` has taken so far. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes received and not yet read; at most two windows of `STREAM_WINDOW_BYTES`. */
  readonly readBuffered: number;
  /** Bytes written and not yet sent; at most `STREAM_WRITE_BUFFER_BYTES`. */
  readonly writeBuffered: number;

  /**
   * Hands over `bytes` (not to be changed afterwards). Resolves when the sender's buffer is below
   * `STREAM_WRITE_BUFFER_BYTES` again: wait for it before the next one.
   *
   * @throws {NetError} `NET_STREAM_RESET` when either side has reset it, `NET_CLOSED` when we closed our writing side or the connection ended.
   */
  write(bytes: Uint8Array): Promise<void>;

  /**
   * The next bytes, in pieces of any size, or `undefined` once the peer has closed its writing side. What is not asked
   * for holds the sender back.
   *
   * @throws {NetError} `NET_STREAM_RESET`, `NET_CLOSED`.
   */
  read(): Promise<Uint8Array | undefined>;

  /**
   * Ends our writing side after what was written; the peer reads to the end, we may go on reading. That it resolves
   * does not say that the peer has the bytes: only an answer of the peer does. Idempotent.
   *
   * @throws {NetError} `NET_STREAM_RESET`, `NET_CLOSED`.
   */
  closeWrite(): Promise<void>;

  /** Ends both sides at once, unread bytes too; the peer's calls fail with `NET_STREAM_RESET`. Idempotent. */
  reset(): void;

  /** Aborted when the stream has ended both ways, been reset, or lost its connection. */
  readonly ended: AbortSignal;
}
