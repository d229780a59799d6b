import { assert, type DeviceId } from "../base/index.ts";
import { NetError } from "./errors.ts";
import type { MemoryCarrier, MemoryPipe } from "./memory-pipe.ts";
import type { Stream } from "./transport.ts";

/** One end of a stream of the memory transport: reads from one pipe, writes to the other. */
export class MemoryStream implements Stream {
  readonly protocol: string;
  readonly peer: DeviceId;
  readonly #incoming: MemoryPipe;
  readonly #outgoing: MemoryPipe;
  readonly #carrier: MemoryCarrier;
  readonly #ended = new AbortController();
  #other: MemoryStream | undefined;
  #isReading = false;
  #isWriting = false;
  #bytesIn = 0;
  #bytesOut = 0;

  /** `carrier` carries to the other end. */
  constructor(
    protocol: string,
    peer: DeviceId,
    incoming: MemoryPipe,
    outgoing: MemoryPipe,
    carrier: MemoryCarrier,
  ) {
    this.protocol = protocol;
    this.peer = peer;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#carrier = carrier;
  }

  /** Tells each end of the other, which `reset` reaches. */
  static join(a: MemoryStream, b: MemoryStream): void {
    a.#other = b;
    b.#other = a;
  }

  get bytesIn(): number {
    return this.#bytesIn;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  get readBuffered(): number {
    return this.#incoming.readBuffered;
  }

  get writeBuffered(): number {
    return this.#outgoing.writeBuffered;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Whether our side is closed for writing. */
  get isWriteClosed(): boolean {
    return this.#outgoing.isFinished;
  }

  async write(bytes: Uint8Array): Promise<void> {
    assert(!this.#isWriting, "one write at a time");
    if (this.#outgoing.isFinished)
      throw new NetError("NET_CLOSED", "Cannot write to stream: closed for writing");
    this.#isWriting = true;
    try {
      await this.#outgoing.write(bytes);
      this.#bytesOut += bytes.length;
    } finally {
      this.#isWriting = false;
    }
  }

  async read(): Promise<Uint8Array | undefined> {
    assert(!this.#isReading, "one read at a time");
    this.#isReading = true;
    try {
      const piece = await this.#incoming.read();
      this.#bytesIn += piece?.length ?? 0;
      return piece;
    } finally {
      this.#isReading = false;
    }
  }

  async closeWrite(): Promise<void> {
    assert(!this.#isWriting, "closed for writing while a write is under way");
    if (this.#outgoing.isFinished) return;
    await this.#outgoing.write(new Uint8Array(0));
    this.#outgoing.finish();
    this.endIfDone();
  }

  reset(): void {
    if (this.#ended.signal.aborted) return;
    const other = this.#other;
    this.fail(new NetError("NET_STREAM_RESET", "Stream was reset by this side"));
    this.#carrier.carry(() =>
      other?.fail(new NetError("NET_STREAM_RESET", "Stream was reset by the peer")),
    );
  }

  /** Ends both directions at this end. */
  fail(failure: NetError): void {
    if (this.#ended.signal.aborted) return;
    this.#incoming.failReader(failure);
    this.#outgoing.failWriter(failure);
    this.#ended.abort(failure);
  }

  /** Ends it as its connection ends: what the peer had finished can still be read. */
  lose(failure: NetError): void {
    if (!this.#incoming.hasEnded) {
      this.fail(failure);
      return;
    }
    this.#outgoing.failWriter(failure);
    this.#ended.abort(failure);
  }

  /** Marks the stream as ended when both sides have closed it. */
  endIfDone(): void {
    if (!this.#incoming.hasEnded || !this.#outgoing.isFinished) return;
    this.#ended.abort(new NetError("NET_CLOSED", "Stream has ended"));
  }
}
