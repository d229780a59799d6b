import type {
  Stream as Libp2pRawStream,
  StreamCloseEvent,
  StreamMessageEvent,
} from "@libp2p/interface";
import { assert, type DeviceId } from "../base/index.ts";
import {
  NetError,
  type Stream,
  STREAM_READ_AHEAD_BYTES,
  STREAM_WRITE_BUFFER_BYTES,
  Wakeup,
} from "../net/index.ts";

/**
 * A libp2p stream with back-pressure on both sides, by what libp2p gets right (docs/adr/0003-libp2p-adapter.md):
 * `message` events with `pause` and `resume`, never `for await`; `writeBufferLength` and the `drain` event, never
 * `onDrain()`.
 */
export class Libp2pStream implements Stream {
  readonly protocol: string;
  readonly peer: DeviceId;
  readonly #raw: Libp2pRawStream;
  readonly #sendBytes: number;
  readonly #readable = new Wakeup();
  readonly #writable = new Wakeup();
  readonly #ended = new AbortController();
  /** Taken from libp2p and not yet read. Those before `#next` are gone. */
  #pieces: Uint8Array[] = [];
  #next = 0;
  #pieceBytes = 0;
  #isPaused = false;
  #isResuming = false;
  #isFinishedByPeer = false;
  #isWriteClosed = false;
  #isReading = false;
  #isWriting = false;
  #wasResetByUs = false;
  #failure: NetError | undefined;
  #bytesIn = 0;
  #bytesOut = 0;

  /** Takes over `raw`, which must have been negotiated and not been read from. Sends at most `sendBytes` at once. */
  constructor(raw: Libp2pRawStream, peer: DeviceId, sendBytes: number) {
    this.#raw = raw;
    this.#sendBytes = sendBytes;
    this.protocol = raw.protocol;
    this.peer = peer;
    this.#pause();
    raw.addEventListener("message", (event) => this.#onMessage(event));
    raw.addEventListener("remoteCloseWrite", () => this.#onFinish());
    raw.addEventListener("close", (event) => this.#onClose(event));
    raw.addEventListener("drain", () => this.#writable.wake());
    raw.addEventListener("idle", () => this.#writable.wake());
    // Events from before: what came between negotiation and now.
    if (raw.remoteWriteStatus === "closed") this.#isFinishedByPeer = raw.status === "open";
    if (raw.status !== "open")
      this.#fail(new NetError("NET_CLOSED", "Stream ended before it was used"));
  }

  get bytesIn(): number {
    return this.#bytesIn;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  get readBuffered(): number {
    return this.#failure === undefined ? this.#pieceBytes + this.#raw.readBufferLength : 0;
  }

  get writeBuffered(): number {
    // After a reset by the peer libp2p leaves behind what will never be sent.
    return this.#failure === undefined ? this.#raw.writeBufferLength : 0;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Whether our side is closed for writing. */
  get isWriteClosed(): boolean {
    return this.#isWriteClosed;
  }

  async write(bytes: Uint8Array): Promise<void> {
    assert(!this.#isWriting, "one write at a time");
    this.#isWriting = true;
    try {
      for (let at = 0; at < bytes.length; at += this.#sendBytes) {
        const slice = bytes.subarray(at, at + this.#sendBytes);
        await this.#untilUnsentAtMost(STREAM_WRITE_BUFFER_BYTES - slice.length);
        this.#mustBeWritable();
        this.#raw.send(slice);
        this.#bytesOut += slice.length;
      }
      await this.#untilUnsentAtMost(STREAM_WRITE_BUFFER_BYTES - 1);
      this.#mustBeWritable();
    } catch (error) {
      throw this.#failure ?? closedBy(error);
    } finally {
      this.#isWriting = false;
    }
  }

  async #untilUnsentAtMost(bytes: number): Promise<void> {
    while (this.#failure === undefined && this.#raw.writeBufferLength > bytes) {
      await this.#writable.wait();
    }
  }

  #mustBeWritable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isWriteClosed)
      throw new NetError("NET_CLOSED", "Cannot write to stream: closed for writing");
    if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
  }

  async read(): Promise<Uint8Array | undefined> {
    assert(!this.#isReading, "one read at a time");
    this.#isReading = true;
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#pieceBytes === 0) this.#resume();
        if (this.#pieceBytes > 0) return this.#take();
        if (this.#isFinishedByPeer) return undefined;
        await this.#readable.wait();
      }
    } finally {
      this.#isReading = false;
    }
  }

  #take(): Uint8Array {
    const piece = this.#pieces[this.#next++] as Uint8Array;
    if (this.#next === this.#pieces.length) {
      this.#pieces = [];
      this.#next = 0;
    }
    this.#pieceBytes -= piece.length;
    this.#bytesIn += piece.length;
    return piece;
  }

  async closeWrite(): Promise<void> {
    assert(!this.#isWriting, "closed for writing while a write is under way");
    if (this.#isWriteClosed) return;
    this.#mustBeWritable();
    this.#isWriteClosed = true;
    try {
      await this.#raw.close();
    } catch (error) {
      throw this.#failure ?? closedBy(error);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  reset(): void {
    if (this.#ended.signal.aborted) return;
    this.#wasResetByUs = true;
    this.#raw.abort(new Error("reset"));
    // In case libp2p took it for ended already and told nobody.
    this.#fail(new NetError("NET_STREAM_RESET", "Stream was reset by this side"));
  }

  #onMessage(event: StreamMessageEvent): void {
    if (this.#failure !== undefined) return;
    const { data } = event;
    for (const piece of data instanceof Uint8Array ? [data] : data) {
      this.#pieces.push(plain(piece));
      this.#pieceBytes += piece.length;
    }
    // Within `resume` it must not be paused: yamux opens the window once more after this event.
    if (!this.#isResuming && this.#pieceBytes >= STREAM_READ_AHEAD_BYTES) this.#pause();
    this.#readable.wake();
  }

  #pause(): void {
    if (this.#isPaused) return;
    try {
      this.#raw.pause();
      this.#isPaused = true;
    } catch {
      // Throws on a stream that has ended, which needs no pause.
    }
  }

  /** Lets libp2p hand over what it holds and receive more. */
  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#isResuming = true;
    try {
      this.#raw.resume();
    } catch {
      // Throws on a stream that has ended, which has nothing more to hand over.
    } finally {
      this.#isResuming = false;
    }
    if (this.#pieceBytes >= STREAM_READ_AHEAD_BYTES) this.#pause();
  }

  #onFinish(): void {
    this.#isFinishedByPeer = true;
    this.#readable.wake();
  }

  /**
   * libp2p tells of a lost connection as of an orderly end: without error and without `remoteCloseWrite`. Taken for an
   * end, it would cut content short without a word.
   */
  #onClose({ error, local }: StreamCloseEvent): void {
    if (error === undefined && this.#isFinishedByPeer) {
      // What was received can still be read; only writing may have been cut off.
      this.#end(new NetError("NET_CLOSED", "Stream has ended"));
    } else if (error === undefined) {
      this.#fail(new NetError("NET_CLOSED", "Stream ended: connection lost"));
    } else if (this.#wasResetByUs) {
      this.#fail(new NetError("NET_STREAM_RESET", "Stream was reset by this side"));
    } else if (local !== true || error.name === "StreamBufferError") {
      this.#fail(new NetError("NET_STREAM_RESET", "Stream was reset", { cause: error }));
    } else {
      this.#fail(new NetError("NET_CLOSED", "Stream ended: connection aborted", { cause: error }));
    }
  }

  #fail(failure: NetError): void {
    if (this.#ended.signal.aborted) return;
    this.#failure = failure;
    this.#pieces = [];
    this.#next = 0;
    this.#pieceBytes = 0;
    // Empties the buffer that libp2p leaves to a paused stream.
    this.#resume();
    this.#end(failure);
  }

  #end(reason: NetError): void {
    this.#ended.abort(reason);
    this.#readable.wake();
    this.#writable.wake();
  }
}

function closedBy(error: unknown): NetError {
  if (error instanceof NetError) return error;
  return new NetError("NET_CLOSED", "Stream ended: connection lost", { cause: error });
}

/** The same memory as a plain `Uint8Array`: what comes is a Buffer, whose `slice` shares memory. */
function plain(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
