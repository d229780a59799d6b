import type { Connection as Libp2pConnection, Libp2p } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { Clock, DeviceId } from "../base/index.ts";
import { NetError } from "../net/index.ts";
import type { ParseMultiaddr } from "./libp2p-host.ts";
import { relayOf, type RelayPlace } from "./libp2p-relays.ts";
import { DIAL_ADDRESS_TIMEOUT_MS, DIAL_ADDRESSES_MAX, DIAL_STAGGER_MS } from "./libp2p-limits.ts";

const HOSTS_TO_LISTEN: ReadonlySet<string> = new Set(["ip4", "ip6"]);
const HOSTS_TO_DIAL: ReadonlySet<string> = new Set(["ip4", "ip6", "dns", "dns4", "dns6"]);

/** Where to listen: `/ip4/…/tcp/…` or `/ip6/…/tcp/…`. */
export function parseListen(texts: readonly string[], parse: ParseMultiaddr): Multiaddr[] {
  return texts.map((text) => {
    const address = parse(text);
    const names = address?.getComponents().map(({ name }) => name) ?? [];
    if (
      address === undefined ||
      names.length !== 2 ||
      !HOSTS_TO_LISTEN.has(names[0] ?? "") ||
      names[1] !== "tcp"
    ) {
      throw new NetError(
        "NET_ADDRESS_INVALID",
        `Cannot listen at "${text}": not an address like /ip4/0.0.0.0/tcp/4001`,
      );
    }
    return address;
  });
}

/**
 * Those of `texts` that `device` can be dialled at by TCP, each once and without the device's name, then those through relays. Others come from
 * other transports and later versions, so they are no error.
 */
export function parseDialled(
  device: DeviceId,
  texts: readonly string[],
  parse: ParseMultiaddr,
): Multiaddr[] {
  const placesByText = new Map<string, Multiaddr>();
  const relayed: Multiaddr[] = [];
  for (const text of texts) {
    const components = parse(text)?.getComponents() ?? [];
    const [host, port, named, circuit, behind] = components;
    if (circuit?.name === "p2p-circuit") {
      const relay = relayOf(text, parse);
      const isFor = behind === undefined || (behind.name === "p2p" && behind.value === device);
      if (relay === undefined || relay.relay === device || !isFor || components.length > 5)
        continue;
      const place = parse(`${relay.place.toString()}/p2p/${relay.relay}/p2p-circuit/p2p/${device}`);
      if (place !== undefined) relayed.push(place);
      continue;
    }
    if (
      host === undefined ||
      !HOSTS_TO_DIAL.has(host.name) ||
      port?.name !== "tcp" ||
      components.length > 3
    )
      continue;
    if (named !== undefined && (named.name !== "p2p" || named.value !== device)) continue;
    const place = parse(`/${host.name}/${host.value}/tcp/${port.value}`);
    if (place !== undefined) placesByText.set(place.toString(), place);
  }
  // Directly first: a relay is slower, and for others to pay for.
  return [...placesByText.values(), ...relayed].slice(0, DIAL_ADDRESSES_MAX);
}

/** What libp2p calls it when another device answers: our gater refuses it, or it is this device itself. */
const MISMATCHES: ReadonlySet<string> = new Set([
  "ConnectionInterceptedError",
  "InvalidPeerIdError",
]);

/**
 * Dials devices at several addresses each. libp2p would try one after the other and let every dead one use up its
 * time. So each is dialled by itself, not naming the device, and the gater asks here whether who answers is expected.
 */
export class Dialler {
  readonly #host: Libp2p;
  readonly #clock: Clock;
  readonly #expected: ExpectedDevices;
  readonly #parse: ParseMultiaddr;

  constructor(host: Libp2p, clock: Clock, expected: ExpectedDevices, parse: ParseMultiaddr) {
    this.#host = host;
    this.#parse = parse;
    this.#clock = clock;
    this.#expected = expected;
  }

  /**
   * Makes a connection to `device` at any of `places`: the next one is tried when all before have failed, or beside
   * them after `DIAL_STAGGER_MS`.
   *
   * @throws {NetError} `NET_UNREACHABLE`, `NET_PEER_MISMATCH`; the signal's reason when aborted.
   */
  async dial(device: DeviceId, places: readonly Multiaddr[], signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const failures: unknown[] = [];
    let hasWon = false;
    const attempts: Promise<void>[] = [];
    const won = Promise.withResolvers<void>();
    const attempt = async (place: Multiaddr): Promise<void> => {
      try {
        await this.#dialPlace(device, place, AbortSignal.any([signal, stop.signal]));
        hasWon = true;
        won.resolve();
      } catch (error) {
        failures.push(error);
      }
    };
    try {
      for (const place of places) {
        attempts.push(attempt(place));
        const pause = this.#clock
          .sleep(DIAL_STAGGER_MS, AbortSignal.any([signal, stop.signal]))
          .catch(() => {});
        await Promise.race([won.promise, Promise.all(attempts), pause]);
        signal.throwIfAborted();
        if (hasWon) return;
      }
      await Promise.race([won.promise, Promise.all(attempts)]);
      signal.throwIfAborted();
    } finally {
      stop.abort();
    }
    if (!hasWon) throw unreachable(device, failures);
  }

  /** Connects to a relay, unless it is connected. */
  async dialRelay({ relay, place }: RelayPlace, signal: AbortSignal): Promise<void> {
    const isThere = this.#host.getConnections().some((link) => isOpenTo(link, relay));
    if (!isThere) await this.#dialPlace(relay, place, signal);
  }

  async #dialPlace(device: DeviceId, place: Multiaddr, signal: AbortSignal): Promise<void> {
    if (isRelayed(place)) {
      const relay = relayOf(place.toString(), this.#parse);
      if (relay !== undefined) await this.dialRelay(relay, signal);
    }
    const timeout = AbortSignal.timeout(DIAL_ADDRESS_TIMEOUT_MS);
    await this.#expected.during(device, place, async () => {
      // Without `force` libp2p would answer a connection to the same address that is just closing.
      const link = await this.#host.dial(place, {
        signal: AbortSignal.any([signal, timeout]),
        force: true,
      });
      if (link.remotePeer.toString() !== device)
        throw new NetError("NET_PEER_MISMATCH", "Another device answered");
    });
  }
}

function isOpenTo(link: Libp2pConnection, device: DeviceId): boolean {
  return (
    link.status === "open" && link.remotePeer.toString() === device && !isRelayed(link.remoteAddr)
  );
}

/** Whether it leads through a relay. */
export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === "p2p-circuit");
}

function unreachable(device: DeviceId, failures: readonly unknown[]): NetError {
  const cause = failures.length > 1 ? new AggregateError(failures) : failures[0];
  const isMismatch = failures.some(
    (error) => error instanceof Error && (MISMATCHES.has(error.name) || error instanceof NetError),
  );
  if (isMismatch) {
    return new NetError(
      "NET_PEER_MISMATCH",
      `Cannot connect to ${device}: another device answered`,
      { cause },
    );
  }
  return new NetError("NET_UNREACHABLE", `Cannot connect to ${device}: no address answered`, {
    cause,
  });
}

/** Which devices are being dialled at which places. */
export class ExpectedDevices {
  readonly #devicesByPlace = new Map<string, DeviceId[]>();

  isExpected(peerId: string, place: Multiaddr): boolean {
    return this.#devicesByPlace.get(place.toString())?.some((device) => device === peerId) ?? false;
  }

  /** Runs `dial` while `device` is expected at `place`. */
  async during<T>(device: DeviceId, place: Multiaddr, dial: () => Promise<T>): Promise<T> {
    const key = place.toString();
    const devices = this.#devicesByPlace.get(key) ?? [];
    devices.push(device);
    this.#devicesByPlace.set(key, devices);
    try {
      return await dial();
    } finally {
      devices.splice(devices.indexOf(device), 1);
      if (devices.length === 0) this.#devicesByPlace.delete(key);
    }
  }
}
