import { assert, type Clock, type DeviceId } from "../../base/index.ts";
import {
  type Connection,
  NetError,
  type ServeStreamDeps,
  type StreamHandler,
  type Transport,
} from "../../net/index.ts";
import type { SimConnection } from "./connection.ts";
import { type SimNetwork, type SimTransportOptions } from "./network.ts";

/** The transport of one process on a simulated network. */
export class SimTransport implements Transport {
  readonly device: DeviceId;
  readonly place: string;
  readonly serving: ServeStreamDeps;
  readonly isListening: boolean;
  readonly #network: SimNetwork;
  readonly #servingInstead: SimTransportOptions["serving"];
  readonly #connectionsByDevice = new Map<DeviceId, SimConnection>();
  readonly #handlersByProtocol = new Map<string, StreamHandler>();
  readonly #listeners = new Set<(connection: Connection) => void>();
  readonly #closed = new AbortController();
  #isDead = false;
  #hasMet = false;

  constructor(network: SimNetwork, device: DeviceId, options: SimTransportOptions) {
    this.#network = network;
    this.device = device;
    this.place = options.place;
    this.isListening = options.listen ?? true;
    this.#servingInstead = options.serving;
    const { scheduler } = network.deps;
    const clock: Clock = {
      now: () => scheduler.now,
      monotonic: () => scheduler.now,
      // A dead process lets no stream linger.
      sleep: (ms, signal) => scheduler.sleepUnless(ms, "linger", signal),
    };
    this.serving = { clock, logger: options.logger ?? (() => {}) };
  }

  get address(): string {
    return `${this.place}/p2p/${this.device}`;
  }

  /** Whether there has ever been a connection. */
  get hasMet(): boolean {
    return this.#hasMet;
  }

  /** Whether its process has been killed. */
  get isDead(): boolean {
    return this.#isDead;
  }

  addresses(): readonly string[] {
    return this.isListening && !this.#closed.signal.aborted ? [this.address] : [];
  }

  connections(): readonly SimConnection[] {
    return [...this.#connectionsByDevice.values()];
  }

  /** The open connection to `device`, if there is one. */
  connectionTo(device: DeviceId): SimConnection | undefined {
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
      (await this.#network.dial(this, device, addresses, AbortSignal.any(signals)))
    );
  }

  handle(protocol: string, given: StreamHandler): () => void {
    assert(!this.#handlersByProtocol.has(protocol), "one handler a protocol");
    const handler = this.#servingInstead?.(protocol, given) ?? given;
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
  add(connection: SimConnection): void {
    // The peer has lost or closed an earlier one, and word of that is still under way.
    this.connectionTo(connection.peer)?.lose("replaced by a new one");
    this.#hasMet = true;
    this.#connectionsByDevice.set(connection.peer, connection);
    connection.closed.addEventListener("abort", () => this.#remove(connection), { once: true });
    for (const listener of this.#listeners) listener(connection);
  }

  #remove(connection: SimConnection): void {
    if (this.#connectionsByDevice.get(connection.peer) === connection)
      this.#connectionsByDevice.delete(connection.peer);
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new NetError("NET_CLOSED", "Transport is closed"));
    this.#network.leave(this);
    for (const connection of this.connections()) await connection.close("with the transport");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Its process is gone. Peers notice in `noticeMs()` milliseconds each. */
  kill(noticeMs: () => number): void {
    this.#isDead = true;
    this.#network.leave(this);
    for (const connection of this.connections()) connection.die(noticeMs());
    this.#connectionsByDevice.clear();
    this.#handlersByProtocol.clear();
  }
}
