/**
 * What revocations and fork proofs leave of rights. They are found out level by level, so that no revocation can decide
 * about one that decides about it:
 *
 *     fork proofs, and what user keys say of their devices    hold whoever hands them in
 *     the owner's ops                                          but those beyond a freeze of the above
 *     admins' ops                                              but those beyond a freeze of the above, and the owner's
 *     everybody's rows                                         by the grants and freezes of all above
 */

import { type DeviceId, type GenVector, type LogKey, type UserId } from "../base/index.ts";
import { type Ancestry, contains, type Past } from "./ancestry.ts";
import { FORKS_LOG_MAX } from "./limits.ts";
import { Tags } from "./tags.ts";

/** Where something stands in a log. */
export interface Place {
  readonly device: DeviceId;
  readonly log: LogKey;
  readonly generation: number;
}

/** A grant that has effect. */
export interface EffectiveGrant {
  readonly index: number;
  readonly tags: Tags;
}

/** Whose word a revocation is. Admins have no say about what the owner has given with Admin. */
export type RevokedBy = "userKey" | "owner" | "admin";

/** A revocation that has effect. */
export interface Revocation {
  readonly index: number;
  readonly by: RevokedBy;
  /** Who revokes. */
  readonly user: UserId;
  readonly freeze: GenVector;
  /** What the device in whose log it stands has published: its freeze is never below that. [AC34] */
  readonly published: GenVector | undefined;
}

/** The grants, revocations and forks that have effect. Revocations do not change; grants are added. */
export class Rights {
  readonly #owner: UserId;
  readonly #ancestry: Ancestry;
  /** Generations at which logs fork. */
  readonly #forks = new Map<LogKey, ReadonlySet<number>>();
  readonly #ofUsers = new Map<UserId, readonly Revocation[]>();
  readonly #ofDevices = new Map<DeviceId, readonly Revocation[]>();
  readonly #grants = new Map<UserId, readonly EffectiveGrant[]>();

  /** Those of an empty log, or a copy of another's. */
  constructor(owner: UserId, ancestry: Ancestry, from?: Rights) {
    this.#owner = owner;
    this.#ancestry = ancestry;
    if (from === undefined) return;
    this.#forks = new Map(from.#forks);
    this.#ofUsers = new Map(from.#ofUsers);
    this.#ofDevices = new Map(from.#ofDevices);
    this.#grants = new Map(from.#grants);
  }

  addFork(log: LogKey, generation: number): void {
    this.#forks.set(log, new Set(this.#forks.get(log)).add(generation));
  }

  addRevocationOfUser(user: UserId, revocation: Revocation): void {
    pushTo(this.#ofUsers, user, revocation);
  }

  addRevocationOfDevice(device: DeviceId, revocation: Revocation): void {
    pushTo(this.#ofDevices, device, revocation);
  }

  addGrant(user: UserId, grant: EffectiveGrant): void {
    pushTo(this.#grants, user, grant);
  }

  /**
   * The generation beyond which a log counts for nobody, since it forks there; Infinity for one that does not. Who forks a log
   * again and again has nothing of it left: else each generation would be proven, by everybody. [AC33] [AC50]
   */
  forkLimitOf(log: LogKey): number {
    const forks = this.#forks.get(log);
    if (forks === undefined) return Number.POSITIVE_INFINITY;
    return forks.size > FORKS_LOG_MAX ? 0 : Math.min(...forks) - 1;
  }

  /** Whether any revocation is about the user. */
  isUserTouched(user: UserId): boolean {
    return this.#ofUsers.has(user);
  }

  /** Whether any revocation is about the device. */
  isDeviceTouched(device: DeviceId): boolean {
    return this.#ofDevices.has(device);
  }

  /** Whether an entry follows all revocations of the user. */
  isAfterAll(entry: number, user: UserId): boolean {
    const revocations = this.#ofUsers.get(user) ?? [];
    return revocations.every(({ index }) => this.#ancestry.precedes(index, entry));
  }

  /** The user's grants that no revocation has removed: all follow them. Of the first `length` entries. [AC30] */
  holding(user: UserId, length = Number.POSITIVE_INFINITY): EffectiveGrant[] {
    const revocations = this.#ofUsers.get(user) ?? [];
    return this.#grantsOf(user, length).filter((grant) =>
      revocations.every(
        (revocation) => !isBound(grant, revocation) || this.#isAfter(grant, revocation),
      ),
    );
  }

  /** Whether a revocation takes away what the grant, which gives rights now, gives to this device of the user. [AC31] */
  isTakenFromDevice(device: DeviceId, user: UserId, grant: EffectiveGrant | undefined): boolean {
    return this.#revocationsOf(device, user).some(
      (revocation) => grant === undefined || isBound(grant, revocation),
    );
  }

  /**
   * The revocations that have taken away what `user` was granted, for this device of theirs, by the grants that have effect: of those
   * that follow each other the first, from which the rest need not be known.
   */
  takersOf(device: DeviceId, user: UserId): ReadonlySet<number> {
    const ofUser = this.#ofUsers.get(user) ?? [];
    const ofDevice = this.#revocationsOf(device, user);
    const takers = new Set<number>();
    // The owner has everything without a grant, and loses it as a device only.
    if (user === this.#owner) this.#addFirst(takers, ofDevice);
    for (const grant of this.#grantsOf(user)) {
      const taking = ofUser.filter((one) => isBound(grant, one) && !this.#isAfter(grant, one));
      this.#addFirst(takers, [...taking, ...ofDevice.filter((one) => isBound(grant, one))]);
    }
    return takers;
  }

  #addFirst(takers: Set<number>, revocations: readonly Revocation[]): void {
    for (const { index } of revocations)
      if (!revocations.some((other) => this.#ancestry.precedes(other.index, index)))
        takers.add(index);
  }

  /** Whether what the owner has written there has effect: it is not beyond a freeze of the owner's own key. */
  permitsOwner(place: Place): boolean {
    return (
      place.generation <= this.forkLimitOf(place.log) &&
      this.#revocationsOf(place.device, this.#owner).every((one) => isWithin(place, one))
    );
  }

  /** Whether what an admin has written there, with this past, has effect. [AC12] */
  permitsAdmin(place: Place, user: UserId, past: Past): boolean {
    return this.#permitted(place, user, past).some(({ tags, index }) => {
      return (tags & Tags.ADMIN) !== 0 && contains(past, index);
    });
  }

  /** By which of the user's grants rows written there, whose author had seen `past`, count. [AC35] */
  tagsAt(place: Place, user: UserId, past: Past, length: number): Tags {
    return this.#permitted(place, user, past, length).reduce((sum, { tags }) => sum | tags, 0);
  }

  /** The generation of a log up to which no freeze touches what `user` wrote with `device`. */
  frozenAfter(device: DeviceId, log: LogKey, user: UserId): number {
    let least = this.forkLimitOf(log);
    const ofUser = this.#ofUsers.get(user) ?? [];
    for (const revocation of [...ofUser, ...this.#revocationsOf(device, user)])
      least = Math.min(least, freezeOf(revocation, log));
    return least;
  }

  #permitted(
    place: Place,
    user: UserId,
    past: Past,
    length = Number.POSITIVE_INFINITY,
  ): EffectiveGrant[] {
    if (place.generation > this.forkLimitOf(place.log)) return [];
    const ofUser = this.#ofUsers.get(user)?.filter((one) => !isWithin(place, one)) ?? [];
    const ofDevice = this.#revocationsOf(place.device, user).filter((one) => !isWithin(place, one));
    return this.#grantsOf(user, length).filter(
      (grant) =>
        ofUser.every(
          (one) =>
            !isBound(grant, one) || (this.#isAfter(grant, one) && contains(past, grant.index)),
        ) && ofDevice.every((one) => !isBound(grant, one)),
    );
  }

  #grantsOf(user: UserId, length = Number.POSITIVE_INFINITY): readonly EffectiveGrant[] {
    const grants = this.#grants.get(user) ?? [];
    return grants.filter(({ index }) => index < length);
  }

  /** Those of a device that are about it as `user`'s. */
  #revocationsOf(device: DeviceId, user: UserId): readonly Revocation[] {
    const all = this.#ofDevices.get(device) ?? [];
    return all.filter(({ by, user: issuer }) =>
      by === "userKey" ? issuer === user : issuer !== user && user !== this.#owner,
    );
  }

  #isAfter(grant: EffectiveGrant, revocation: Revocation): boolean {
    return this.#ancestry.precedes(revocation.index, grant.index);
  }
}

function isBound({ tags }: EffectiveGrant, { by }: Revocation): boolean {
  return by !== "admin" || (tags & Tags.ADMIN) === 0;
}

function freezeOf({ freeze, published }: Revocation, log: LogKey): number {
  return Math.max(freeze.get(log) ?? 0, published?.get(log) ?? 0);
}

function isWithin({ log, generation }: Place, revocation: Revocation): boolean {
  return generation <= freezeOf(revocation, log);
}

/** Adds to a list that copies of the map may share. */
function pushTo<K, V>(map: Map<K, readonly V[]>, key: K, value: V): void {
  map.set(key, [...(map.get(key) ?? []), value]);
}
