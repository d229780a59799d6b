import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate } from "node:timers/promises";
import { randomBytes } from "node:crypto";
import type { Connection, Libp2p, MessageStream } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { tls } from "@libp2p/tls";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { expect, test, vi } from "vitest";
import { frameHeader } from "../base/index.ts";
import { FramedStream, STREAMS_PER_PROTOCOL_MAX, type Transport } from "../net/index.ts";
import { nodeClock } from "./ports.ts";
import { PROTOCOL, aborted, pattern, readPattern, serveEcho, until } from "../testkit/index.ts";
import { libp2pWorld } from "../testkit/libp2p-world.ts";
import { STREAMS_PER_CONNECTION_MAX } from "./libp2p-limits.ts";

// Real handshakes on a busy machine: slow is not wrong.
vi.setConfig({ testTimeout: 60_000 });

/** A libp2p without our bounds and rules: what a stranger may run. */
function stranger(encrypters = [tls(), noise()]): Promise<Libp2p> {
  return createLibp2p({
    transports: [tcp()],
    connectionEncrypters: encrypters,
    streamMuxers: [yamux({ maxOutboundStreams: 10_000 })],
  });
}

/** What lies under the streams of `connection`: where yamux writes its frames. */
function underStreams(connection: Connection): MessageStream {
  return (connection as unknown as { muxer: { maConn: MessageStream } }).muxer.maConn;
}

/** A header of yamux, version 0. */
function header(type: number, flags: number, stream: number, length: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint8(1, type);
  view.setUint16(2, flags);
  view.setUint32(4, stream);
  view.setUint32(8, length);
  return bytes;
}

/** Runs `attack` on a server that a good peer is connected to; both must be as well as before. */
async function attacked(
  attack: (server: Transport, address: string) => Promise<void>,
): Promise<void> {
  await using world = libp2pWorld();
  const [server, good] = [await world.open(), await world.open({ listen: false })];
  serveEcho(server);
  const connection = await good.connect(server.device, world.addressesOf(server));
  const before = await connection.open(PROTOCOL);
  await before.write(pattern(1000));
  expect(await readPattern(before, 1000)).toBe(1000);

  await attack(server, server.addresses()[0] as string);

  await before.write(pattern(1000, 1000));
  expect(await readPattern(before, 1000, 1000)).toBe(1000);
  const after = await connection.open(PROTOCOL);
  await after.write(pattern(1000));
  expect(await readPattern(after, 1000)).toBe(1000);
  await until(world, () => server.connections().length === 1);
}

/** Runs `attack` as a peer that has proven who it is. */
async function attackedByPeer(
  attack: (connection: Connection, server: Transport) => Promise<void>,
): Promise<void> {
  await attacked(async (server, address) => {
    const peer = await stranger();
    try {
      await attack(await peer.dial(multiaddr(address)), server);
    } finally {
      await peer.stop();
    }
  });
}

test("[NE22] a frame larger than any window ends the connection before it is collected", async () => {
  await attackedByPeer(async (connection) => {
    const stream = await connection.newStream(PROTOCOL);
    const closed = once(connection as unknown as EventTarget, "close");
    underStreams(connection).send(header(0, 0, Number(stream.id), 2 ** 32 - 1));
    await closed;
  });
});

test.for([
  ["garbage in place of frames", randomBytes(100)],
  [
    "more bytes than the window has room for",
    new Uint8Array([...header(0, 1, 999, 1_000_000), ...new Uint8Array(1_000_000)]),
  ],
  ["an answer to a ping that was not sent", header(2, 2, 0, 5)],
  ["a stream of the wrong parity", header(1, 1, 1000, 0)],
] as const)("[NE22] %s ends the connection, and no other", async ([, bytes]) => {
  await attackedByPeer(async (connection) => {
    const closed = once(connection as unknown as EventTarget, "close");
    underStreams(connection).send(bytes);
    await closed;
  });
});

test("[NE22] streams beyond the bound are refused, whatever protocol they would have", async () => {
  await attackedByPeer(async (connection, server) => {
    const under = underStreams(connection);
    for (let i = 0; i < 3 * STREAMS_PER_CONNECTION_MAX; i++)
      under.send(header(1, 1, 1001 + 2 * i, 0));
    await expect(connection.newStream(PROTOCOL, { maxOutboundStreams: 10_000 })).rejects.toThrow();
    expect(server.connections()).toHaveLength(2);
  });
});

test("[NE19] streams of a protocol beyond the bound are reset, though their opener does not count", async () => {
  await attackedByPeer(async (connection, server) => {
    server.handle("/held", () => new Promise(() => {}));
    const open = () => connection.newStream("/held", { maxOutboundStreams: 10_000 });
    const held = await Promise.all(Array.from({ length: STREAMS_PER_PROTOCOL_MAX }, open));
    const beyond = await open();
    while (beyond.status === "open") await setImmediate();
    expect(beyond.status).toBe("reset");
    expect(held.every(({ status }) => status === "open")).toBe(true);
  });
});

test("[NE22] bytes that are no handshake are hung up on", async () => {
  await attacked(async (_, address) => {
    const [, , host, , port] = address.split("/");
    const socket = connect(Number(port), host);
    await once(socket, "connect");
    const closed = new Promise((resolve) => socket.on("close", resolve));
    // Reset rather than closed: what it sent was not read to the end.
    socket.on("error", () => {});
    socket.write(randomBytes(100_000));
    await closed;
  });
});

test.for([
  ["tls when both are offered", () => [tls(), noise()], "/tls/1.0.0"],
  ["noise with a peer that knows no tls", () => [noise()], "/noise"],
] as const)("[NE1] connections are encrypted by %s", async ([, encrypters, expected]) => {
  await attacked(async (server, address) => {
    const peer = await stranger(encrypters());
    const inbound = new Promise<{ closed: AbortSignal }>((resolve) => server.onConnection(resolve));
    const connection = await peer.dial(multiaddr(address));
    expect(connection.encryption).toBe(expected);
    const { closed } = await inbound;
    await peer.stop();
    await aborted(closed);
  });
});

test("[NE8] a peer that leaves in the middle of a stream, in whatever order, does not seem to have ended it", async () => {
  await attackedByPeer(async (connection, server) => {
    const read = Promise.withResolvers<unknown>();
    server.handle("/cut", async (stream) => {
      try {
        while ((await stream.read()) !== undefined);
        read.resolve("an end");
      } catch (error) {
        read.resolve(error);
      }
    });
    const stream = await connection.newStream("/cut");
    stream.send(new Uint8Array(1000));
    // A goodbye of yamux without an end of the stream.
    underStreams(connection).send(header(3, 0, 0, 0));
    expect(await read.promise).toMatchObject({ code: "NET_CLOSED" });
  });
});

test.for([
  ["NE26", "a frame over the limit", frameHeader(2 ** 34), "NET_FRAME_TOO_LARGE"],
  ["NE27", "a length without end", new Uint8Array(1000).fill(0xff), "NET_FRAME_MALFORMED"],
  ["NE28", "half a frame", Uint8Array.of(100, 1, 2, 3), "NET_FRAME_TRUNCATED"],
] as const)("[%s] %s resets its stream, and no other", async ([, , bytes, code]) => {
  await attackedByPeer(async (connection, server) => {
    const received = Promise.withResolvers<unknown>();
    server.handle("/framed", async (stream) => {
      const receiving = new FramedStream({ stream, clock: nodeClock() }).receive();
      receiving.then(received.resolve, received.resolve);
      await receiving;
    });
    const stream = await connection.newStream("/framed");
    const reset = new Promise<Event>((resolve) => stream.addEventListener("close", resolve));
    stream.send(bytes);
    void stream.close().catch(() => {});
    expect(await received.promise).toMatchObject({ code });
    expect(await reset).toMatchObject({ local: false });
    expect(connection.status).toBe("open");
  });
});
