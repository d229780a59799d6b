import type { Libp2p } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import { type Clock, type DeviceId, type Logger, parseDeviceId } from "../base/index.ts";
import { NetError } from "../net/index.ts";
import type { ParseMultiaddr } from "./libp2p-host.ts";
import { RELAY_RETRY_MAX_MS, RELAY_RETRY_MIN_MS, RELAYS_MAX } from "./libp2p-limits.ts";

/** A relay, or a device behind one: where the relay is dialled, and which device it is. */
export interface RelayPlace {
  readonly relay: DeviceId;
  /** Without the relay's name. */
  readonly place: Multiaddr;
}

/** The relay in `/ip4/…/tcp/…/p2p/<relay>`, with or without what follows; `undefined` when there is none. */
export function relayOf(text: string, parse: ParseMultiaddr): RelayPlace | undefined {
  const [host, port, named] = parse(text)?.getComponents() ?? [];
  const relay = named?.name === "p2p" ? parseDeviceId(named.value ?? "") : undefined;
  if (host === undefined || port?.name !== "tcp" || relay === undefined) return undefined;
  const place = parse(`/${host.name}/${host.value}/tcp/${port.value}`);
  return place === undefined ? undefined : { relay, place };
}

/** The relays to be reached through. @throws {NetError} `NET_ADDRESS_INVALID`. */
export function parseRelays(texts: readonly string[], parse: ParseMultiaddr): RelayPlace[] {
  if (texts.length > RELAYS_MAX)
    throw new NetError("NET_ADDRESS_INVALID", `Cannot use relays: over ${RELAYS_MAX} of them`);
  return texts.map((text) => {
    const relay = relayOf(text, parse);
    const components = parse(text)?.getComponents().length;
    if (relay === undefined || components !== 3)
      throw new NetError(
        "NET_ADDRESS_INVALID",
        `Cannot use relay "${text}": not an address like /ip4/192.0.2.1/tcp/4001/p2p/…`,
      );
    return relay;
  });
}

export interface RelayedDeps {
  readonly host: Libp2p;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly parse: ParseMultiaddr;
  /** Connects to a relay, proving who it is. */
  readonly dial: (relay: RelayPlace, signal: AbortSignal) => Promise<void>;
}

/** What `Libp2p` has and does not show: where to listen may be added to while it runs. */
interface WithTransports {
  readonly components: {
    readonly transportManager: { listen(addresses: Multiaddr[]): Promise<void> };
  };
}

/** Keeps a place at each relay that we are to be reached through, for as long as `signal` is not aborted. */
export class Relayed {
  readonly #deps: RelayedDeps;
  readonly #relays: readonly RelayPlace[];

  constructor(deps: RelayedDeps, relays: readonly RelayPlace[]) {
    this.#deps = deps;
    this.#relays = relays;
  }

  /** Whether we are to be reached directly only. */
  get isUnused(): boolean {
    return this.#relays.length === 0;
  }

  /** Those of our addresses that lead to us directly, and through relays that we chose: whoever relays to us unasked is not told of. */
  chosen(addresses: readonly string[]): readonly string[] {
    const direct = addresses.filter((text) => !text.includes("/p2p-circuit"));
    const through = addresses.filter(
      (text) =>
        text.includes("/p2p-circuit") &&
        this.#relays.some(({ relay }) => text.includes(`/p2p/${relay}/p2p-circuit`)),
    );
    return [...direct, ...through];
  }

  /** Resolves when each relay has been asked once; goes on asking those that are lost or did not answer. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.#relays.map(async (relay) => {
        await this.#reserve(relay, signal);
        void this.#keep(relay, signal);
      }),
    );
  }

  #has({ relay }: RelayPlace): boolean {
    const { host } = this.#deps;
    return host
      .getMultiaddrs()
      .some((address) => address.toString().includes(`/p2p/${relay}/p2p-circuit`));
  }

  async #keep(relay: RelayPlace, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    let wait = RELAY_RETRY_MIN_MS;
    while (!signal.aborted) {
      await clock.sleep(wait, signal).catch(() => {});
      if (signal.aborted) return;
      if (this.#has(relay) || (await this.#reserve(relay, signal))) wait = RELAY_RETRY_MIN_MS;
      else wait = Math.min(2 * wait, RELAY_RETRY_MAX_MS);
    }
  }

  async #reserve(relay: RelayPlace, signal: AbortSignal): Promise<boolean> {
    const { host, logger, parse, dial } = this.#deps;
    try {
      await dial(relay, signal);
      const at = parse(`${relay.place.toString()}/p2p/${relay.relay}/p2p-circuit`) as Multiaddr;
      const { transportManager } = (host as unknown as WithTransports).components;
      await transportManager.listen([at]);
      logger("info", "net.relay.reserved", { relay: relay.relay });
      return true;
    } catch (error) {
      if (!signal.aborted)
        logger("info", "net.relay.failed", { relay: relay.relay, message: String(error) });
      return false;
    }
  }
}
