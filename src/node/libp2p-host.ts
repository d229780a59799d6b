import type {
  ComponentLogger,
  Connection,
  Libp2p,
  Logger as Libp2pLogger,
  StreamMuxerFactory,
} from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { Logger } from "../base/index.ts";
import type { Encryption } from "./encryption.ts";
import {
  CONNECTION_WRITE_BUFFER_BYTES,
  CONNECTIONS_MAX,
  CONNECTIONS_PENDING_MAX,
  CONNECTIONS_PER_SECOND_MAX,
  DIAL_ADDRESS_TIMEOUT_MS,
  DIAL_TIMEOUT_MS,
  DIALS_MAX,
  HANDSHAKE_TIMEOUT_MS,
  RELAY_RESERVATION_MS,
  RELAY_RESERVATIONS_MAX,
  RELAYED_BYTES_MAX,
  RELAYED_MS_MAX,
  RELAYED_PER_PEER_MAX,
  LIBP2P_READ_BUFFER_BYTES,
  LIBP2P_WRITE_BUFFER_BYTES,
  ROUND_TRIP_INTERVAL_MS,
  STREAM_OPEN_TIMEOUT_MS,
  STREAMS_PER_CONNECTION_MAX,
} from "./libp2p-limits.ts";
import { STREAM_WINDOW_BYTES } from "../net/index.ts";
import { guardYamux } from "./libp2p-yamux-guard.ts";

export interface HostSettings {
  readonly seed: Uint8Array;
  readonly listen: readonly Multiaddr[];
  readonly encryption: readonly Encryption[];
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  readonly socketSilenceMs: number;
  /** Whether others are relayed to each other here. */
  readonly isRelay: boolean;
  /** Whether a connection that we dialled at `address` may be with the device of this peer id. */
  readonly isExpected: (peerId: string, address: Multiaddr) => boolean;
  /** Whether a device of this peer id may connect to us. */
  readonly isWelcome: (peerId: string) => boolean;
  /** Told of every connection once encrypted and proven. */
  readonly onConnection: (connection: Connection) => void;
  readonly logger: Logger;
}

const YAMUX_SETTINGS = {
  // Not to keep alive, the pings do that: without a first measurement a window would never grow.
  enableKeepAlive: true,
  keepAliveInterval: ROUND_TRIP_INTERVAL_MS,
  maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
  maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
  streamOptions: {
    maxStreamWindowSize: STREAM_WINDOW_BYTES,
    maxReadBufferLength: LIBP2P_READ_BUFFER_BYTES,
    maxWriteBufferLength: LIBP2P_WRITE_BUFFER_BYTES,
  },
};

const CONNECTION_SETTINGS = {
  maxConnections: CONNECTIONS_MAX,
  maxIncomingPendingConnections: CONNECTIONS_PENDING_MAX,
  inboundConnectionThreshold: CONNECTIONS_PER_SECOND_MAX,
  maxParallelDials: DIALS_MAX,
  dialTimeout: DIAL_TIMEOUT_MS,
  addressDialTimeout: DIAL_ADDRESS_TIMEOUT_MS,
  inboundUpgradeTimeout: HANDSHAKE_TIMEOUT_MS,
  inboundStreamProtocolNegotiationTimeout: STREAM_OPEN_TIMEOUT_MS,
  outboundStreamProtocolNegotiationTimeout: STREAM_OPEN_TIMEOUT_MS,
};

const RELAY_SETTINGS = {
  maxInboundHopStreams: RELAYED_PER_PEER_MAX,
  maxOutboundStopStreams: RELAYED_PER_PEER_MAX,
  reservations: {
    maxReservations: RELAY_RESERVATIONS_MAX,
    reservationTtl: RELAY_RESERVATION_MS,
    defaultDurationLimit: RELAYED_MS_MAX,
    defaultDataLimit: BigInt(RELAYED_BYTES_MAX),
  },
};

/** A libp2p that is not listening yet, with nothing on but what `Transport` needs. Loading it takes about a second. */
export async function createHost(settings: HostSettings): Promise<Libp2p> {
  const [
    { createLibp2p },
    { generateKeyPairFromSeed },
    { tcp },
    { tls },
    { noise },
    { yamux },
    { identify },
    { ping },
    { circuitRelayServer, circuitRelayTransport },
  ] = await Promise.all([
    import("libp2p"),
    import("@libp2p/crypto/keys"),
    import("@libp2p/tcp"),
    import("@libp2p/tls"),
    import("@libp2p/noise"),
    import("@libp2p/yamux"),
    import("@libp2p/identify"),
    import("@libp2p/ping"),
    import("@libp2p/circuit-relay-v2"),
  ]);
  const encrypters = { tls: tls(), noise: noise() };
  const silence = settings.socketSilenceMs;
  const muxer = yamux(YAMUX_SETTINGS);
  const host = await createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed("Ed25519", settings.seed),
    // Other software has no business knowing more of us.
    nodeInfo: { name: "rookery", version: "1", userAgent: "rookery" },
    addresses: { listen: settings.listen.map(String) },
    logger: loggerOf(settings.logger),
    transports: [
      tcp({ inboundSocketInactivityTimeout: silence, outboundSocketInactivityTimeout: silence }),
      circuitRelayTransport({ maxInboundStopStreams: RELAYED_PER_PEER_MAX }),
    ],
    connectionEncrypters: settings.encryption.map((name) => encrypters[name]),
    streamMuxers: [() => guarded(muxer())],
    services: {
      identify: identify(),
      ping: ping(),
      ...(settings.isRelay && { relay: circuitRelayServer(RELAY_SETTINGS) }),
    },
    connectionGater: {
      denyInboundEncryptedConnection: (peer) => !settings.isWelcome(peer.toString()),
      denyOutboundEncryptedConnection: (peer, { remoteAddr }) =>
        !settings.isExpected(peer.toString(), remoteAddr),
    },
    connectionManager: CONNECTION_SETTINGS,
    connectionMonitor: {
      pingInterval: settings.pingIntervalMs,
      // Fixed: what libp2p would guess from pings on an idle line is too short for a busy one.
      pingTimeout: { minTimeout: settings.pingTimeoutMs, maxTimeout: settings.pingTimeoutMs },
    },
  });
  host.addEventListener("connection:open", ({ detail }) => settings.onConnection(detail));
  // What it remembers of peers is ours to remember, and would grow with everyone who ever connects.
  host.addEventListener(
    "peer:disconnect",
    ({ detail }) => void host.peerStore.delete(detail).catch(() => {}),
  );
  return host;
}

/** The multiaddr of a text, or `undefined` when it is none. */
export type ParseMultiaddr = (text: string) => Multiaddr | undefined;

export async function loadParseMultiaddr(): Promise<ParseMultiaddr> {
  const { multiaddr } = await import("@multiformats/multiaddr");
  return (text) => {
    try {
      return multiaddr(text);
    } catch {
      return undefined;
    }
  };
}

/** `factory`, with bounds on what a peer can make its muxers and connections hold in memory. */
function guarded(factory: StreamMuxerFactory): StreamMuxerFactory {
  const create = factory.createStreamMuxer.bind(factory);
  factory.createStreamMuxer = (connection) => {
    connection.maxWriteBufferLength = CONNECTION_WRITE_BUFFER_BYTES;
    guardYamux(connection, STREAM_WINDOW_BYTES);
    return create(connection);
  };
  return factory;
}

/** libp2p's own log, of which only errors are kept, as details: it calls every failed dial and lost peer one. */
function loggerOf(logger: Logger): ComponentLogger {
  const forComponent = (component: string): Libp2pLogger => {
    const ignore = (): void => {};
    const error = (format: unknown, ...details: unknown[]): void => {
      const cause = details.findLast((detail) => detail instanceof Error);
      logger("debug", "net.libp2p.error", {
        component,
        message: String(format),
        cause: cause?.message,
      });
    };
    return Object.assign(ignore, {
      error,
      trace: ignore,
      enabled: false,
      newScope: (name: string) => forComponent(`${component}:${name}`),
    });
  };
  return { forComponent };
}
