import type { DeviceId } from "../../base/index.ts";
import {
  type Connection,
  MemoryPipe,
  MemoryStream,
  NetError,
  serveStream,
  type Stream,
  type StreamDirection,
  StreamSlots,
} from "../../net/index.ts";
import { Lane, type LinkState } from "./link.ts";
import type { SimNetwork, WireTap } from "./network.ts";
import type { SimTransport } from "./transport.ts";

/** One end of a simulated connection. */
export class SimConnection implements Connection {
  readonly device: DeviceId;
  readonly peer: DeviceId;
  readonly direction: StreamDirection;
  readonly remoteAddress: string;
  /** When it was made, on the scheduler's time. */
  readonly since: number;
  readonly #network: SimNetwork;
  readonly #owner: SimTransport;
  readonly #closed = new AbortController();
  readonly #slots = new StreamSlots();
  readonly #streams = new Map<MemoryStream, Lane>();
  readonly #out: LinkState;
  readonly #in: LinkState;
  readonly #words: Lane;
  #other: SimConnection | undefined;
  #isGone = false;

  private constructor(
    network: SimNetwork,
    owner: SimTransport,
    peer: SimTransport,
    direction: StreamDirection,
  ) {
    this.#network = network;
    this.#owner = owner;
    this.device = owner.device;
    this.peer = peer.device;
    this.direction = direction;
    this.remoteAddress = peer.address;
    this.#out = network.link(owner.device, peer.device);
    this.#in = network.link(peer.device, owner.device);
    this.since = this.#out.scheduler.now;
    this.#words = this.#lane("words");
  }

  /** Both ends of a new connection, the dialler's first. */
  static pair(
    network: SimNetwork,
    dialler: SimTransport,
    dialled: SimTransport,
  ): [SimConnection, SimConnection] {
    const outbound = new SimConnection(network, dialler, dialled, "outbound");
    const inbound = new SimConnection(network, dialled, dialler, "inbound");
    outbound.#other = inbound;
    inbound.#other = outbound;
    return [outbound, inbound];
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Whether nothing can arrive from the other end: it is gone, or one direction is blocked. */
  get isCutOff(): boolean {
    return this.#out.isBlocked || this.#in.isBlocked || this.other.#isOver;
  }

  /** Whether this end takes for alive what is over for the other. */
  get isHalfOpen(): boolean {
    return !this.#isOver && this.other.#isOver;
  }

  get other(): SimConnection {
    return this.#other as SimConnection;
  }

  /** Whether nothing passes through this end any more. */
  get #isOver(): boolean {
    return this.#isGone || this.#closed.signal.aborted;
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
      const ended = signal === undefined ? this.closed : AbortSignal.any([signal, this.closed]);
      await this.#crossed(ended);
      this.#mustBeOpen();
      const stream = this.#openAt(this.other, protocol);
      stream.ended.addEventListener("abort", release, { once: true });
      return stream;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Resolves when a word has gone there and its answer has come back. */
  #crossed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      const answered = (): void => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      this.#words.carry(() => this.other.#words.carry(answered));
    });
  }

  #openAt(other: SimConnection, protocol: string): MemoryStream {
    const handler = other.#owner.handlerOf(protocol);
    if (handler === undefined) {
      throw new NetError(
        "NET_PROTOCOL_UNSUPPORTED",
        `Cannot open stream: peer does not serve ${protocol}`,
      );
    }
    const release = other.#slots.take("inbound", protocol);
    if (release === undefined) throw streamsFull(protocol);
    const [thereLane, backLane] = [this.#lane(protocol), other.#lane(protocol)];
    const there = new MemoryPipe(thereLane, () => theirs.endIfDone());
    const back = new MemoryPipe(backLane, () => ours.endIfDone());
    const ours = new TappedStream(this, true, protocol, back, there, thereLane);
    const theirs = new TappedStream(other, false, protocol, there, back, backLane);
    MemoryStream.join(ours, theirs);
    this.#keep(ours, thereLane);
    other.#keep(theirs, backLane);
    theirs.ended.addEventListener("abort", release, { once: true });
    void serveStream(other.#owner.serving, handler, theirs, other);
    return ours;
  }

  #lane(label: string): Lane {
    return new Lane(this.#out, `${this.#owner.place} ${label}`, {
      isClosed: () => this.#isOver,
      isLost: () => this.other.#isOver,
    });
  }

  #keep(stream: MemoryStream, lane: Lane): void {
    this.#streams.set(stream, lane);
    stream.ended.addEventListener("abort", () => this.#streams.delete(stream), { once: true });
  }

  /** Whether the process of this end is gone. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get tap(): WireTap | undefined {
    return this.#network.deps.tap;
  }

  async close(reason = "by this side"): Promise<void> {
    if (this.#isOver) return;
    const { other } = this;
    for (const stream of this.#streams.keys()) if (!stream.isWriteClosed) stream.reset();
    // The last word passes though this end is closed then.
    const link = this.#out;
    const last = link.scheduler.now + link.draw();
    this.lose(`closed ${reason}`);
    link.scheduler.at(last, "net.close", () => link.pass(() => other.lose("closed by the peer")));
  }

  /** Ends this end and every stream of it; the other does not know yet. */
  lose(how: string): void {
    if (this.#isOver) return;
    const failure = new NetError("NET_CLOSED", `Connection ended: ${how}`);
    this.#network.forget(this);
    this.#closed.abort(failure);
    for (const stream of [...this.#streams.keys()]) stream.lose(failure);
    // What the other still sends is answered by nobody.
    if (!this.other.#isOver) this.#network.noticeLater(this.other);
  }

  /** Cuts the line: both sides end and what was under way is lost. */
  cut(): void {
    const { other } = this;
    this.lose("line cut");
    other.lose("line cut");
  }

  /** The process of this end is gone, and hears of nothing any more. The other notices in `ms` milliseconds. */
  die(ms: number): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#network.forget(this);
    const { other } = this;
    const link = this.#out;
    link.scheduler.after(ms, "net.died", () => link.pass(() => other.lose("the peer has died")));
    this.#network.noticeLater(other);
  }

  /**
   * Cuts in the middle of what this end sends next: after `bytes` more on one of its streams, `pick`ed among those open.
   * With `isReset` the stream alone ends, else the connection. Answers whether there was a stream to cut.
   */
  cutInStream(bytes: number, isReset: boolean, pick: (count: number) => number): boolean {
    const streams = [...this.#streams];
    const chosen = streams[streams.length === 0 ? 0 : pick(streams.length)];
    if (chosen === undefined) return false;
    const [stream, lane] = chosen;
    lane.cutAfter(bytes, () => (isReset ? stream.reset() : this.cut()));
    return true;
  }

  #mustBeOpen(): void {
    if (this.#isOver) throw new NetError("NET_CLOSED", "Cannot open stream: connection has ended");
  }
}

/** A stream whose every write is shown to the tap. */
class TappedStream extends MemoryStream {
  readonly #end: SimConnection;
  readonly #isOpener: boolean;

  constructor(
    end: SimConnection,
    isOpener: boolean,
    protocol: string,
    incoming: MemoryPipe,
    outgoing: MemoryPipe,
    lane: Lane,
  ) {
    super(protocol, end.peer, incoming, outgoing, lane);
    this.#end = end;
    this.#isOpener = isOpener;
  }

  override write(bytes: Uint8Array): Promise<void> {
    // The peer still reads what was under way, which makes room for more and wakes who is dead. None of it would leave. [SI10]
    if (this.#end.isGone) return new Promise(() => {});
    const { device: from, peer: to, tap } = this.#end;
    tap?.wrote({
      from,
      to,
      protocol: this.protocol,
      stream: this,
      isOpener: this.#isOpener,
      bytes,
    });
    return super.write(bytes);
  }
}

function streamsFull(protocol: string): NetError {
  return new NetError(
    "NET_STREAMS_FULL",
    `Cannot open stream: too many streams of ${protocol} on the connection`,
  );
}
