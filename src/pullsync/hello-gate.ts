import { type Clock, type DeviceId, toHex } from "../base/index.ts";
import {
  type Connection,
  FramedStream,
  NetError,
  type Stream,
  type Transport,
} from "../net/index.ts";
import { create, decode, encode, HelloSchema } from "../wire/index.ts";
import { PullSyncError } from "./errors.ts";
import { PullExchange } from "./pull-exchange.ts";
import type { PeerName, PullStreamHandler, Streamer } from "./ports.ts";
import { type PullProfile, protocolsOf } from "./profile.ts";

export interface HelloGateDeps {
  readonly transport: Transport;
  readonly clock: Clock;
}

/** Whether a device may be served and asked in a network now. */
export type IsMember = (device: DeviceId) => boolean;

/**
 * Streams of several storage networks over one transport. Each begins with a Hello that names its network; who asks for one that is not
 * here, or is no member of it, has the stream reset before any answer, as if the protocol were not spoken. [PS6] [PS7]
 */
export class HelloGate {
  readonly #deps: HelloGateDeps;
  readonly #profile: PullProfile;
  readonly #networks = new Map<string, NetworkStreamer>();
  readonly #unhandle: readonly (() => void)[];

  constructor(deps: HelloGateDeps, profile: PullProfile) {
    this.#deps = deps;
    this.#profile = profile;
    const { cursors, pull } = protocolsOf(profile);
    this.#unhandle = [cursors, pull].map((protocol) =>
      deps.transport.handle(protocol, (stream, connection) =>
        this.#serve(protocol, stream, connection),
      ),
    );
  }

  /** The streams of one network, named by its 32-byte id; one at a time a network. */
  streamer(network: Uint8Array, isMember: IsMember): NetworkStreamer {
    const key = toHex(network);
    const framed = (stream: Stream): FramedStream => this.#framed(stream);
    const streamer = new NetworkStreamer(this.#deps, network, isMember, framed, () => {
      if (this.#networks.get(key) === streamer) this.#networks.delete(key);
    });
    this.#networks.set(key, streamer);
    return streamer;
  }

  /** Serves nobody any more. */
  close(): void {
    for (const unhandle of this.#unhandle) unhandle();
    for (const streamer of [...this.#networks.values()]) streamer.close();
  }

  async #serve(protocol: string, stream: Stream, { peer }: Connection): Promise<void> {
    const framed = this.#framed(stream);
    const hello = await new PullExchange(this.#deps.clock, framed).receive("hello");
    const { network } = decode(HelloSchema, hello);
    const streamer = this.#networks.get(toHex(network));
    if (streamer === undefined)
      throw new PullSyncError("PULLSYNC_REFUSED", "Cannot serve stream: its network is not here");
    await streamer.serve(protocol, framed, peer);
  }

  #framed(stream: Stream): FramedStream {
    const { frameBytesMax } = this.#profile;
    return new FramedStream({ stream, clock: this.#deps.clock }, { frameBytesMax });
  }
}

/** One network's streams. Opened to peers that are connected; it dials nobody. */
export class NetworkStreamer implements Streamer {
  readonly #deps: HelloGateDeps;
  readonly #hello: Uint8Array;
  readonly #isMember: IsMember;
  readonly #framed: (stream: Stream) => FramedStream;
  readonly #onClose: () => void;
  readonly #handlers = new Map<string, PullStreamHandler>();
  /** Told of each device that opens a stream here and may: it takes us for a member too. */
  onServed: ((device: DeviceId) => void) | undefined;
  readonly #open = new Map<FramedStream, DeviceId>();

  constructor(
    deps: HelloGateDeps,
    network: Uint8Array,
    isMember: IsMember,
    framed: (stream: Stream) => FramedStream,
    onClose: () => void,
  ) {
    this.#deps = deps;
    this.#hello = encode(HelloSchema, create(HelloSchema, { network }));
    this.#isMember = isMember;
    this.#framed = framed;
    this.#onClose = onClose;
  }

  async open(
    peer: PeerName,
    protocol: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<FramedStream> {
    const device = peer as DeviceId;
    this.#mustBeMember(device);
    const connection = this.#deps.transport
      .connections()
      .find((it) => it.peer === device && !it.closed.aborted);
    if (connection === undefined)
      throw new NetError("NET_UNREACHABLE", "Cannot open stream: the peer is not connected");
    const stream = this.#framed(await connection.open(protocol, options));
    this.#keep(stream, device);
    // Goes out with the first message; a stream that fails here fails there too.
    stream.send(this.#hello).catch(() => {});
    return stream;
  }

  handle(protocol: string, handler: PullStreamHandler): () => void {
    this.#handlers.set(protocol, handler);
    return () => {
      if (this.#handlers.get(protocol) === handler) this.#handlers.delete(protocol);
    };
  }

  /** Serves a stream whose Hello named this network. */
  async serve(protocol: string, stream: FramedStream, device: DeviceId): Promise<void> {
    this.#mustBeMember(device);
    const handler = this.#handlers.get(protocol);
    if (handler === undefined)
      throw new PullSyncError("PULLSYNC_REFUSED", "Cannot serve stream: nothing serves it now");
    this.#keep(stream, device);
    this.onServed?.(device);
    await handler(stream, device);
  }

  /** Members have changed: ends the streams of those who are none any more. [PS7] */
  recheck(): void {
    for (const [stream, device] of this.#open) if (!this.#isMember(device)) stream.reset();
  }

  /** Ends all streams of the network. */
  close(): void {
    this.#onClose();
    this.#handlers.clear();
    for (const stream of this.#open.keys()) stream.reset();
  }

  #mustBeMember(device: DeviceId): void {
    if (!this.#isMember(device))
      throw new PullSyncError("PULLSYNC_REFUSED", "Cannot use stream: the device is no member");
  }

  #keep(stream: FramedStream, device: DeviceId): void {
    // Who asks and is gone at once leaves nothing behind.
    if (stream.ended.aborted) return;
    this.#open.set(stream, device);
    stream.ended.addEventListener("abort", () => this.#open.delete(stream), { once: true });
  }
}
