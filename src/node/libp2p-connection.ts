import type {
  Connection as Libp2pRawConnection,
  Stream as Libp2pRawStream,
} from "@libp2p/interface";
import type { Clock, DeviceId } from "../base/index.ts";
import {
  type Connection,
  NetError,
  serveStream,
  type ServeStreamDeps,
  type Stream,
  type StreamDirection,
  type StreamHandler,
  StreamSlots,
  STREAMS_PER_PROTOCOL_MAX,
} from "../net/index.ts";
import { isRelayed } from "./libp2p-dial.ts";
import { openError } from "./libp2p-errors.ts";
import {
  LINK_IDLE_MS,
  LINK_JOIN_MS,
  NOISE_SEND_BYTES,
  STREAM_OPEN_TIMEOUT_MS,
  TLS_SEND_BYTES,
  WINDOW_UPDATE_BYTES,
} from "./libp2p-limits.ts";
import { Libp2pStream } from "./libp2p-stream.ts";
import { gatherWindowUpdates } from "./libp2p-yamux-guard.ts";

/**
 * The connection to one device, over one link (a connection of libp2p) or, when both sides dialled at once, over two:
 *
 *     Connection ── link dialled by the smaller device id     new streams go here
 *                └─ link dialled by the other                  closed by its dialler once it has been idle
 *
 * Both sides prefer the same link, both serve streams on either, so that nothing breaks while they settle.
 */
export class Libp2pConnection implements Connection {
  readonly peer: DeviceId;
  readonly direction: StreamDirection;
  readonly remoteAddress: string;
  readonly #serving: ServeStreamDeps;
  readonly #isPeerSmaller: boolean;
  readonly #since: number;
  readonly #sendBytes: number;
  readonly #closed = new AbortController();
  readonly #hasPlace: () => boolean;
  readonly #slots = new StreamSlots();
  readonly #streams = new Set<Libp2pStream>();
  /** Preferred first. */
  #links: Libp2pRawConnection[] = [];

  constructor(
    serving: ServeStreamDeps,
    device: DeviceId,
    peer: DeviceId,
    link: Libp2pRawConnection,
    hasPlace: () => boolean = () => false,
  ) {
    this.#hasPlace = hasPlace;
    this.#serving = serving;
    this.peer = peer;
    this.#isPeerSmaller = peer < device;
    this.direction = link.direction;
    this.remoteAddress = link.remoteAddr.toString();
    this.#since = serving.clock.monotonic();
    this.#sendBytes = link.encryption === "/noise" ? NOISE_SEND_BYTES : TLS_SEND_BYTES;
    this.#addLink(link);
  }

  /** Whether others are reached through it, by us or by the peer. */
  get isInUse(): boolean {
    return (
      this.#hasPlace() ||
      this.#links.some((link) =>
        link.streams.some(({ protocol }) => protocol.includes("/circuit/")),
      )
    );
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /**
   * Takes another link to the same device. Answers false when it comes too late for one that both dialled at once:
   * then the peer has lost this connection, and the link begins a new one.
   */
  join(link: Libp2pRawConnection): boolean {
    if (this.#clock.monotonic() - this.#since > LINK_JOIN_MS) return false;
    this.#addLink(link);
    this.#links.sort((a, b) => this.#rank(a) - this.#rank(b));
    for (const superfluous of this.#links.slice(1)) {
      if (superfluous.direction === "outbound") void this.#closeOnceIdle(superfluous);
    }
    return true;
  }

  #rank(link: Libp2pRawConnection): number {
    const preferred = (link.direction === "inbound") === this.#isPeerSmaller ? 0 : 1;
    return isRelayed(link.remoteAddr) ? 2 + preferred : preferred;
  }

  #addLink(link: Libp2pRawConnection): void {
    this.#links.push(link);
    link.addEventListener("close", () => this.#removeLink(link));
    if (link.status !== "open") this.#removeLink(link);
  }

  #removeLink(link: Libp2pRawConnection): void {
    this.#links = this.#links.filter((other) => other !== link);
    if (this.#links.length === 0) this.#end("connection lost");
  }

  async #closeOnceIdle(link: Libp2pRawConnection): Promise<void> {
    try {
      do await this.#clock.sleep(LINK_IDLE_MS, this.closed);
      while (link.status === "open" && link.streams.length > 0);
      await link.close();
    } catch (error) {
      // Either the whole connection has ended meanwhile, or the link does not close in order.
      link.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  get #clock(): Clock {
    return this.#serving.clock;
  }

  async open(
    protocol: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Stream> {
    options?.signal?.throwIfAborted();
    const release = this.#slots.take("outbound", protocol);
    if (release === undefined) {
      throw new NetError(
        "NET_STREAMS_FULL",
        `Cannot open stream: too many of ${protocol} on the connection`,
      );
    }
    try {
      return this.#keep(await this.#openRaw(protocol, options?.signal), release);
    } catch (error) {
      release();
      throw error;
    }
  }

  async #openRaw(protocol: string, signal: AbortSignal | undefined): Promise<Libp2pRawStream> {
    for (;;) {
      const link = this.#links[0];
      if (link === undefined) throw this.closed.reason;
      const timeout = AbortSignal.timeout(STREAM_OPEN_TIMEOUT_MS);
      try {
        return await link.newStream(protocol, {
          signal: AbortSignal.any([
            timeout,
            this.closed,
            ...(signal === undefined ? [] : [signal]),
          ]),
          maxOutboundStreams: STREAMS_PER_PROTOCOL_MAX,
          // Through a relay too: its limits cut the connection, and we go on over the next.
          runOnLimitedConnection: true,
        });
      } catch (error) {
        signal?.throwIfAborted();
        if (timeout.aborted) {
          throw new NetError("NET_UNREACHABLE", "Cannot open stream: no answer in time", {
            cause: error,
          });
        }
        // The link was lost, but perhaps another one is there.
        if (link.status !== "open" && this.#links.length > 0 && this.#links[0] !== link) continue;
        throw openError(error, protocol, this.closed);
      }
    }
  }

  /** Serves a stream that the peer has opened. */
  accept(raw: Libp2pRawStream, handler: StreamHandler): void {
    const release = this.#slots.take("inbound", raw.protocol);
    if (release === undefined || this.closed.aborted) {
      release?.();
      raw.abort(new Error("refused"));
      return;
    }
    void serveStream(this.#serving, handler, this.#keep(raw, release), this);
  }

  #keep(raw: Libp2pRawStream, release: () => void): Libp2pStream {
    gatherWindowUpdates(raw, WINDOW_UPDATE_BYTES);
    const stream = new Libp2pStream(raw, this.peer, this.#sendBytes);
    const forget = (): void => {
      release();
      this.#streams.delete(stream);
    };
    if (stream.ended.aborted) {
      forget();
      throw stream.ended.reason;
    }
    this.#streams.add(stream);
    stream.ended.addEventListener("abort", forget, { once: true });
    return stream;
  }

  async close(reason = "by this side"): Promise<void> {
    const links = this.#links;
    // yamux would end them as if they were complete.
    for (const stream of this.#streams) if (!stream.isWriteClosed) stream.reset();
    this.#end(`closed ${reason}`);
    await Promise.all(links.map(closeLink));
  }

  /** Cuts it at once. */
  abort(why: string): void {
    const links = this.#links;
    this.#end(why);
    for (const link of links) link.abort(new Error(why));
  }

  #end(how: string): void {
    if (this.closed.aborted) return;
    this.#links = [];
    this.#closed.abort(new NetError("NET_CLOSED", `Connection ended: ${how}`));
  }
}

async function closeLink(link: Libp2pRawConnection): Promise<void> {
  try {
    await link.close();
  } catch (error) {
    link.abort(error instanceof Error ? error : new Error(String(error)));
  }
}
