/**
 * What an op may by its ancestors alone: whose its author's device is, whether the author has been made an admin. Nothing
 * that comes later changes it, and revocations do not look back into it: they take away effects (`rights.ts`), not standing.
 */

import { assert, type DeviceId, type ScopeId, type UserId } from "../base/index.ts";
import { type Ancestry, contains, type Past } from "./ancestry.ts";
import type { Certified } from "./certificate.ts";
import type { ControlEntry, ControlId, Rejection } from "./control-entry.ts";
import { INTRODUCED_BY, type IntroducedBy, Introductions } from "./introductions.ts";
import { sameCollections, type Spec } from "./spec.ts";
import { Tags, tagsOfKind } from "./tags.ts";
import { canReduce } from "./verified-op.ts";
import { VersionedMap } from "./versioned.ts";

/** What an entry's author is, by the entry's ancestors. */
export interface Author {
  readonly user: UserId | undefined;
  readonly isOwner: boolean;
  /** Has been made one, whatever came of it; the owner is one too. */
  readonly isAdmin: boolean;
}

/** The standing of all entries of a control log, and the rules by which an entry stands. */
export class Standing {
  readonly scope: ScopeId;
  /** Each device's certificate: of the user it acts for, the one issued last. */
  readonly devices = new VersionedMap<DeviceId, Certified>();
  /** All that users have ever been granted by grants that stand. */
  readonly granted = new VersionedMap<UserId, Tags>();
  readonly #ancestry: Ancestry;
  readonly #introductions: Introductions;
  /** Grants of Admin by user. One that follows another is left out: where it is known, so is the other. */
  readonly #adminGrants = new Map<UserId, readonly number[]>();
  /** Specs without a spec among their ancestors: what the group was created as. */
  readonly #firstSpecs: { readonly index: number; readonly id: ControlId; readonly spec: Spec }[] =
    [];

  /** That of an empty log, or a copy of another's. `ancestry` numbers the entries. */
  constructor(scope: ScopeId, ancestry: Ancestry, from?: Standing) {
    this.scope = scope;
    this.#ancestry = ancestry;
    if (from === undefined) {
      this.#introductions = new Introductions(ancestry);
      return;
    }
    this.#introductions = new Introductions(ancestry, from.#introductions);
    this.devices = new VersionedMap(from.devices);
    this.granted = new VersionedMap(from.granted);
    this.#adminGrants = new Map(from.#adminGrants);
    this.#firstSpecs = [...from.#firstSpecs];
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

  /** The user that `device` acts for by the entries of `past`. [AC14] */
  userIn(past: Past, device: DeviceId): UserId | undefined {
    return this.#introductions.userOf(device, past);
  }

  /** All users in whose name `device` may be said to act, by the first `length` entries. */
  usersOf(device: DeviceId, length: number): ReadonlySet<UserId> {
    return this.#introductions.usersOf(device, length);
  }

  /** The entry that says whose `device` is. */
  introductionOf(device: DeviceId): number | undefined {
    return this.#introductions.entryOf(device);
  }

  /** A spec that created the group. */
  get firstSpec(): number | undefined {
    return this.#firstSpecs[0]?.index;
  }

  /** Of the specs that created the group among the first `length` entries the least id: there are several only where its owner made it on two devices. */
  founding(length: number): ControlId | undefined {
    const ids = this.#firstSpecs.filter(({ index }) => index < length).map(({ id }) => id);
    return ids.toSorted()[0];
  }

  /** Why an entry by `author` with this past does not stand, or `undefined` when it does. [AC13] to [AC17] [AC30] to [AC33] */
  rejectionOf({ op, device }: ControlEntry, author: Author, past: Past): Rejection | undefined {
    assert(canReduce(op), "an op that this version cannot reduce is held aside");
    // These speak for themselves, whoever hands them in.
    if (op.type === "forkProof" || op.type === "revokeOwnDevice") return undefined;
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
      case "revoke":
        return op.user === this.scope.owner ? "ofOwner" : undefined;
      case "revokeDevice":
        return this.#rejectionOfRevokeDevice(op.device, author, past);
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

  /** Takes in an entry that stands, numbered `index` in the ancestry. */
  apply(entry: ControlEntry, index: number, author: Author): void {
    const { op } = entry;
    switch (op.type) {
      case "device":
        this.#introduce(index, entry, op.certified, author);
        break;
      case "grant": {
        const before = this.granted.get(op.user) ?? 0;
        if ((before | op.tags) !== before) this.granted.set(op.user, before | op.tags, index);
        if ((op.tags & Tags.ADMIN) === 0) break;
        const grants = this.#adminGrants.get(op.user) ?? [];
        if (!grants.some((grant) => this.#ancestry.precedes(grant, index)))
          this.#adminGrants.set(op.user, [...grants, index]);
        break;
      }
      case "spec":
        if (!this.#firstSpecs.some((first) => this.#ancestry.precedes(first.index, index)))
          this.#firstSpecs.push({ index, id: entry.id, spec: op });
        break;
      default:
    }
  }

  #rejectionOfRevokeDevice(device: DeviceId, author: Author, past: Past): Rejection | undefined {
    const user = this.#introductions.userOf(device, past);
    if (user === author.user) return "needsUserKey";
    return user === this.scope.owner ? "ofOwner" : undefined;
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
    assert(by !== undefined, "an introduction that stands is by somebody who may");
    this.#introductions.add(index, id, certified, by);
    const shown = this.#introductions.certifiedOf(certified.device);
    assert(shown !== undefined, "a device that was introduced has a certificate");
    this.devices.set(certified.device, shown, index);
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
