import { Tags } from "../access/index.ts";
import { type DeviceId, type ScopeId, scopeKeyOf, type UserId } from "../base/index.ts";
import type { History } from "../history/index.ts";
import { DeltaMode } from "../wire/index.ts";
import type { Groups } from "./groups.ts";
import { ADDRESSES_MAX } from "./limits.ts";
import type { Member } from "./members.ts";

/** Who shares what with us, by the syncgroups that are here: a view, asked anew each time. */
export class Sharing {
  readonly #history: History;
  readonly #groups: Groups;

  constructor(history: History, groups: Groups) {
    this.#history = history;
    this.#groups = groups;
  }

  /** Syncgroups of all databases. */
  allGroups(): ScopeId[] {
    return this.#history.databases().flatMap((database) => this.#groups.all(database));
  }

  /** The devices in a group, by their records; also those that have left. */
  members(group: ScopeId): readonly Member[] {
    return this.#groups.members(group);
  }

  /** Whether a device is in a group now, by its record and by a certificate of a user who may read the group. */
  isReader(device: DeviceId, group: ScopeId): boolean {
    const access = this.#history.scope(group)?.access;
    const isMember = (member: Member): boolean => member.device === device && !member.hasLeft;
    return access?.may(device, Tags.READ) === true && this.members(group).some(isMember);
  }

  /** Whose device a peer is, by a certificate that a group which we share holds and that holds now. */
  userOf(device: DeviceId): UserId | undefined {
    for (const group of this.groups(device)) {
      const user = this.#history.scope(group)?.access.userOf(device);
      if (user !== undefined) return user;
    }
    return undefined;
  }

  /** Storage peers of a group now: its devices of type `server` whose user may read it. */
  storagePeers(group: ScopeId): DeviceId[] {
    return this.members(group)
      .filter(({ type }) => type === "server")
      .map(({ device }) => device)
      .filter((device) => this.isReader(device, group));
  }

  /** Whether the group's blobs are for its members alone: also while it is not known. */
  isPrivate(group: ScopeId): boolean {
    return this.#history.scope(group)?.access.spec?.value.isPrivate ?? true;
  }

  /** Groups that share a collection. */
  groupsOf(collection: ScopeId): ScopeId[] {
    const key = scopeKeyOf(collection);
    return this.#groups
      .all(collection.database)
      .filter((group) => this.collections(group).some((scope) => scopeKeyOf(scope) === key));
  }

  collections(group: ScopeId): ScopeId[] {
    return this.#groups.collections(group);
  }

  /** Devices that share a group with us: members, and the admin that admitted us before its record is here. */
  peers(): Set<DeviceId> {
    const peers = new Set<DeviceId>();
    for (const group of this.allGroups()) {
      const admin = this.#groups.joined(group)?.admin;
      if (admin !== undefined) peers.add(admin);
      for (const { device, hasLeft } of this.#groups.members(group))
        if (!hasLeft) peers.add(device);
    }
    peers.delete(this.#history.identity.device);
    return peers;
  }

  /** Groups that we share with a peer. */
  groups(peer: DeviceId): ScopeId[] {
    return this.allGroups().filter(
      (group) =>
        this.#groups.joined(group)?.admin === peer ||
        this.#groups.members(group).some(({ device, hasLeft }) => device === peer && !hasLeft),
    );
  }

  /** Databases of those groups. */
  databases(peer: DeviceId): string[] {
    return [...new Set(this.groups(peer).map(({ database }) => database))];
  }

  /** What to pull from a peer: the groups' own scopes, or their collections, each once. */
  scopes(peer: DeviceId, database: string, mode: DeltaMode): ScopeId[] {
    const groups = this.groups(peer).filter((group) => group.database === database);
    if (mode === DeltaMode.SYNCGROUPS) return groups;
    const collections = groups.flatMap((group) => this.#groups.collections(group));
    return [...new Map(collections.map((scope) => [scopeKeyOf(scope), scope])).values()];
  }

  /** Where to reach a peer, by its member records and by the ticket that we came with. */
  addressesOf(peer: DeviceId): string[] {
    const addresses = new Set<string>();
    for (const group of this.allGroups()) {
      for (const { device, addresses: own } of this.#groups.members(group)) {
        if (device === peer) for (const address of own) addresses.add(address);
      }
      const joined = this.#groups.joined(group);
      if (joined?.admin === peer) for (const address of joined.addresses) addresses.add(address);
    }
    return [...addresses].slice(0, ADDRESSES_MAX);
  }
}
