import { Tags } from "../access/index.ts";
import {
  type DeviceId,
  deviceInAddress,
  type ScopeId,
  scopeKeyOf,
  type UserId,
} from "../base/index.ts";
import type { History } from "../history/index.ts";
import { DeltaMode } from "../wire/index.ts";
import type { Groups } from "./groups.ts";
import { Acquaintances } from "./acquaintances.ts";
import { ADDRESSES_MAX } from "./limits.ts";
import type { Member } from "./members.ts";
import { whyNotRevoke } from "./taking-away.ts";

/** Who shares what with us, by the syncgroups that are here: a view, asked anew each time. */
export class Sharing {
  readonly #history: History;
  readonly #groups: Groups;
  /** Peers that have shown to have read a group, whether or not they are known to be in it. */
  readonly acquaintances = new Acquaintances();

  constructor(history: History, groups: Groups) {
    this.#history = history;
    this.#groups = groups;
  }

  /** Syncgroups of all databases, also those that have ended here. */
  allGroups(): ScopeId[] {
    return this.#history.databases().flatMap((database) => this.#groups.all(database));
  }

  /**
   * Those whose own scope is kept in step with others: that a group was destroyed is news to who was away, and whoever was
   * ejected may be let in again. What has been left is not asked about any more.
   */
  #followedGroups(): ScopeId[] {
    return this.allGroups().filter((group) => this.#groups.status(group) !== "left");
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

  /** Storage peers of a group now: its devices of type `server` whose user may read it. None of one that has ended here. */
  storagePeers(group: ScopeId): DeviceId[] {
    if (!this.#groups.isActive(group)) return [];
    return this.members(group)
      .filter(({ type }) => type === "server")
      .map(({ device }) => device)
      .filter((device) => this.isReader(device, group));
  }

  /** Whether the group's blobs are for its members alone: also while it is not known. */
  isPrivate(group: ScopeId): boolean {
    return this.#history.scope(group)?.access.spec?.value.isPrivate ?? true;
  }

  /** Groups that share a collection, and in which this device takes part. */
  groupsOf(collection: ScopeId): ScopeId[] {
    const key = scopeKeyOf(collection);
    return this.#groups
      .all(collection.database)
      .filter((group) => this.#groups.isActive(group))
      .filter((group) => this.collections(group).some((scope) => scopeKeyOf(scope) === key));
  }

  /** Why nobody may be revoked in a collection or group now, or `undefined`; `incomplete`: whether or not all of it is here. [SY120] */
  whyNotRevoke(scope: ScopeId, incomplete = false): string | undefined {
    return whyNotRevoke(this.#groups, scope, incomplete);
  }

  collections(group: ScopeId): ScopeId[] {
    return this.#groups.collections(group);
  }

  /** Devices that share a group with us: members, the admin that admitted us before its record is here, acquaintances. */
  peers(): Set<DeviceId> {
    const peers = new Set<DeviceId>();
    const isToTell = (group: ScopeId): boolean =>
      this.#groups.records.left(group)?.isTold === false;
    const groups = [...this.#followedGroups(), ...this.allGroups().filter(isToTell)];
    for (const group of groups) {
      for (const admin of this.admitting(group)) peers.add(admin);
      for (const member of this.#groups.members(group))
        if (this.#takesPart(group, member)) peers.add(member.device);
    }
    for (const device of this.acquaintances.devices) peers.add(device);
    peers.delete(this.#history.identity.device);
    return peers;
  }

  /** Groups that we share with a peer. */
  groups(peer: DeviceId): ScopeId[] {
    return this.#followedGroups().filter(
      (group) => this.#isKnownIn(group, peer) || this.acquaintances.has(peer, group),
    );
  }

  #isKnownIn(group: ScopeId, peer: DeviceId): boolean {
    const isPeer = (member: Member): boolean => member.device === peer;
    return (
      this.admitting(group).has(peer) ||
      this.#groups.members(group).some((one) => isPeer(one) && this.#takesPart(group, one))
    );
  }

  /** Whether a peer is in a group by its own showing alone: it is told nothing, and its word is not taken for a member's. */
  isAcquaintance(peer: DeviceId, group: ScopeId): boolean {
    return this.acquaintances.has(peer, group) && !this.#isKnownIn(group, peer);
  }

  /** The admin that admitted us; while the group is pending also others that the ticket named. */
  admitting(group: ScopeId): Set<DeviceId> {
    const joined = this.#groups.joined(group);
    if (joined === undefined) return new Set();
    const named = this.#groups.isPending(group) ? devicesIn(joined.addresses) : [];
    return new Set([joined.admin, ...named]);
  }

  /** Whether a member has not left and was not ejected. While a group is pending it is not known here who was. */
  #takesPart(group: ScopeId, { device, hasLeft }: Member): boolean {
    if (hasLeft) return false;
    if (this.#groups.isPending(group)) return true;
    return this.#history.scope(group)?.access.may(device, Tags.READ) === true;
  }

  /** Databases of those groups. */
  databases(peer: DeviceId): string[] {
    return [...new Set(this.groups(peer).map(({ database }) => database))];
  }

  /** What to pull from a peer: the groups' own scopes, or their collections, each once. */
  scopes(peer: DeviceId, database: string, mode: DeltaMode): ScopeId[] {
    const groups = this.groups(peer).filter((group) => group.database === database);
    if (mode === DeltaMode.SYNCGROUPS) return groups;
    const active = groups.filter(
      (group) => this.#groups.isActive(group) && this.#isKnownIn(group, peer),
    );
    const collections = active.flatMap((group) => this.#groups.collections(group));
    return [...new Map(collections.map((scope) => [scopeKeyOf(scope), scope])).values()];
  }

  /** Where to reach a peer, by its member records and by the ticket that we came with. */
  addressesOf(peer: DeviceId): string[] {
    const addresses = new Set<string>();
    for (const group of this.allGroups()) {
      for (const { device, addresses: own } of this.#groups.members(group)) {
        if (device === peer) for (const address of own) addresses.add(address);
      }
      for (const address of this.#groups.joined(group)?.addresses ?? [])
        if (deviceInAddress(address) === peer) addresses.add(address);
    }
    return [...addresses].slice(0, ADDRESSES_MAX);
  }
}

function devicesIn(addresses: readonly string[]): DeviceId[] {
  return addresses.map(deviceInAddress).filter((device) => device !== undefined);
}
