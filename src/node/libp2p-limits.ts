/** The bounds that libp2p is run with. Its own defaults are for another network; each here is set by us. */

/** Open connections, both directions: a syncgroup's storage peers and members, with room; about 100 kB each. */
export const CONNECTIONS_MAX = 256;
/** Inbound connections whose handshake is not finished: all peers of a large group coming back at once. */
export const CONNECTIONS_PENDING_MAX = 128;
/** New connections a second from one address: peers behind one router, and tests on loopback, share an address. */
export const CONNECTIONS_PER_SECOND_MAX = 1000;
/** Streams that one side may have opened on a connection, those of libp2p's own protocols included. */
export const STREAMS_PER_CONNECTION_MAX = 256;
/** Milliseconds that both sides of a new connection have for encryption and multiplexing. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Milliseconds that a peer has to agree to a stream's protocol. */
export const STREAM_OPEN_TIMEOUT_MS = 10_000;

/** Addresses tried for one device: what a ticket may hold. */
export const DIAL_ADDRESSES_MAX = 16;
/** Milliseconds before the next address is tried beside those that have not answered: above a round trip to most peers. */
export const DIAL_STAGGER_MS = 300;
/** Milliseconds for one address, from the first packet to the end of the handshake. */
export const DIAL_ADDRESS_TIMEOUT_MS = 8_000;
/** Milliseconds for all addresses of one device; the last of them is begun after less than half of it. */
export const DIAL_TIMEOUT_MS = 15_000;
/** Dials at the same time, of all devices. */
export const DIALS_MAX = 64;

/** Milliseconds between pings of each connection: eight peers in full mesh send about 0.6 kB/s when idle. */
export const PING_INTERVAL_MS = 60_000;
/** Milliseconds that a peer may take to answer a ping before the connection is cut: slow disks and long pauses pass. */
export const PING_TIMEOUT_MS = 30_000;
/** Milliseconds of silence after which the socket is closed: two pings and their answers missing. */
export const SOCKET_SILENCE_MS = 180_000;
/** Milliseconds between measurements of the round trip by yamux, which grows a window only when it knows one. */
export const ROUND_TRIP_INTERVAL_MS = 3_600_000;

/** Bytes of one stream that libp2p buffers before it aborts: four windows, since it opens the window before we read. */
export const LIBP2P_READ_BUFFER_BYTES = 4 * 1024 * 1024;
/** Bytes of one stream that libp2p holds unsent before it aborts: a backstop, `write` stops far below. */
export const LIBP2P_WRITE_BUFFER_BYTES = 1024 * 1024;
/** Bytes of one connection that libp2p holds unsent before it aborts: a peer that asks and never reads ends there. */
export const CONNECTION_WRITE_BUFFER_BYTES = 64 * 1024 * 1024;

/** Bytes of a stream's window that are used before the peer is told that it may send on: many small messages, and less than one piece of what is large. */
export const WINDOW_UPDATE_BYTES = 4096;

/** Milliseconds within which a second link between two devices is one that both dialled at once, not a new start. */
export const LINK_JOIN_MS = 15_000;
/** Milliseconds that a superfluous link stays, so that streams on their way over it arrive. */
export const LINK_IDLE_MS = 10_000;
/** Milliseconds that `close` waits for orderly ends before everything is cut. */
export const CLOSE_TIMEOUT_MS = 3_000;

/** Bytes handed to libp2p at once over TLS: one TLS record, measured a tenth to a fifth faster than 64 to 256 KiB. */
export const TLS_SEND_BYTES = 16 * 1024;
/** Bytes handed to libp2p at once over Noise: with yamux's header one Noise message, measured faster than less or more. */
export const NOISE_SEND_BYTES = 65_507;

/** Relays that a device is reached through. */
export const RELAYS_MAX = 4;
/** Milliseconds until a relay is looked at again, doubled each time it fails. */
export const RELAY_RETRY_MIN_MS = 5_000;
/** The longest such wait. */
export const RELAY_RETRY_MAX_MS = 300_000;
/** Milliseconds that opening waits for relays: who starts without one is reached through it later. */
export const RELAY_START_MS_MAX = 5_000;
/** Devices that a relay keeps a place for. */
export const RELAY_RESERVATIONS_MAX = 128;
/** Milliseconds that such a place lasts; the device asks again before. */
export const RELAY_RESERVATION_MS = 7_200_000;
/** Milliseconds that a relayed connection lasts: the devices then make another one and go on where they were. */
export const RELAYED_MS_MAX = 3_600_000;
/** Bytes that a relayed connection carries each way. */
export const RELAYED_BYTES_MAX = 268_435_456;
/** Relayed connections under way of one device at a relay. */
export const RELAYED_PER_PEER_MAX = 32;

/** Devices on the local network whose addresses are remembered; the oldest goes first. */
export const LOCAL_DEVICES_MAX = 256;
/** Addresses that count of one such device: half of those that are dialled, since relays are dialled after all others. */
export const LOCAL_ADDRESSES_MAX = 8;
/** Milliseconds that such an address counts since it was heard last: a few queries. */
export const LOCAL_PLACE_MS = 300_000;
/** Milliseconds before other addresses take the place of those that a device was just said to have: its own word comes again. */
export const LOCAL_CHANGE_MS_MIN = 10_000;
/** Characters of such an address. */
export const LOCAL_ADDRESS_CHARS_MAX = 256;
/** Milliseconds between queries on the local network. */
export const LOCAL_QUERY_INTERVAL_MS = 30_000;
