import { assert, type DeviceId } from "../base/index.ts";
import { NetError } from "./errors.ts";
import type { MemoryConnection, MemoryConnectionOwner } from "./memory-connection.ts";
import type { ServeStreamDeps } from "./serve-stream.ts";
import type { Connection, StreamHandler, Transport } from "./transport.ts";

/** How a memory transport reaches the others. */
export interface MemorySwitchboard {
  /** Makes a connection from `dialler` to whoever is at one of `addresses`. */
  dial(
    dialler: MemoryTransport,
    device: DeviceId,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<MemoryConnection>;
  leave(transport: MemoryTransport): void;
}

/** The transport of one device of a memory network. Made by `MemoryNetwork.transport`. */
export class MemoryTransport implements Transport, MemoryConnectionOwner {
  readonly device: DeviceId;
  /** Where others reach it, or would if it listened. */
  readonly address: string;
  readonly serving: ServeStreamDeps;
  readonly isListening: boolean;
  readonly #switchboard: MemorySwitchboard;
  readonly #connectionsByDevice = new Map<DeviceId, MemoryConnection>();
  readonly #handlersByProtocol = new Map<string, StreamHandler>();
  readonly #listeners = new Set<(connection: Connection) => void>();
  readonly #closed = new AbortController();

  constructor(
    switchboard: MemorySwitchboard,
    serving: ServeStreamDeps,
    device: DeviceId,
    address: string,
    isListening: boolean,
  ) {
    this.#switchboard = switchboard;
    this.serving = serving;
    this.device = device;
    this.address = address;
    this.isListening = isListening;
  }

  addresses(): readonly string[] {
    return this.isListening && !this.#closed.signal.aborted ? [this.address] : [];
  }

  connections(): readonly MemoryConnection[] {
    return [...this.#connectionsByDevice.values()];
  }

  /** The open connection to `device`, if there is one. */
  connectionTo(device: DeviceId): MemoryConnection | undefined {
    return this.#connectionsByDevice.get(device);
  }

  async connect(
    device: DeviceId,
    addresses: readonly string[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Connection> {
    assert(device !== this.device, "a device does not connect to itself");
    options?.signal?.throwIfAborted();
    this.#closed.signal.throwIfAborted();
    const signals = [this.#closed.signal];
    if (options?.signal !== undefined) signals.push(options.signal);
    return (
      this.connectionTo(device) ??
      (await this.#switchboard.dial(this, device, addresses, AbortSignal.any(signals)))
    );
  }

  handle(protocol: string, handler: StreamHandler): () => void {
    assert(!this.#handlersByProtocol.has(protocol), "one handler a protocol");
    this.#handlersByProtocol.set(protocol, handler);
    return () => {
      if (this.#handlersByProtocol.get(protocol) === handler)
        this.#handlersByProtocol.delete(protocol);
    };
  }

  handlerOf(protocol: string): StreamHandler | undefined {
    return this.#handlersByProtocol.get(protocol);
  }

  onConnection(listener: (connection: Connection) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Takes a connection that has just been made, and tells the listeners. */
  add(connection: MemoryConnection): void {
    // The peer has lost or closed an earlier one, and word of that is still under way.
    this.connectionTo(connection.peer)?.end("replaced by a new one");
    this.#connectionsByDevice.set(connection.peer, connection);
    connection.closed.addEventListener("abort", () => this.#remove(connection), { once: true });
    for (const listener of this.#listeners) listener(connection);
  }

  #remove(connection: MemoryConnection): void {
    if (this.#connectionsByDevice.get(connection.peer) === connection) {
      this.#connectionsByDevice.delete(connection.peer);
    }
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new NetError("NET_CLOSED", "Transport is closed"));
    this.#switchboard.leave(this);
    for (const connection of this.connections()) await connection.close("with the transport");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
