import type { Connection as Libp2pRawConnection, Libp2p } from "@libp2p/interface";
import type { CircuitRelayService } from "@libp2p/circuit-relay-v2";
import {
  assert,
  type Clock,
  type DeviceId,
  KEY_SIZE,
  type Logger,
  parseDeviceId,
} from "../base/index.ts";
import {
  type Connection,
  NetError,
  type ServeStreamDeps,
  type StreamHandler,
  STREAMS_PER_PROTOCOL_MAX,
  type Transport,
} from "../net/index.ts";
import { Libp2pConnection } from "./libp2p-connection.ts";
import { Dialler, ExpectedDevices, parseDialled, parseListen } from "./libp2p-dial.ts";
import { listenError } from "./libp2p-errors.ts";
import { announceLocally, FoundPlaces } from "./libp2p-mdns.ts";
import { parseRelays, Relayed, type RelayPlace } from "./libp2p-relays.ts";
import type { Encryption } from "./encryption.ts";
import { createHost, loadParseMultiaddr, type ParseMultiaddr } from "./libp2p-host.ts";
import {
  CLOSE_TIMEOUT_MS,
  DIAL_TIMEOUT_MS,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  RELAY_START_MS_MAX,
  SOCKET_SILENCE_MS,
} from "./libp2p-limits.ts";

export interface Libp2pTransportDeps {
  /** The device's Ed25519 seed, 32 bytes. */
  readonly seed: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Libp2pTransportOptions {
  /** Multiaddr texts to listen at, like `/ip4/0.0.0.0/tcp/4001`; port 0 lets the system choose. Empty: do not listen. */
  readonly listen: readonly string[];
  /** Whether the local network is told of this device, and asked for others (mDNS). Default: no. */
  readonly isLocal?: boolean | undefined;
  /** Multiaddrs of relays to be reached through, each ending in `/p2p/<relay>`; at most `RELAYS_MAX`. Default: none. */
  readonly relays?: readonly string[] | undefined;
  /** Whether others are relayed to each other here, within the limits of `libp2p-limits.ts`. Default: no. */
  readonly isRelay?: boolean | undefined;
  /** Default TLS, then Noise for peers that know no TLS. */
  readonly encryption?: readonly Encryption[] | undefined;
  /** Milliseconds between pings of a connection. Default `PING_INTERVAL_MS`. */
  readonly pingIntervalMs?: number | undefined;
  /** Milliseconds that a peer may take to answer one, less than the interval. Default `PING_TIMEOUT_MS`. */
  readonly pingTimeoutMs?: number | undefined;
  /** Milliseconds of silence after which a socket is closed. Default `SOCKET_SILENCE_MS`. */
  readonly socketSilenceMs?: number | undefined;
}

/** What `openLibp2pTransport` refuses of its addresses by looking at them. @throws {NetError} `NET_ADDRESS_INVALID`. */
export async function checkAddresses({
  listen,
  relays = [],
}: Pick<Libp2pTransportOptions, "listen" | "relays">): Promise<void> {
  const parse = await loadParseMultiaddr();
  parseListen(listen, parse);
  parseRelays(relays, parse);
}

/**
 * A transport over libp2p: TCP, TLS 1.3 or Noise, yamux. Everything else of libp2p stays off. It is loaded here and
 * not before, since that takes about a second.
 *
 * @throws {NetError} `NET_ADDRESS_INVALID`, `NET_ADDRESS_IN_USE`; then nothing stays open.
 * @see docs/adr/0003-libp2p-adapter.md for how it is used and what must be avoided
 */
export async function openLibp2pTransport(
  deps: Libp2pTransportDeps,
  options: Libp2pTransportOptions,
): Promise<Transport> {
  assert(deps.seed.length === KEY_SIZE, "a device seed has 32 bytes");
  const parse = await loadParseMultiaddr();
  const listen = parseListen(options.listen, parse);
  const relays = parseRelays(options.relays ?? [], parse);
  const expected = new ExpectedDevices();
  const host = await createHost({
    seed: deps.seed,
    listen,
    isRelay: options.isRelay ?? false,
    encryption: options.encryption ?? ["tls", "noise"],
    pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
    pingTimeoutMs: options.pingTimeoutMs ?? PING_TIMEOUT_MS,
    socketSilenceMs: options.socketSilenceMs ?? SOCKET_SILENCE_MS,
    isExpected: (peerId, place) => expected.isExpected(peerId, place),
    isWelcome: (peerId) => parseDeviceId(peerId) !== undefined,
    // Nothing connects before it is started.
    onConnection: (link) => transport.add(link),
    logger: deps.logger,
  });
  const transport = new Libp2pTransport(deps, host, parse, expected, relays);
  try {
    await host.start();
  } catch (error) {
    throw listenError(error, options.listen);
  }
  if (options.isLocal === true) await transport.announce();
  await transport.beginRelays();
  return transport;
}

/** By which a relay brings somebody: of circuit relay v2. Not imported from there, since libp2p is loaded late. */
const RELAY_STOP_PROTOCOL = "/libp2p/circuit/relay/0.2.0/stop";

class Libp2pTransport implements Transport {
  readonly device: DeviceId;
  readonly #host: Libp2p;
  readonly #serving: ServeStreamDeps;
  readonly #parse: ParseMultiaddr;
  readonly #dialler: Dialler;
  readonly #relayed: Relayed;
  readonly #found: FoundPlaces;
  #stopAnnouncing: (() => Promise<void>) | undefined;
  readonly #connectionsByDevice = new Map<DeviceId, Libp2pConnection>();
  readonly #connectionsByLink = new WeakMap<Libp2pRawConnection, Libp2pConnection>();
  readonly #handlersByProtocol = new Map<string, StreamHandler>();
  readonly #listeners = new Set<(connection: Connection) => void>();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(
    deps: Libp2pTransportDeps,
    host: Libp2p,
    parse: ParseMultiaddr,
    expected: ExpectedDevices,
    relays: readonly RelayPlace[],
  ) {
    this.device = deviceOf(host.peerId.toString());
    this.#host = host;
    this.#serving = { clock: deps.clock, logger: deps.logger };
    this.#parse = parse;
    this.#dialler = new Dialler(host, deps.clock, expected, parse);
    this.#found = new FoundPlaces(deps.clock);
    const dial = (relay: RelayPlace, signal: AbortSignal): Promise<void> =>
      this.#dialler.dialRelay(relay, signal);
    this.#relayed = new Relayed({ ...deps, host, parse, dial }, relays);
  }

  addresses(): readonly string[] {
    if (this.#closing.signal.aborted) return [];
    return this.#relayed.chosen(this.#host.getMultiaddrs().map(String));
  }

  found(device: DeviceId): readonly string[] {
    return this.#found.of(device);
  }

  onFound(listener: (device: DeviceId) => void): () => void {
    return this.#found.onFound(listener);
  }

  /** Begins to tell the local network of this device. */
  async announce(): Promise<void> {
    this.#stopAnnouncing = await announceLocally(this.#host, this.#found, this.#serving.logger);
  }

  connections(): readonly Connection[] {
    return [...this.#connectionsByDevice.values()];
  }

  async connect(
    device: DeviceId,
    addresses: readonly string[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Connection> {
    assert(device !== this.device, "a device does not connect to itself");
    options?.signal?.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    const existing = this.#connectionsByDevice.get(device);
    if (existing !== undefined) return existing;

    const places = parseDialled(device, addresses, this.#parse);
    const timeout = AbortSignal.timeout(DIAL_TIMEOUT_MS);
    const signals = [timeout, this.#closing.signal];
    if (options?.signal !== undefined) signals.push(options.signal);
    try {
      await this.#dialler.dial(device, places, AbortSignal.any(signals));
    } catch (error) {
      // The peer may have dialled us meanwhile.
      const made = this.#connectionsByDevice.get(device);
      if (made !== undefined) return made;
      if (timeout.aborted && error === timeout.reason) {
        throw new NetError("NET_UNREACHABLE", `Cannot connect to ${device}: no answer in time`, {
          cause: error,
        });
      }
      throw error;
    }
    const made = this.#connectionsByDevice.get(device);
    if (made === undefined)
      throw new NetError("NET_UNREACHABLE", `Cannot connect to ${device}: it hung up at once`);
    return made;
  }

  /** Begins to be reached through relays. Resolves when they have been asked, or have had their time. */
  async beginRelays(): Promise<void> {
    // Else whoever is connected could have us reached through them, unasked.
    if (this.#relayed.isUnused) await this.#host.unhandle(RELAY_STOP_PROTOCOL);
    const begun = new AbortController();
    const asked = this.#relayed.run(this.#closing.signal).finally(() => begun.abort());
    const late = this.#serving.clock.sleep(RELAY_START_MS_MAX, begun.signal).catch(() => {});
    await Promise.race([asked, late]);
  }

  /** Takes a link that libp2p has made, encrypted and proven. */
  add(link: Libp2pRawConnection): void {
    if (this.#closing.signal.aborted) {
      link.abort(new Error("closing"));
      return;
    }
    const peer = deviceOf(link.remotePeer.toString());
    const existing = this.#connectionsByDevice.get(peer);
    if (existing?.join(link) === true) {
      this.#connectionsByLink.set(link, existing);
      this.#serving.logger("debug", "net.peer.linked", { peer, direction: link.direction });
      return;
    }
    existing?.abort("replaced by a new one of the peer");
    const connection = new Libp2pConnection(this.#serving, this.device, peer, link, () =>
      this.#keepsPlaceFor(link),
    );
    if (connection.closed.aborted) return;
    this.#connectionsByLink.set(link, connection);
    this.#connectionsByDevice.set(peer, connection);
    connection.closed.addEventListener("abort", () => this.#remove(connection), { once: true });
    this.#serving.logger("info", "net.peer.connected", {
      peer,
      direction: connection.direction,
      address: connection.remoteAddress,
    });
    for (const listener of this.#listeners) listener(connection);
  }

  /** Whether the peer has a place here to be reached through. */
  #keepsPlaceFor({ remotePeer }: Libp2pRawConnection): boolean {
    const { relay } = this.#host.services as { relay?: CircuitRelayService };
    return relay?.reservations.has(remotePeer) ?? false;
  }

  #remove(connection: Libp2pConnection): void {
    const { peer, closed } = connection;
    if (this.#connectionsByDevice.get(peer) === connection) this.#connectionsByDevice.delete(peer);
    this.#serving.logger("info", "net.peer.disconnected", { peer, message: String(closed.reason) });
  }

  handle(protocol: string, handler: StreamHandler): () => void {
    assert(!this.#handlersByProtocol.has(protocol), "one handler a protocol");
    this.#handlersByProtocol.set(protocol, handler);
    // Takes effect at once; what they wait for is a note in libp2p's memory of itself.
    const noted = this.#host.handle(
      protocol,
      (raw, link) => {
        const connection = this.#connectionsByLink.get(link);
        if (connection === undefined) raw.abort(new Error("refused"));
        else connection.accept(raw, handler);
      },
      {
        maxInboundStreams: STREAMS_PER_PROTOCOL_MAX,
        maxOutboundStreams: STREAMS_PER_PROTOCOL_MAX,
        runOnLimitedConnection: true,
      },
    );
    noted.catch(() => {});
    return () => {
      if (this.#handlersByProtocol.get(protocol) !== handler) return;
      this.#handlersByProtocol.delete(protocol);
      this.#host.unhandle(protocol).catch(() => {});
    };
  }

  onConnection(listener: (connection: Connection) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort(new NetError("NET_CLOSED", "Transport is closed"));
    await this.#stopAnnouncing?.().catch(() => {});
    const connections = [...this.#connectionsByDevice.values()];
    const links = this.#host.getConnections();
    const finished = new AbortController();
    const orderly = (async () => {
      await Promise.all(connections.map((connection) => connection.close("with the transport")));
      await this.#host.stop();
    })()
      .catch((error: unknown) =>
        this.#serving.logger("warn", "net.close.failed", { message: String(error) }),
      )
      .finally(() => finished.abort());
    try {
      await this.#serving.clock.sleep(CLOSE_TIMEOUT_MS, finished.signal);
      this.#serving.logger("warn", "net.close.slow", { connections: links.length });
      for (const link of [...links, ...this.#host.getConnections()])
        link.abort(new Error("closing"));
    } catch {
      // Finished in time, which is what aborts the sleep.
    }
    void orderly;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function deviceOf(peerId: string): DeviceId {
  const device = parseDeviceId(peerId);
  assert(device !== undefined, "the gater lets only Ed25519 keys in");
  return device;
}
