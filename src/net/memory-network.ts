import { assert, type Clock, type DeviceId, type Logger, type Random } from "../base/index.ts";
import { NetError } from "./errors.ts";
import { MemoryConnection } from "./memory-connection.ts";
import { MemoryLink, type MemoryWeather } from "./memory-link.ts";
import { type MemorySwitchboard, MemoryTransport } from "./memory-transport.ts";
import type { ServeStreamDeps } from "./serve-stream.ts";
import type { Transport } from "./transport.ts";

export interface MemoryNetworkDeps {
  readonly clock: Clock;
  /** Where given, bytes travel in pieces of chance sizes, the same ones for the same chance. */
  readonly random?: Random | undefined;
  readonly logger?: Logger | undefined;
}

export interface MemoryNetworkOptions {
  /** Milliseconds from one device to another. Default 0: everything arrives at once and the clock is not used. */
  readonly latencyMs?: number | undefined;
}

/**
 * A network in one process, for tests, the simulator and devices that share a page. Runs by its ports alone: the same
 * clock and chance give the same run. Obeys the rules of docs/spec/net.md as any transport does.
 */
export interface MemoryNetwork {
  /**
   * Adds a device, not to be there already. `close` on the transport takes it away again. With `listen: false` it
   * dials but cannot be dialled. Default true.
   */
  transport(device: DeviceId, options?: { readonly listen?: boolean | undefined }): Transport;

  /** Cuts the connection of two devices, if they have one: both see it end, and bytes under way are lost. */
  cut(a: DeviceId, b: DeviceId): void;

  /**
   * Lets only devices of one side reach each other; whoever is named in none is alone. Connections that cross are cut.
   * Replaces an earlier partition.
   */
  partition(...sides: readonly (readonly DeviceId[])[]): void;

  /** Ends the partition. Nobody is connected again by that. */
  heal(): void;

  /** Changes the latency of whatever is sent from now on. */
  setLatency(ms: number): void;
}

/** A network without devices. */
export function createMemoryNetwork(
  deps: MemoryNetworkDeps,
  options: MemoryNetworkOptions = {},
): MemoryNetwork {
  return new MemoryNetworkOfDevices(deps, options);
}

class MemoryNetworkOfDevices implements MemoryNetwork, MemorySwitchboard {
  readonly #weather: MemoryWeather;
  readonly #serving: ServeStreamDeps;
  readonly #transportsByDevice = new Map<DeviceId, MemoryTransport>();
  readonly #transportsByAddress = new Map<string, MemoryTransport>();
  #sideByDevice: ReadonlyMap<DeviceId, number> | undefined;
  #joined = 0;

  constructor(deps: MemoryNetworkDeps, options: MemoryNetworkOptions) {
    this.#weather = { clock: deps.clock, random: deps.random, latencyMs: options.latencyMs ?? 0 };
    this.#serving = { clock: deps.clock, logger: deps.logger ?? (() => {}) };
  }

  transport(device: DeviceId, options?: { readonly listen?: boolean | undefined }): Transport {
    assert(!this.#transportsByDevice.has(device), "a device is on the network once");
    this.#joined++;
    const address = `/memory/${this.#joined}`;
    const transport = new MemoryTransport(
      this,
      this.#serving,
      device,
      `${address}/p2p/${device}`,
      options?.listen ?? true,
    );
    this.#transportsByDevice.set(device, transport);
    this.#transportsByAddress.set(address, transport);
    return transport;
  }

  leave(transport: MemoryTransport): void {
    this.#transportsByDevice.delete(transport.device);
    this.#transportsByAddress.delete(placeOf(transport.address));
  }

  async dial(
    dialler: MemoryTransport,
    device: DeviceId,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<MemoryConnection> {
    const link = new MemoryLink(this.#weather);
    await link.roundTrip(signal);
    const there = addresses.map((address) => this.#transportsByAddress.get(placeOf(address)));
    const answering = there.filter(
      (transport) => transport?.isListening === true && this.#canReach(dialler, transport),
    );
    const dialled = answering.find((transport) => transport?.device === device);
    if (dialled === undefined) {
      if (answering.length > 0)
        throw new NetError(
          "NET_PEER_MISMATCH",
          `Cannot connect to ${device}: another device answered`,
        );
      throw new NetError("NET_UNREACHABLE", `Cannot connect to ${device}: no address answered`);
    }
    // Both may have dialled: who comes second takes what the first has made.
    const existing = dialler.connectionTo(device);
    if (existing !== undefined) return existing;
    const [outbound, inbound] = MemoryConnection.pair(dialler, dialled, link);
    dialled.add(inbound);
    dialler.add(outbound);
    return outbound;
  }

  cut(a: DeviceId, b: DeviceId): void {
    this.#transportsByDevice.get(a)?.connectionTo(b)?.cut();
  }

  partition(...sides: readonly (readonly DeviceId[])[]): void {
    this.#sideByDevice = new Map(
      sides.flatMap((devices, side) => devices.map((device) => [device, side] as const)),
    );
    for (const transport of this.#transportsByDevice.values()) {
      for (const connection of transport.connections()) {
        const other = this.#transportsByDevice.get(connection.peer);
        if (other === undefined || !this.#canReach(transport, other)) connection.cut();
      }
    }
  }

  heal(): void {
    this.#sideByDevice = undefined;
  }

  setLatency(ms: number): void {
    this.#weather.latencyMs = ms;
  }

  #canReach(from: MemoryTransport, to: MemoryTransport): boolean {
    if (this.#sideByDevice === undefined) return true;
    const side = this.#sideByDevice.get(from.device);
    return side !== undefined && side === this.#sideByDevice.get(to.device);
  }
}

/** An address without the device that it names: where to knock, whoever opens. */
function placeOf(address: string): string {
  return address.replace(/\/p2p\/[^/]*$/, "");
}
