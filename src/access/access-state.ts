import {
  concatBytes,
  type Crypto,
  type DeviceId,
  fromHex,
  type ScopeId,
  toHex,
  type UserId,
} from "../base/index.ts";
import type { Certified } from "./certificate.ts";
import type { ControlId, Rejection } from "./control-entry.ts";
import type { GroupStatus } from "./control-op.ts";
import type { Spec } from "./spec.ts";
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

/** What an `AccessState` is made from; each part is a copy that nobody changes. */
export interface AccessParts {
  readonly heads: readonly ControlId[];
  readonly devices: ReadonlyMap<DeviceId, Certified>;
  readonly tagsByUser: ReadonlyMap<UserId, Tags>;
  readonly spec: { readonly value: Spec; readonly version: ControlId } | undefined;
  readonly invites: ReadonlyMap<string, InviteState>;
  readonly policies: ReadonlyMap<string, string>;
  readonly status: GroupStatus | undefined;
  readonly destroyed: boolean;
  readonly rejected: ReadonlyMap<ControlId, Rejection>;
  readonly has: (id: ControlId) => boolean;
}

/** Who may do what in one scope, by the control ops held at one moment. It does not change afterwards. */
export class AccessState {
  readonly scope: ScopeId;
  /** Entries that no other names, ascending. */
  readonly heads: readonly ControlId[];
  /** Each device's certificate: of the user it acts for, the one issued last. [AC13] [AC14] */
  readonly devices: ReadonlyMap<DeviceId, Certified>;
  /** What the group is, and the op that says so; absent in a collection and before the group is created. [AC18] */
  readonly spec: { readonly value: Spec; readonly version: ControlId } | undefined;
  /** By public key in lower-case hexadecimal digits. */
  readonly invites: ReadonlyMap<string, InviteState>;
  /** Conflict policies by row key prefix. */
  readonly policies: ReadonlyMap<string, string>;
  readonly status: GroupStatus | undefined;
  readonly destroyed: boolean;
  /** Entries that are held but have no effect, and why. */
  readonly rejected: ReadonlyMap<ControlId, Rejection>;
  readonly #tagsByUser: ReadonlyMap<UserId, Tags>;
  readonly #has: (id: ControlId) => boolean;

  constructor(scope: ScopeId, parts: AccessParts) {
    this.scope = scope;
    this.heads = parts.heads;
    this.devices = parts.devices;
    this.spec = parts.spec;
    this.invites = parts.invites;
    this.policies = parts.policies;
    this.status = parts.status;
    this.destroyed = parts.destroyed;
    this.rejected = parts.rejected;
    this.#tagsByUser = parts.tagsByUser;
    this.#has = parts.has;
  }

  /** Whether the entry is held. */
  has(id: ControlId): boolean {
    return this.#has(id);
  }

  /** The user that a device acts for, or `undefined` when no counting certificate says so. */
  userOf(device: DeviceId): UserId | undefined {
    return this.devices.get(device)?.user;
  }

  /** What a user may do; 0 for strangers. The owner may always do everything. [AC12] */
  tagsOf(user: UserId): Tags {
    if (user === this.scope.owner) return tagsOfRole("admin", this.scope.kind);
    return this.#tagsByUser.get(user) ?? 0;
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
    return new Map([...this.#tagsByUser, [this.scope.owner, this.tagsOf(this.scope.owner)]]);
  }

  /** SHA-256 over the heads' ids, ascending, one after another: equal on devices that hold the same entries. [AC21] */
  controlSum(crypto: Pick<Crypto, "sha256">): Uint8Array {
    return crypto.sha256(concatBytes(...this.heads.map(controlIdBytes)));
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
