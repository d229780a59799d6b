/**
 * A network that misbehaves: latency of its own for each link and direction, partitions one way or both, connections
 * that one end takes for alive, streams that are cut in the middle of a frame.
 */

import { assert, type DeviceId, type Logger } from "../../base/index.ts";
import { NetError, type StreamHandler } from "../../net/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { SimConnection } from "./connection.ts";
import { LinkState } from "./link.ts";
import type { Scheduler } from "./scheduler.ts";
import { SimTransport } from "./transport.ts";

/** Told of what devices hand over to be sent, on whatever stream. */
export interface WireTap {
  wrote(write: {
    readonly from: DeviceId;
    readonly to: DeviceId;
    readonly protocol: string;
    /** Names the stream. */
    readonly stream: object;
    /** Whether the sender opened it, as against serving it. */
    readonly isOpener: boolean;
    readonly bytes: Uint8Array;
  }): void;
}

export interface SimNetworkDeps {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly tap?: WireTap | undefined;
  /** Told of what went wrong on purpose. */
  readonly onFault?: ((name: string) => void) | undefined;
}

export interface SimTransportOptions {
  /** Where others reach it: `/sim/<place>`. */
  readonly place: string;
  /** Default true. */
  readonly listen?: boolean | undefined;
  readonly logger?: Logger | undefined;
  /** What is served in the place of a handler. Default: itself. */
  readonly serving?: ((protocol: string, handler: StreamHandler) => StreamHandler) | undefined;
}

/** Milliseconds after which an unanswered dial is given up. */
const DIAL_MS_MAX = 10_000;
/** Milliseconds after which an end notices that nothing arrives from the other: keep-alive, drawn for each end. */
const NOTICE_MS_MIN = 5_000;
const NOTICE_MS_SPREAD = 40_000;

export class SimNetwork {
  readonly deps: SimNetworkDeps;
  readonly #transportsByPlace = new Map<string, SimTransport>();
  readonly #linksByEnds = new Map<string, LinkState>();
  readonly #connections = new Set<SimConnection>();
  /** Share of dials that fail though the peer is there. */
  dialFailure = 0;

  constructor(deps: SimNetworkDeps) {
    this.deps = deps;
  }

  /** Adds a device. `close` or `kill` on the transport takes it away again. */
  transport(device: DeviceId, options: SimTransportOptions): SimTransport {
    const transport = new SimTransport(this, device, options);
    assert(!this.#transportsByPlace.has(options.place), "a place is taken once");
    this.#transportsByPlace.set(options.place, transport);
    return transport;
  }

  leave(transport: SimTransport): void {
    if (this.#transportsByPlace.get(transport.place) === transport)
      this.#transportsByPlace.delete(transport.place);
  }

  /** What runs from one device to another. */
  link(from: DeviceId, to: DeviceId): LinkState {
    const ends = `${from} ${to}`;
    const known = this.#linksByEnds.get(ends);
    if (known !== undefined) return known;
    const link = new LinkState(this.deps);
    this.#linksByEnds.set(ends, link);
    return link;
  }

  /** @throws {NetError} `NET_UNREACHABLE`, `NET_PEER_MISMATCH`; the signal's reason. */
  async dial(
    dialler: SimTransport,
    device: DeviceId,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<SimConnection> {
    const there = this.link(dialler.device, device);
    const back = this.link(device, dialler.device);
    const { scheduler, random } = this.deps;
    await scheduler.sleepUnless(there.draw() + back.draw(), "dial", signal);
    if (dialler.isDead) return new Promise(() => {});
    if (there.isBlocked || back.isBlocked) {
      await scheduler.sleepUnless(DIAL_MS_MAX, "dial unanswered", signal);
      throw unreachable(device);
    }
    const answering = addresses
      .map((address) => this.#transportsByPlace.get(placeOf(address)))
      .filter((transport) => transport?.isListening === true);
    const dialled = answering.find((transport) => transport?.device === device);
    if (dialled === undefined) {
      if (answering.length === 0) throw unreachable(device);
      throw new NetError("NET_PEER_MISMATCH", `Cannot connect to ${device}: another answered`);
    }
    if (this.dialFailure > 0 && random.chance(this.dialFailure)) {
      this.deps.onFault?.("net.dial");
      throw unreachable(device);
    }
    // Both may have dialled: who comes second takes what the first has made.
    const existing = dialler.connectionTo(device);
    if (existing !== undefined) return existing;
    const [outbound, inbound] = SimConnection.pair(this, dialler, dialled);
    this.#connections.add(outbound).add(inbound);
    dialled.add(inbound);
    dialler.add(outbound);
    return outbound;
  }

  forget(connection: SimConnection): void {
    this.#connections.delete(connection);
  }

  /** The open connection of two devices, by the end of the first. */
  connection(a: DeviceId, b: DeviceId): SimConnection | undefined {
    for (const one of this.#connections) if (one.device === a && one.peer === b) return one;
    return undefined;
  }

  /** Cuts all lines, as when the power of a router fails. */
  cutAll(): void {
    for (const connection of [...this.#connections]) connection.cut();
  }

  /**
   * Nothing gets from one to the other until it is unblocked as often as it was blocked. What is under way waits. Each end of
   * a connection across notices by itself, some time later, unless it is over by then.
   */
  block(from: DeviceId, to: DeviceId): void {
    const link = this.link(from, to);
    link.block();
    for (const one of this.#connections) {
      const isAcross =
        (one.device === from && one.peer === to) || (one.device === to && one.peer === from);
      if (isAcross) this.noticeLater(one);
    }
  }

  unblock(from: DeviceId, to: DeviceId): void {
    this.link(from, to).unblock();
  }

  /** Ends one end of a connection when it is still cut off after a while. */
  noticeLater(connection: SimConnection): void {
    const { scheduler, random } = this.deps;
    const ms = NOTICE_MS_MIN + random.below(NOTICE_MS_SPREAD);
    scheduler.after(ms, "net.notice", () => {
      if (connection.isHalfOpen) this.deps.onFault?.("net.half-open");
      if (connection.isCutOff) connection.lose("nothing arrives any more");
    });
  }
}

function unreachable(device: DeviceId): NetError {
  return new NetError("NET_UNREACHABLE", `Cannot connect to ${device}: no address answered`);
}

/** An address without the device that it names: where to knock, whoever opens. */
export function placeOf(address: string): string {
  return address.replace(/\/p2p\/[^/]*$/, "");
}
