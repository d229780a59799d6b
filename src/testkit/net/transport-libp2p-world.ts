import { randomBytes } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Transport } from "../../net/index.ts";
import {
  type Libp2pTransportOptions,
  nodeClock,
  openLibp2pTransport,
  SOCKET_SILENCE_MS,
} from "../../node/index.ts";
import type { TransportWorld } from "./transport-world.ts";

/** Real milliseconds that something under way on loopback takes at most, when nothing else is to be waited for. */
const BREATH_MS = 10;
export interface Libp2pWorld extends TransportWorld {
  /** Lets all lines swallow what is sent, and tells nobody. */
  freeze(): Promise<void>;
}

/**
 * A world on libp2p over loopback. Every device is reached through a relay, which is the line that can be cut. Its
 * `idle` lasts twice the silence that closes a socket: minutes, unless `options` shorten that.
 */
export function libp2pWorld(options: Partial<Libp2pTransportOptions> = {}): Libp2pWorld {
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
    async freeze() {
      for (const relay of relays.values()) relay.freeze();
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
  /** Each socket with the one that its bytes go to. */
  readonly #sockets = new Map<Socket, Socket>();
  readonly #frozen = new WeakSet<Socket>();
  readonly port: number;
  #swallowsNew = false;

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
    server.on("connection", (near) => {
      const far = connect(Number(targetPort), host);
      relay.#pass(near, far);
      relay.#pass(far, near);
      if (relay.#swallowsNew) relay.freeze();
    });
    return relay;
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.set(from, to);
    from.pipe(to);
    from.on("error", () => from.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      if (!this.#frozen.has(from)) to.destroy();
    });
  }

  /** Sockets that are open: two for a connection that passes. */
  get socketCount(): number {
    return this.#sockets.size;
  }

  /** Breaks all connections; new ones pass. */
  cut(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  /** Swallows whatever is sent from now on, ends too, and tells nobody: what a lost radio link looks like. */
  freeze(): void {
    for (const [from, to] of this.#sockets) {
      this.#frozen.add(from);
      from.unpipe(to);
      from.resume();
    }
  }

  /** Does so with every connection to come. */
  freezeNew(): void {
    this.#swallowsNew = true;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
