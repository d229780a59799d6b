import { assert, type DeviceId, type ScopeId, toHex, type UserId } from "../base/index.ts";
import { type Ancestry, contains, type Past } from "./ancestry.ts";
import type { Certified } from "./certificate.ts";
import type { ControlEntry, ControlId, Rejection } from "./control-entry.ts";
import { canReduce, type GrantOp, type GroupStatus, type InviteOp } from "./control-op.ts";
import { INTRODUCED_BY, type IntroducedBy, Introductions } from "./introductions.ts";
import { Latest } from "./latest.ts";
import { MergedSpec, type SpecState } from "./merged-spec.ts";
import { sameCollections, type Spec } from "./spec.ts";
import { Tags, tagsOfKind } from "./tags.ts";
import { Versioned, VersionedMap } from "./versioned.ts";

/** What an entry's author is, by the entry's ancestors. */
export interface Author {
  readonly user: UserId | undefined;
  readonly isOwner: boolean;
  /** The owner is one too. */
  readonly isAdmin: boolean;
}

/** An invite, and the user who made it. */
type Invited = InviteOp & { readonly by: UserId };

/**
 * What the counting ops of a control log add up to, at each length of the log, and the rules by which an op counts.
 */
export class AccessFacts {
  readonly scope: ScopeId;
  readonly devices = new VersionedMap<DeviceId, Certified>();
  readonly tags = new VersionedMap<UserId, Tags>();
  readonly specs = new Versioned<SpecState>();
  readonly statuses = new Versioned<GroupStatus>();
  readonly policies = new VersionedMap<string, string>();
  /** By public key in hexadecimal digits. */
  readonly invites = new VersionedMap<string, Invited>();
  readonly destroyed = new Versioned<ControlId>();
  readonly #ancestry: Ancestry;
  readonly #introductions: Introductions;
  /** Users whose grants cite an invite, by its public key. */
  readonly #usesByInvite = new Map<string, VersionedMap<UserId, true>>();
  /** Grants of Admin by user. One that follows another is left out: where it is known, so is the other. */
  readonly #adminGrants = new Map<UserId, readonly number[]>();
  /** Specs without a spec among their ancestors: what the group was created as. */
  readonly #firstSpecs: { readonly index: number; readonly spec: Spec }[] = [];
  readonly #mergedSpec: MergedSpec;
  readonly #latestStatus = new Latest<GroupStatus>();
  readonly #latestPolicies = new Map<string, Latest<string>>();
  readonly #latestInvites = new Map<string, Latest<Invited>>();

  /** Those of an empty log, or a copy of another's. `ancestry` numbers the entries. */
  constructor(scope: ScopeId, ancestry: Ancestry, from?: AccessFacts) {
    this.scope = scope;
    this.#ancestry = ancestry;
    if (from === undefined) {
      this.#introductions = new Introductions(ancestry);
      this.#mergedSpec = new MergedSpec();
      return;
    }
    this.#introductions = new Introductions(ancestry, from.#introductions);
    this.devices = new VersionedMap(from.devices);
    this.tags = new VersionedMap(from.tags);
    this.specs = new Versioned(from.specs);
    this.statuses = new Versioned(from.statuses);
    this.policies = new VersionedMap(from.policies);
    this.invites = new VersionedMap(from.invites);
    this.destroyed = new Versioned(from.destroyed);
    for (const [key, uses] of from.#usesByInvite)
      this.#usesByInvite.set(key, new VersionedMap(uses));
    this.#adminGrants = new Map(from.#adminGrants);
    this.#firstSpecs = [...from.#firstSpecs];
    this.#mergedSpec = new MergedSpec(from.#mergedSpec);
    this.#latestStatus = new Latest(from.#latestStatus);
    this.#latestPolicies = copyOf(from.#latestPolicies);
    this.#latestInvites = copyOf(from.#latestInvites);
  }

  /** What `device` is by the entries of `past`. [AC12] */
  authorIn(past: Past, device: DeviceId): Author {
    const user = this.#introductions.userOf(device, past);
    const isOwner = user === this.scope.owner;
    const grants = user === undefined ? undefined : this.#adminGrants.get(user);
    return {
      user,
      isOwner,
      isAdmin: isOwner || (grants?.some((grant) => contains(past, grant)) ?? false),
    };
  }

  /** Why an entry by `author` with this past has no effect, or `undefined` when it counts. [AC13] to [AC17] */
  rejectionOf({ op, device }: ControlEntry, author: Author, past: Past): Rejection | undefined {
    assert(canReduce(op), "an op that this version cannot reduce is held aside");
    if (op.type === "device" && op.certified.device === device) return undefined;
    if (author.user === undefined) return "unknownAuthor";
    if (op.type === "device")
      return introducedBy(op.certified, device, author) === undefined
        ? "notTheirDevice"
        : undefined;
    if (!author.isAdmin) return "notAdmin";
    const isGroup = this.scope.kind === "syncgroup";
    switch (op.type) {
      case "grant":
        if (op.tags === 0 || (op.tags & ~tagsOfKind(this.scope.kind)) !== 0) return "wrongScope";
        return (op.tags & Tags.ADMIN) !== 0 && !author.isOwner ? "notOwner" : undefined;
      case "invite":
        if (!isGroup) return "wrongScope";
        return (op.tags & Tags.ADMIN) !== 0 && !author.isOwner ? "notOwner" : undefined;
      case "spec":
        return isGroup ? this.#rejectionOfSpec(op, author, past) : "wrongScope";
      case "status":
        return isGroup ? undefined : "wrongScope";
      case "policy":
        return isGroup ? "wrongScope" : undefined;
      case "destroy":
        return author.isOwner ? undefined : "notOwner";
    }
  }

  /** Takes in an entry that counts, numbered `index` in the ancestry. */
  apply(entry: ControlEntry, index: number, author: Author): void {
    const { op } = entry;
    assert(canReduce(op), "an op that this version cannot reduce is held aside");
    switch (op.type) {
      case "device":
        this.#introduce(index, entry, op.certified, author);
        break;
      case "grant":
        this.#grant(index, op);
        break;
      case "invite": {
        assert(author.user !== undefined, "an op that counts has an author");
        const key = toHex(op.publicKey);
        const value: Invited = { ...op, by: author.user };
        const shown = latestIn(this.#latestInvites, key).add(this.#ancestry, {
          index,
          entry,
          value,
        });
        this.invites.set(key, shown.value, index);
        break;
      }
      case "spec": {
        if (!this.#firstSpecs.some((first) => this.#ancestry.precedes(first.index, index))) {
          this.#firstSpecs.push({ index, spec: op });
        }
        this.specs.set(
          this.#mergedSpec.add(this.#ancestry, { index, entry, value: specOf(op) }),
          index,
        );
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
        this.destroyed.set(entry.id, index);
        break;
    }
  }

  /** Users whose grants cite the invite, by the first `length` entries. */
  usersOfInvite(key: string, length: number): ReadonlySet<UserId> {
    return new Set(this.#usesByInvite.get(key)?.snapshot(length).keys());
  }

  /** Entries that whatever `device` writes should have among its ancestors, so that its right is seen. */
  proofsOf(device: DeviceId): readonly number[] {
    const introduction = this.#introductions.entryOf(device);
    const user = this.#introductions.userOf(device);
    const adminGrant = user === undefined ? undefined : this.#adminGrants.get(user)?.[0];
    return [introduction, adminGrant, this.#firstSpecs[0]?.index].filter(
      (index) => index !== undefined,
    );
  }

  #rejectionOfSpec(spec: Spec, author: Author, past: Past): Rejection | undefined {
    const known = this.#firstSpecs.filter(({ index }) => contains(past, index));
    if (known.length === 0) return author.isOwner ? undefined : "notOwner";
    return known.some((first) => sameCollections(first.spec, spec))
      ? undefined
      : "otherCollections";
  }

  #introduce(
    index: number,
    { id, device }: ControlEntry,
    certified: Certified,
    author: Author,
  ): void {
    const by = introducedBy(certified, device, author);
    assert(by !== undefined, "an introduction that counts is by somebody who may");
    this.#introductions.add(index, id, certified, by);
    const shown = this.#introductions.certifiedOf(certified.device);
    assert(shown !== undefined, "a device that was introduced has a certificate");
    this.devices.set(certified.device, shown, index);
  }

  #grant(index: number, { user, tags, invite }: GrantOp): void {
    const before = this.tags.get(user) ?? 0;
    if ((before | tags) !== before) this.tags.set(user, before | tags, index);
    if (invite !== undefined) {
      const key = toHex(invite);
      let uses = this.#usesByInvite.get(key);
      if (uses === undefined) this.#usesByInvite.set(key, (uses = new VersionedMap()));
      if (uses.get(user) === undefined) uses.set(user, true, index);
    }
    if ((tags & Tags.ADMIN) === 0) return;
    const grants = this.#adminGrants.get(user) ?? [];
    if (!grants.some((grant) => this.#ancestry.precedes(grant, index)))
      this.#adminGrants.set(user, [...grants, index]);
  }
}

function introducedBy(
  certified: Certified,
  device: DeviceId,
  author: Author,
): IntroducedBy | undefined {
  if (certified.device === device) return INTRODUCED_BY.itself;
  if (author.isAdmin) return INTRODUCED_BY.admin;
  return certified.user === author.user ? INTRODUCED_BY.ownUser : undefined;
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
