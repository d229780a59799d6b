import { codeOf, type DeviceId, type Logger } from "../base/index.ts";
import type { Connection, Stream, StreamHandler, Transport } from "../net/index.ts";
import type { BlockedPeers } from "./blocked.ts";
import { isPeerFault } from "./fault.ts";

export interface ServingDeps {
  readonly transport: Transport;
  readonly logger: Logger;
  readonly blocked: BlockedPeers;
}

/** The streams that peers have opened, and what becomes of peers that break the protocol. */
export class Serving {
  readonly #deps: ServingDeps;
  readonly #streams = new Map<Stream, Promise<void>>();
  #isClosed = false;

  constructor(deps: ServingDeps) {
    this.#deps = deps;
  }

  /** Runs a handler; a peer that breaks the protocol is disconnected and counted. */
  async run(stream: Stream, connection: Connection, handler: StreamHandler): Promise<void> {
    // Also one whose streams were under way when it was blocked.
    if (this.#isClosed || this.#deps.blocked.has(connection.peer)) return stream.reset();
    const served = handler(stream, connection);
    const settled = served.catch(() => {}).finally(() => this.#streams.delete(stream));
    this.#streams.set(stream, settled);
    try {
      await served;
    } catch (error) {
      if (isPeerFault(error)) this.punish(connection.peer, error);
      throw error;
    }
  }

  /** Disconnects a peer that broke the protocol, and counts it. */
  punish(peer: DeviceId, error: unknown): void {
    const { logger, transport, blocked } = this.#deps;
    blocked.add(peer);
    logger("warn", "sync.peer.fault", {
      peer,
      code: codeOf(error),
      faults: blocked.faults(peer),
    });
    for (const connection of transport.connections()) {
      if (connection.peer === peer) void connection.close("broke the protocol");
    }
  }

  /** Ends all streams. Resolves when nothing serves one any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const stream of this.#streams.keys()) stream.reset();
    await Promise.all(this.#streams.values());
  }
}
