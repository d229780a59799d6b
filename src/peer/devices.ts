import { formatTicket, parseTicket, Tags } from "../access/index.ts";
import {
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  type Logger,
  type Random,
  type ScopeId,
} from "../base/index.ts";
import { hasEnded } from "../groups/index.ts";
import type { History } from "../history/index.ts";
import { askToPair, PairError, Pairer, PAIRING_MS, parsePairTicket } from "../pairing/index.ts";
import type { SyncService } from "../sync/index.ts";
import type { OwnIdentity } from "./identity.ts";
import { DEVICE_TICKET_ADDRESSES_MAX } from "./limits.ts";
import type { Network } from "./network.ts";
import { revokeDevice, type RevokeDeviceOptions } from "./revoke-device.ts";

export interface PeerDevicesDeps {
  readonly history: History;
  readonly identity: OwnIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
}

export interface PairOptions {
  /** Milliseconds for which the ticket is good, at most a day. Default ten minutes. It also ends with the peer. */
  readonly expiresInMs?: number | undefined;
}

export interface LinkOptions {
  /** Whether to join the user's syncgroups at once. Default `true`. */
  readonly joins?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A syncgroup of the user whose device this one has become. */
export interface LinkedGroup {
  readonly database: string;
  readonly name: string;
  /** To join by; it admits the user's own devices alone. */
  readonly ticket: string;
  readonly isJoined: boolean;
  /** Why not, by its code. */
  readonly error?: string | undefined;
}

/** A device of this peer's user, as the syncgroups that are here know it. */
export interface OwnDevice {
  readonly device: DeviceId;
  readonly name: string;
  readonly isThis: boolean;
}

/** The devices of one user: how another becomes theirs. */
export class PeerDevices {
  readonly #deps: PeerDevicesDeps;
  readonly #pairer: Pairer;
  #network: Network | undefined;
  #isLinking = false;

  constructor(deps: PeerDevicesDeps) {
    this.#deps = deps;
    this.#pairer = new Pairer({
      ...deps,
      device: deps.identity.device,
      userSeed: () => deps.identity.userSeed(),
      tickets: () => this.#tickets(),
    });
  }

  /** What serves pairing, for the network that this is the device of. */
  serverOf(network: Network): Pairer {
    this.#network = network;
    return this.#pairer;
  }

  /**
   * A ticket by which one other device becomes this user's, `rookery-pair:…`. It is as secret as the user's key: show it to nobody else.
   *
   * @throws {PairError} `PAIR_NO_USER_KEY` on any but the user's first device, `PAIR_FAILED` when this device does not listen; {RangeError}; {NetError}.
   */
  async pair({ expiresInMs = PAIRING_MS }: PairOptions = {}): Promise<string> {
    const network = this.#running();
    await network.open();
    const addresses = await network.addresses();
    if (addresses.length === 0)
      throw new PairError("PAIR_FAILED", "Cannot pair: this device does not listen");
    return this.#pairer.ticket(addresses, expiresInMs);
  }

  /**
   * Makes this device another one of the ticket's user, and joins their syncgroups; those that could not be joined now say why.
   *
   * @throws {PairError} `PAIR_NOT_FRESH` when something is in its databases already, `PAIR_TICKET_INVALID`, `PAIR_EXPIRED`, `PAIR_USED`, `PAIR_REFUSED`,
   *   `PAIR_FAILED`: and nothing has changed; {StoreError} when it could not be noted; {NetError}; the signal's reason.
   */
  async linkTo(text: string, options: LinkOptions = {}): Promise<readonly LinkedGroup[]> {
    const { crypto, history, identity, logger } = this.#deps;
    const ticket = parsePairTicket(text, crypto);
    this.#refuseUnlessFresh();
    this.#isLinking = true;
    try {
      const network = this.#running();
      const transport = await network.transport();
      const signal = options.signal ?? new AbortController().signal;
      const { name } = identity.certified;
      const paired = await askToPair({ ...this.#deps, transport }, ticket, name, signal);
      await history.whileUnwritten(async () => {
        // Somebody may have written something while we asked.
        if (!this.#isFresh) throw notFresh();
        await identity.adopt(paired.certified);
      });
      logger("info", "peer.linked", { user: paired.certified.user });
      const groups: LinkedGroup[] = [];
      for (const one of paired.tickets) groups.push(await this.#join(one, options));
      return groups;
    } finally {
      this.#isLinking = false;
    }
  }

  /** This user's devices: this one, and those in its syncgroups. */
  list(): readonly OwnDevice[] {
    const { identity, history } = this.#deps;
    const { user, name } = identity.certified;
    const devices = new Map<DeviceId, OwnDevice>();
    const sharing = this.#network?.current?.sharing;
    for (const group of sharing?.allGroups() ?? []) {
      const access = history.scope(group)?.access;
      for (const { device, name: called } of sharing?.members(group) ?? []) {
        if (access?.userOf(device) !== user) continue;
        devices.set(device, { device, name: called, isThis: device === identity.device });
      }
    }
    devices.set(identity.device, { device: identity.device, name, isThis: true });
    return [...devices.values()];
  }

  /** Takes a device out wherever that is ours to do. Answers the scopes. @throws as `revokeDevice`. */
  revoke(device: DeviceId, { incomplete }: RevokeDeviceOptions = {}): Promise<readonly ScopeId[]> {
    const whyNotRevoke = (scope: ScopeId): string | undefined =>
      this.#network?.current?.sharing.whyNotRevoke(scope, incomplete);
    return revokeDevice({ ...this.#deps, whyNotRevoke }, device);
  }

  #refuseUnlessFresh(): void {
    if (this.#isLinking || !this.#isFresh) throw notFresh();
  }

  /** A database that holds nothing, as a join leaves that was refused, is nobody's yet. One that has joined a group is its user's, before anything of that has come. */
  get #isFresh(): boolean {
    const { history } = this.#deps;
    if ((this.#network?.current?.sharing.allGroups() ?? []).length > 0) return false;
    return history.databases().every((name) => history.scopes(name).length === 0);
  }

  async #join(text: string, { joins = true, signal }: LinkOptions): Promise<LinkedGroup> {
    const { group } = parseTicket(text, this.#deps);
    const { database, name } = group;
    const linked = { database, name, ticket: text };
    if (!joins) return { ...linked, isJoined: false };
    try {
      const sync = await this.#running().open();
      await this.#deps.history.createDatabase(database);
      await sync.join(database, text, { signal });
      return { ...linked, isJoined: true };
    } catch (error) {
      signal?.throwIfAborted();
      return { ...linked, isJoined: false, error: codeOf(error) ?? "UNKNOWN" };
    }
  }

  /** Tickets to the groups that are here and have not ended, at devices that may admit: us first, then other admins. */
  #tickets(): readonly string[] {
    const { crypto, random } = this.#deps;
    const sync = this.#network?.current;
    if (sync === undefined) return [];
    return sync.sharing.allGroups().flatMap((group) => {
      if (hasEnded(sync.status(group))) return [];
      const addresses = this.#admittingAddresses(sync, group);
      // The secret is of no invite: what admits is the certificate.
      const ticket = { group, addresses, secret: random.bytes(32) };
      return addresses.length === 0 ? [] : [formatTicket(ticket, { crypto })];
    });
  }

  #admittingAddresses(sync: SyncService, group: ScopeId): readonly string[] {
    const { history, identity } = this.#deps;
    const access = history.scope(group)?.access;
    const admins = sync.sharing
      .members(group)
      .filter(({ device, hasLeft }) => !hasLeft && access?.may(device, Tags.ADMIN) === true)
      .toSorted(
        (a, b) => Number(b.device === identity.device) - Number(a.device === identity.device),
      );
    return admins.flatMap(({ addresses }) => addresses).slice(0, DEVICE_TICKET_ADDRESSES_MAX);
  }

  #running(): Network {
    if (this.#network === undefined) throw new PairError("PAIR_FAILED", "Cannot pair: no network");
    return this.#network;
  }
}

function notFresh(): PairError {
  return new PairError(
    "PAIR_NOT_FRESH",
    "Cannot link device: it has data of its own user. Link it before anything is made on it",
  );
}
