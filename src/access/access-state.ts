import {
  concatBytes,
  type Crypto,
  type DeviceId,
  fromHex,
  logIdOf,
  type LogKey,
  type ScopeId,
  toHex,
  type UserId,
} from "../base/index.ts";
import type { Ancestry, Past } from "./ancestry.ts";
import type { Certified } from "./certificate.ts";
import type { ControlId, Rejection } from "./control-entry.ts";
import type { GroupStatus } from "./control-op.ts";
import type { Effects } from "./effects.ts";
import type { SpecState } from "./merged-spec.ts";
import type { Place } from "./rights.ts";
import type { Standing } from "./standing.ts";
import { Tags, tagsOfRole } from "./tags.ts";

/** An invite as it stands. */
export interface InviteState {
  /** What an admitted user is granted, as a role means it in a collection. */
  readonly tags: Tags;
  /** Users that it admits; 0: no bound. */
  readonly uses: number;
  /** Milliseconds since 1970; absent: no end. */
  readonly notAfter?: number | undefined;
  /** Users whose grants cite it. */
  readonly usedBy: ReadonlySet<UserId>;
  /** Who made it. */
  readonly by: UserId;
}

/** A commit's part, as far as access asks. */
export interface PartPlace extends Place {
  /** Control heads that the part names. */
  readonly heads: readonly ControlId[];
}

/** What an `AccessState` is read from: all entries, of which it knows the first `length`. */
export interface AccessSource {
  readonly length: number;
  readonly ancestry: Ancestry;
  readonly standing: Standing;
  readonly effects: Effects;
  readonly numbers: ReadonlyMap<ControlId, number>;
}

/**
 * Who may do what in one scope, by the control ops held at one moment. It does not change afterwards, and costs nothing
 * until it is asked. [AC21]
 */
export class AccessState {
  readonly scope: ScopeId;
  readonly #source: AccessSource;
  readonly #heads: readonly ControlId[];
  #sortedHeads: readonly ControlId[] | undefined;
  #devices: ReadonlyMap<DeviceId, Certified> | undefined;
  #invites: ReadonlyMap<string, InviteState> | undefined;
  #policies: ReadonlyMap<string, string> | undefined;
  #rejected: ReadonlyMap<ControlId, Rejection> | undefined;

  constructor(scope: ScopeId, source: AccessSource, heads: readonly ControlId[]) {
    this.scope = scope;
    this.#source = source;
    this.#heads = heads;
  }

  /** Entries that no other names, ascending. */
  get heads(): readonly ControlId[] {
    this.#sortedHeads ??= this.#heads.toSorted();
    return this.#sortedHeads;
  }

  /** The certificate of each device that is not revoked: of the user it acts for, the one issued last. [AC14] */
  get devices(): ReadonlyMap<DeviceId, Certified> {
    this.#devices ??= this.#readDevices();
    return this.#devices;
  }

  /** What the group is, and which version of that; absent in a collection and before the group is created. [AC17] [AC27] */
  get spec(): SpecState | undefined {
    const { effects, length } = this.#source;
    return effects.facts.specs.get(length);
  }

  /**
   * The entry that created the group, and that only who has been sent its control log can know; absent in a collection and before it is here. The same
   * on all devices that hold the same entries. [AC37]
   */
  get founding(): ControlId | undefined {
    const { standing, length } = this.#source;
    return standing.founding(length);
  }

  /** By public key in lower-case hexadecimal digits. */
  get invites(): ReadonlyMap<string, InviteState> {
    this.#invites ??= this.#readInvites();
    return this.#invites;
  }

  /** Conflict policies by row key prefix. */
  get policies(): ReadonlyMap<string, string> {
    const { effects, length } = this.#source;
    this.#policies ??= effects.facts.policies.snapshot(length);
    return this.#policies;
  }

  /** How far the group is on its way to its publish peer; `undefined` when nobody has said. */
  get status(): GroupStatus | undefined {
    const { effects, length } = this.#source;
    return effects.facts.statuses.get(length);
  }

  /** Whether the owner has destroyed the scope. */
  get destroyed(): boolean {
    const { effects, length } = this.#source;
    return effects.facts.destroyed.get(length) === true;
  }

  /** Whether a device has destroyed the scope, and that has effect. [AC38] */
  isDestroyedBy(device: DeviceId): boolean {
    const { effects, length } = this.#source;
    return effects.facts.destroyers.get(device, length) === true;
  }

  /** Entries that are held but have no effect, and why. */
  get rejected(): ReadonlyMap<ControlId, Rejection> {
    const { effects, length } = this.#source;
    this.#rejected ??= effects.rejected.snapshot(length);
    return this.#rejected;
  }

  /** Whether the entry is held. */
  has(id: ControlId): boolean {
    const { numbers, length } = this.#source;
    const number = numbers.get(id);
    return number !== undefined && number < length;
  }

  /** The user that a device acts for; `undefined` when no certificate says so, and after it was revoked. [AC14] [AC31] */
  userOf(device: DeviceId): UserId | undefined {
    const user = this.#userBefore(device);
    return user === undefined || this.#isRevoked(device, user) ? undefined : user;
  }

  /** Whether a certificate of `user` for the device is held, whoever it acts for. */
  isIntroducedAs(device: DeviceId, user: UserId): boolean {
    const { standing, length } = this.#source;
    return standing.usersOf(device, length).has(user);
  }

  /** Whether a device has been revoked as `user`'s; default: whose it was. It acts for them never again. [AC31] */
  isRevoked(device: DeviceId, user = this.#userBefore(device)): boolean {
    return user !== undefined && this.#isRevoked(device, user);
  }

  /** What a user may do; 0 for strangers and after a revocation. The owner may do everything. [AC12] [AC30] */
  tagsOf(user: UserId): Tags {
    if (user === this.scope.owner) return tagsOfRole("admin", this.scope.kind);
    const { effects, length } = this.#source;
    if (!effects.rights.isUserTouched(user)) return effects.facts.tags.get(user, length) ?? 0;
    return effects.rights.holding(user, length).reduce((sum, { tags }) => sum | tags, 0);
  }

  /** What `device`, which a certificate of `user` names, may do for them; it need not have been introduced. [AC31] */
  tagsOfDevice(device: DeviceId, user: UserId): Tags {
    const { effects, length } = this.#source;
    const all = this.tagsOf(user);
    if (!effects.rights.isDeviceTouched(device)) return all;
    if (user === this.scope.owner) return this.#isRevoked(device, user) ? 0 : all;
    const left = effects.rights
      .holding(user, length)
      .filter((grant) => !effects.rights.isTakenFromDevice(device, user, grant));
    return left.reduce((sum, { tags }) => sum | tags, 0);
  }

  /** Whether the user of `device` holds all of `tags`, and the device may use them. */
  may(device: DeviceId, tags: Tags): boolean {
    const user = this.userOf(device);
    return user !== undefined && (this.tagsOfDevice(device, user) & tags) === tags;
  }

  /** Whether `device`, as one of `user`, could read here and may not any more. */
  hasLostRead(device: DeviceId, user: UserId): boolean {
    const { standing, length } = this.#source;
    const given = standing.granted.get(user, length) ?? 0;
    if (user !== this.scope.owner && (given & Tags.READ) === 0) return false;
    return (this.tagsOfDevice(device, user) & Tags.READ) === 0;
  }

  /** Whether an invite was made after all that has been revoked of a user: what was given away before is not for them. [AC24] */
  isMadeAfterRevocationsOf(user: UserId, publicKey: string): boolean {
    const { effects, length } = this.#source;
    const invite = effects.facts.invites.get(publicKey, length);
    return invite !== undefined && effects.rights.isAfterAll(invite.index, user);
  }

  /** Whether a grant of `tags` by `device` would have effect: by the owner, or an admin when Admin is not among them. [AC15] */
  mayGrant(device: DeviceId, tags: Tags): boolean {
    if (this.userOf(device) === this.scope.owner) return true;
    return this.may(device, Tags.ADMIN) && (tags & Tags.ADMIN) === 0;
  }

  /** Whether a revocation of `user` by `device` would take all from them: the owner may of all, admins of who is none. [AC30] */
  mayRevoke(device: DeviceId, user: UserId): boolean {
    if (user === this.scope.owner) return false;
    if (this.userOf(device) === this.scope.owner) return true;
    return this.may(device, Tags.ADMIN) && (this.tagsOf(user) & Tags.ADMIN) === 0;
  }

  /** Everyone who may do anything, the owner among them. */
  users(): ReadonlyMap<UserId, Tags> {
    const { effects, length } = this.#source;
    const users = new Map<UserId, Tags>();
    for (const user of effects.facts.tags.snapshot(length).keys()) {
      const tags = this.tagsOf(user);
      if (tags !== 0) users.set(user, tags);
    }
    return users.set(this.scope.owner, this.tagsOf(this.scope.owner));
  }

  /**
   * By which tags the rows of a commit's part count, whoever delivered it. `heads` are the control heads that the part
   * names, and the last of its own control ops if it has any: its author is whose the device is by them, and a grant after a
   * revocation helps who had seen it. 0 while one of them is not held. [AC35]
   */
  tagsOfPart({ device, log, generation, heads }: PartPlace): Tags {
    const { ancestry, effects, standing, length } = this.#source;
    const past = this.#pastOf(heads);
    const user = past === undefined ? undefined : standing.userIn(past, device);
    if (past === undefined || user === undefined) return 0;
    const place = { device, log, generation };
    if (user === this.scope.owner)
      return effects.rights.permitsOwner(place) ? this.tagsOf(user) : 0;
    return effects.rights.tagsAt(place, user, past, Math.min(length, ancestry.size));
  }

  /**
   * The generation of a log up to which `tagsOfPart` is what it would be without any revocation, so that what once counted
   * counts; beyond it has to be asked part by part. Infinity when no freeze concerns the log. [AC36]
   */
  frozenAfter(log: LogKey): number {
    const { effects, standing, length } = this.#source;
    const { device } = logIdOf(log);
    let least = effects.rights.forkLimitOf(log);
    for (const user of standing.usersOf(device, length)) {
      least = Math.min(least, effects.rights.frozenAfter(device, log, user));
      // What somebody had no right to give, it turned out, may have been all that these rows counted by.
      const given = standing.granted.get(user, length) ?? 0;
      if (user !== this.scope.owner && given !== (effects.facts.tags.get(user, length) ?? 0))
        least = 0;
    }
    return least;
  }

  /** The generation of a log before its first known fork: beyond, contexts cover nothing. Infinity without one. [AC33] */
  frozenAt(log: LogKey): number {
    return this.#source.effects.rights.forkLimitOf(log);
  }

  /** SHA-256 over the heads' ids, ascending, one after another: equal on devices that hold the same entries. [AC19] */
  controlSum(crypto: Pick<Crypto, "sha256">): Uint8Array {
    return crypto.sha256(concatBytes(...this.heads.map(controlIdBytes)));
  }

  /** As `userOf`, not looking at revocations. */
  #userBefore(device: DeviceId): UserId | undefined {
    const { standing, length } = this.#source;
    return standing.devices.get(device, length)?.user;
  }

  #isRevoked(device: DeviceId, user: UserId): boolean {
    const { effects, length } = this.#source;
    if (!effects.rights.isDeviceTouched(device)) return false;
    // An admin has no say about the devices of another.
    const admin = effects.rights
      .holding(user, length)
      .find(({ tags }) => (tags & Tags.ADMIN) !== 0);
    return effects.rights.isTakenFromDevice(device, user, admin);
  }

  /** What a commit that names these heads had seen; `undefined` when one is not held. */
  #pastOf(heads: readonly ControlId[]): Past | undefined {
    const numbers: number[] = [];
    for (const head of heads) {
      if (!this.has(head)) return undefined;
      numbers.push(this.#source.numbers.get(head) as number);
    }
    return this.#source.ancestry.pastOf(numbers);
  }

  #readDevices(): ReadonlyMap<DeviceId, Certified> {
    const { standing, length } = this.#source;
    const devices = standing.devices.snapshot(length);
    for (const [device, { user }] of devices)
      if (this.#isRevoked(device, user)) devices.delete(device);
    return devices;
  }

  #readInvites(): ReadonlyMap<string, InviteState> {
    const { effects, length } = this.#source;
    const invites = new Map<string, InviteState>();
    for (const [key, { tags, uses, notAfter, by }] of effects.facts.invites.snapshot(length)) {
      const usedBy = effects.facts.usersOfInvite(key, length);
      invites.set(key, { tags, uses, notAfter, usedBy, by });
    }
    return invites;
  }
}

/** The digest that names a control op, 32 bytes. */
export function controlIdBytes(id: ControlId): Uint8Array {
  const bytes = fromHex(id);
  if (bytes?.length !== 32) throw new TypeError("Not a control id");
  return bytes;
}

/** The id of the control op with this digest (32 bytes). */
export function controlIdOf(digest: Uint8Array): ControlId {
  if (digest.length !== 32)
    throw new RangeError(`A control op's digest has 32 bytes, not ${digest.length}`);
  return toHex(digest) as ControlId;
}
