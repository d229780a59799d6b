import { assert, type DeviceId, toHex, type UserId } from "../base/index.ts";
import type { Ancestry } from "./ancestry.ts";
import type { ControlEntry } from "./control-entry.ts";
import type { GrantOp, GroupStatus, InviteOp } from "./control-op.ts";
import { Latest } from "./latest.ts";
import { MergedSpec, type SpecState } from "./merged-spec.ts";
import type { Spec } from "./spec.ts";
import type { Tags } from "./tags.ts";
import { Versioned, VersionedMap } from "./versioned.ts";

/** An invite, and the user who made it. */
type Invited = InviteOp & { readonly by: UserId; readonly index: number };

/** What the ops of a control log that have effect add up to, at each length of the log. */
export class AccessFacts {
  /** Granted, not looking at revocations. */
  readonly tags = new VersionedMap<UserId, Tags>();
  readonly specs = new Versioned<SpecState>();
  readonly statuses = new Versioned<GroupStatus>();
  readonly policies = new VersionedMap<string, string>();
  /** By public key in hexadecimal digits. */
  readonly invites = new VersionedMap<string, Invited>();
  readonly destroyed = new Versioned<true>();
  /** Devices that have said so. */
  readonly destroyers = new VersionedMap<DeviceId, true>();
  readonly #ancestry: Ancestry;
  /** Users whose grants cite an invite, by its public key. */
  readonly #usesByInvite = new Map<string, VersionedMap<UserId, true>>();
  readonly #mergedSpec: MergedSpec;
  readonly #latestStatus = new Latest<GroupStatus>();
  readonly #latestPolicies = new Map<string, Latest<string>>();
  readonly #latestInvites = new Map<string, Latest<Invited>>();

  /** Those of an empty log, or a copy of another's. `ancestry` numbers the entries. */
  constructor(ancestry: Ancestry, from?: AccessFacts) {
    this.#ancestry = ancestry;
    this.#mergedSpec = new MergedSpec(from === undefined ? undefined : from.#mergedSpec);
    if (from === undefined) return;
    this.tags = new VersionedMap(from.tags);
    this.specs = new Versioned(from.specs);
    this.statuses = new Versioned(from.statuses);
    this.policies = new VersionedMap(from.policies);
    this.invites = new VersionedMap(from.invites);
    this.destroyed = new Versioned(from.destroyed);
    this.destroyers = new VersionedMap(from.destroyers);
    for (const [key, uses] of from.#usesByInvite)
      this.#usesByInvite.set(key, new VersionedMap(uses));
    this.#latestStatus = new Latest(from.#latestStatus);
    this.#latestPolicies = copyOf(from.#latestPolicies);
    this.#latestInvites = copyOf(from.#latestInvites);
  }

  /** Takes in an entry by `user` that has effect, numbered `index` in the ancestry. */
  apply(entry: ControlEntry, index: number, user: UserId | undefined): void {
    const { op } = entry;
    switch (op.type) {
      case "grant":
        this.#grant(index, op);
        break;
      case "invite": {
        assert(user !== undefined, "an invite that has effect has an author");
        const key = toHex(op.publicKey);
        const value: Invited = { ...op, by: user, index };
        const latest = latestIn(this.#latestInvites, key);
        this.invites.set(key, latest.add(this.#ancestry, { index, entry, value }).value, index);
        break;
      }
      case "spec": {
        const shown = this.#mergedSpec.add(this.#ancestry, { index, entry, value: specOf(op) });
        this.specs.set(shown, index);
        break;
      }
      case "status": {
        const shown = this.#latestStatus.add(this.#ancestry, { index, entry, value: op.state });
        this.statuses.set(shown.value, index);
        break;
      }
      case "policy": {
        const latest = latestIn(this.#latestPolicies, op.prefix);
        const shown = latest.add(this.#ancestry, { index, entry, value: op.policy });
        this.policies.set(op.prefix, shown.value, index);
        break;
      }
      case "destroy":
        this.destroyed.set(true, index);
        this.destroyers.set(entry.device, true, index);
        break;
      default:
    }
  }

  /** Users whose grants cite the invite, by the first `length` entries. */
  usersOfInvite(key: string, length: number): ReadonlySet<UserId> {
    return new Set(this.#usesByInvite.get(key)?.snapshot(length).keys());
  }

  #grant(index: number, { user, tags, invite }: GrantOp): void {
    const before = this.tags.get(user) ?? 0;
    if ((before | tags) !== before) this.tags.set(user, before | tags, index);
    if (invite === undefined) return;
    const key = toHex(invite);
    let uses = this.#usesByInvite.get(key);
    if (uses === undefined) this.#usesByInvite.set(key, (uses = new VersionedMap()));
    if (uses.get(user) === undefined) uses.set(user, true, index);
  }
}

function specOf({ description, collections, publishPeer, rendezvous, isPrivate }: Spec): Spec {
  return { description, collections, publishPeer, rendezvous, isPrivate };
}

function latestIn<T>(map: Map<string, Latest<T>>, key: string): Latest<T> {
  let latest = map.get(key);
  if (latest === undefined) map.set(key, (latest = new Latest()));
  return latest;
}

function copyOf<T>(map: ReadonlyMap<string, Latest<T>>): Map<string, Latest<T>> {
  return new Map(Array.from(map, ([key, latest]) => [key, new Latest(latest)]));
}
