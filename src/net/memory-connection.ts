import type { DeviceId } from "../base/index.ts";
import { NetError } from "./errors.ts";
import type { MemoryLink } from "./memory-link.ts";
import { type MemoryCarrier, MemoryPipe } from "./memory-pipe.ts";
import { MemoryStream } from "./memory-stream.ts";
import { serveStream, type ServeStreamDeps } from "./serve-stream.ts";
import { type StreamDirection, StreamSlots } from "./stream-slots.ts";
import type { Connection, Stream, StreamHandler } from "./transport.ts";

/** What an end of a connection needs from the transport that it belongs to. */
export interface MemoryConnectionOwner {
  readonly device: DeviceId;
  readonly address: string;
  readonly serving: ServeStreamDeps;
  handlerOf(protocol: string): StreamHandler | undefined;
}

/** One end of a connection of the memory transport. */
export class MemoryConnection implements Connection {
  readonly peer: DeviceId;
  readonly direction: StreamDirection;
  readonly remoteAddress: string;
  readonly #owner: MemoryConnectionOwner;
  readonly #link: MemoryLink;
  readonly #closed = new AbortController();
  readonly #slots = new StreamSlots();
  readonly #streams = new Set<MemoryStream>();
  #other: MemoryConnection | undefined;

  private constructor(
    owner: MemoryConnectionOwner,
    peer: MemoryConnectionOwner,
    direction: StreamDirection,
    link: MemoryLink,
  ) {
    this.#owner = owner;
    this.peer = peer.device;
    this.remoteAddress = peer.address;
    this.direction = direction;
    this.#link = link;
  }

  /** Both ends of a connection that `dialler` made to `dialled` over `link`, the dialler's first. */
  static pair(
    dialler: MemoryConnectionOwner,
    dialled: MemoryConnectionOwner,
    link: MemoryLink,
  ): [MemoryConnection, MemoryConnection] {
    const outbound = new MemoryConnection(dialler, dialled, "outbound", link);
    const inbound = new MemoryConnection(dialled, dialler, "inbound", link);
    outbound.#other = inbound;
    inbound.#other = outbound;
    return [outbound, inbound];
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  async open(
    protocol: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Stream> {
    options?.signal?.throwIfAborted();
    this.#mustBeOpen();
    const release = this.#slots.take("outbound", protocol);
    if (release === undefined) throw streamsFull(protocol);
    try {
      const { signal } = options ?? {};
      await this.#link.roundTrip(
        signal === undefined ? this.closed : AbortSignal.any([signal, this.closed]),
      );
      this.#mustBeOpen();
      const stream = this.#openAt(this.#other as MemoryConnection, protocol);
      stream.ended.addEventListener("abort", release, { once: true });
      return stream;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Makes both ends of a stream; `other` serves its own. */
  #openAt(other: MemoryConnection, protocol: string): MemoryStream {
    const handler = other.#owner.handlerOf(protocol);
    if (handler === undefined) {
      throw new NetError(
        "NET_PROTOCOL_UNSUPPORTED",
        `Cannot open stream: peer does not serve ${protocol}`,
      );
    }
    const release = other.#slots.take("inbound", protocol);
    if (release === undefined) throw streamsFull(protocol);

    const there = new MemoryPipe(this.#carrier, () => theirs.endIfDone());
    const back = new MemoryPipe(other.#carrier, () => ours.endIfDone());
    const ours = new MemoryStream(protocol, this.peer, back, there, this.#carrier);
    const theirs = new MemoryStream(protocol, other.peer, there, back, other.#carrier);
    MemoryStream.join(ours, theirs);
    this.#keep(ours);
    other.#keep(theirs);
    theirs.ended.addEventListener("abort", release, { once: true });
    void serveStream(other.#owner.serving, handler, theirs, other);
    return ours;
  }

  get #carrier(): MemoryCarrier {
    return this.direction === "outbound" ? this.#link.there : this.#link.back;
  }

  #keep(stream: MemoryStream): void {
    this.#streams.add(stream);
    stream.ended.addEventListener("abort", () => this.#streams.delete(stream), { once: true });
  }

  async close(reason = "by this side"): Promise<void> {
    if (this.closed.aborted) return;
    const other = this.#other as MemoryConnection;
    for (const stream of this.#streams) if (!stream.isWriteClosed) stream.reset();
    this.end(`closed ${reason}`);
    this.#carrier.carry(() => {
      other.end("closed by the peer");
      this.#link.cut();
    });
  }

  /** Ends this side and every stream of it, as when the line is cut. */
  end(how: string): void {
    if (this.closed.aborted) return;
    const failure = new NetError("NET_CLOSED", `Connection ended: ${how}`);
    this.#closed.abort(failure);
    for (const stream of this.#streams) stream.lose(failure);
  }

  /** Cuts the line: both sides end and what was under way is lost. */
  cut(): void {
    this.#link.cut();
    this.end("line cut");
    this.#other?.end("line cut");
  }

  #mustBeOpen(): void {
    if (this.closed.aborted)
      throw new NetError("NET_CLOSED", "Cannot open stream: connection has ended");
  }
}

function streamsFull(protocol: string): NetError {
  return new NetError(
    "NET_STREAMS_FULL",
    `Cannot open stream: too many streams of ${protocol} on the connection`,
  );
}
