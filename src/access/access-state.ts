import {
  concatBytes,
  type Crypto,
  type DeviceId,
  fromHex,
  type ScopeId,
  toHex,
  type UserId,
} from "../base/index.ts";
import type { AccessFacts } from "./access-facts.ts";
import type { Certified } from "./certificate.ts";
import type { ControlId, Rejection } from "./control-entry.ts";
import type { GroupStatus } from "./control-op.ts";
import type { SpecState } from "./merged-spec.ts";
import { Tags, tagsOfRole } from "./tags.ts";
import type { VersionedMap } from "./versioned.ts";

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

/** What an `AccessState` is read from: all entries, of which it knows the first `length`. */
export interface AccessSource {
  readonly length: number;
  readonly facts: AccessFacts;
  readonly numbers: ReadonlyMap<ControlId, number>;
  readonly rejected: VersionedMap<ControlId, Rejection>;
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

  /** Each device's certificate: of the user it acts for, the one issued last. [AC14] */
  get devices(): ReadonlyMap<DeviceId, Certified> {
    const { facts, length } = this.#source;
    this.#devices ??= facts.devices.snapshot(length);
    return this.#devices;
  }

  /** What the group is, and which version of that; absent in a collection and before the group is created. [AC17] [AC27] */
  get spec(): SpecState | undefined {
    const { facts, length } = this.#source;
    return facts.specs.get(length);
  }

  /** By public key in lower-case hexadecimal digits. */
  get invites(): ReadonlyMap<string, InviteState> {
    this.#invites ??= this.#readInvites();
    return this.#invites;
  }

  /** Conflict policies by row key prefix. */
  get policies(): ReadonlyMap<string, string> {
    const { facts, length } = this.#source;
    this.#policies ??= facts.policies.snapshot(length);
    return this.#policies;
  }

  /** How far the group is on its way to its publish peer; `undefined` when nobody has said. */
  get status(): GroupStatus | undefined {
    const { facts, length } = this.#source;
    return facts.statuses.get(length);
  }

  /** Whether the owner has destroyed the scope. */
  get destroyed(): boolean {
    const { facts, length } = this.#source;
    return facts.destroyed.get(length) !== undefined;
  }

  /** Entries that are held but have no effect, and why. */
  get rejected(): ReadonlyMap<ControlId, Rejection> {
    const { rejected, length } = this.#source;
    this.#rejected ??= rejected.snapshot(length);
    return this.#rejected;
  }

  /** Whether the entry is held. */
  has(id: ControlId): boolean {
    const { numbers, length } = this.#source;
    const number = numbers.get(id);
    return number !== undefined && number < length;
  }

  /** The user that a device acts for, or `undefined` when no counting certificate says so. */
  userOf(device: DeviceId): UserId | undefined {
    const { facts, length } = this.#source;
    return facts.devices.get(device, length)?.user;
  }

  /** What a user may do; 0 for strangers. The owner may do everything. [AC12] */
  tagsOf(user: UserId): Tags {
    if (user === this.scope.owner) return tagsOfRole("admin", this.scope.kind);
    const { facts, length } = this.#source;
    return facts.tags.get(user, length) ?? 0;
  }

  /** Whether the user of `device` holds all of `tags`. */
  may(device: DeviceId, tags: Tags): boolean {
    const user = this.userOf(device);
    return user !== undefined && (this.tagsOf(user) & tags) === tags;
  }

  /** Whether a grant of `tags` by `device` would count: by the owner, or an admin when Admin is not among them. [AC15] */
  mayGrant(device: DeviceId, tags: Tags): boolean {
    if (this.userOf(device) === this.scope.owner) return true;
    return this.may(device, Tags.ADMIN) && (tags & Tags.ADMIN) === 0;
  }

  /** Everyone who may do anything, the owner among them. */
  users(): ReadonlyMap<UserId, Tags> {
    const { facts, length } = this.#source;
    return facts.tags.snapshot(length).set(this.scope.owner, this.tagsOf(this.scope.owner));
  }

  /** SHA-256 over the heads' ids, ascending, one after another: equal on devices that hold the same entries. [AC19] */
  controlSum(crypto: Pick<Crypto, "sha256">): Uint8Array {
    return crypto.sha256(concatBytes(...this.heads.map(controlIdBytes)));
  }

  #readInvites(): ReadonlyMap<string, InviteState> {
    const { facts, length } = this.#source;
    const invites = new Map<string, InviteState>();
    for (const [key, { tags, uses, notAfter, by }] of facts.invites.snapshot(length)) {
      invites.set(key, { tags, uses, notAfter, usedBy: facts.usersOfInvite(key, length), by });
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
