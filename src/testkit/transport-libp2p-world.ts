import { randomBytes } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Transport } from "../net/index.ts";
import {
  type Libp2pTransportOptions,
  nodeClock,
  openLibp2pTransport,
  SOCKET_SILENCE_MS,
} from "../node/index.ts";
import type { TransportWorld } from "./transport-world.ts";

/** Real milliseconds that something under way on loopback takes at most, when nothing else is to be waited for. */
const BREATH_MS = 10;
/**
 * A world on libp2p over loopback. Every device is reached through a relay, which is the line that can be cut. Its
 * `idle` lasts twice the silence that closes a socket: minutes, unless `options` shorten that.
 */
export function libp2pWorld(options: Partial<Libp2pTransportOptions> = {}): TransportWorld {
  const transports: Transport[] = [];
  const relays = new Map<Transport, Relay>();
  return {
    async open({ listen = true } = {}) {
      const transport = await openLibp2pTransport(
        { seed: randomBytes(32), clock: nodeClock(), logger: () => {} },
        { ...options, listen: listen ? ["/ip4/127.0.0.1/tcp/0"] : [] },
      );
      transports.push(transport);
      const [address] = transport.addresses();
      if (address !== undefined) relays.set(transport, await Relay.open(address));
      return transport;
    },
    addressesOf: (transport) => {
      const relay = relays.get(transport);
      return relay === undefined
        ? []
        : [`/ip4/127.0.0.1/tcp/${relay.port}/p2p/${transport.device}`];
    },
    // The discard service, which no machine that runs tests offers.
    deadAddress: "/ip4/127.0.0.1/tcp/9",
    async cut() {
      for (const relay of relays.values()) relay.cut();
    },
    breathe: () => sleep(BREATH_MS),
    idle: () => sleep(2 * (options.socketSilenceMs ?? SOCKET_SILENCE_MS)),
    async [Symbol.asyncDispose]() {
      await Promise.all(transports.map((transport) => transport.close()));
      await Promise.all([...relays.values()].map((relay) => relay.close()));
    },
  };
}

/** Passes TCP connections on to one address, until they are cut or frozen. */
export class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly port: number;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** A relay to `address`, a multiaddr text with host and port. */
  static async open(address: string): Promise<Relay> {
    const [, , host, , targetPort] = address.split("/");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const bound = server.address();
    const relay = new Relay(server, typeof bound === "object" && bound !== null ? bound.port : 0);
    server.on("connection", (near) => relay.#join(near, connect(Number(targetPort), host)));
    return relay;
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  /** Breaks all connections; new ones pass. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Passes nothing on any more, without telling anybody: what a lost radio link looks like. */
  freeze(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
