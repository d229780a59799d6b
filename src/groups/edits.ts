/**
 * What people change of a syncgroup that is here: its spec, its invites, who may what, their own entry, and its end.
 */

import {
  DEVICE_NAME_BYTES_MAX,
  type InviteState,
  type Role,
  roleOfTags,
  type Spec,
  SPEC_RENDEZVOUS_MAX,
  Tags,
  tagsOfRole,
  type VerifiedOp,
} from "../access/index.ts";
import {
  type Clock,
  type DeviceId,
  fromHex,
  type ScopeId,
  type UserId,
  utf8,
} from "../base/index.ts";
import { SyncError } from "../deltas/index.ts";
import type { History, PartWrite } from "../history/index.ts";
import { type Ejected, type EjectOptions, ejection, revocationOf } from "./ejecting.ts";
import { adminAccess, refuseEnded, writeParts } from "./guard.ts";
import type { Groups } from "./groups.ts";
import { ADDRESS_BYTES_MAX, DESCRIPTION_BYTES_MAX } from "./limits.ts";
import { type DeviceType, isDeviceType, memberRow, type MemberView } from "./members.ts";
import { publishTargetOf } from "./publish-target.ts";

export interface GroupEditsDeps {
  readonly history: History;
  readonly clock: Clock;
  readonly groups: Groups;
}

/** What a group is, and which version of that. */
export interface GroupSpec {
  readonly description: string;
  readonly collections: readonly ScopeId[];
  /** The device that the group is published at. */
  readonly publishPeer: DeviceId | undefined;
  readonly rendezvous: readonly string[];
  readonly isPrivate: boolean;
  /** 64 hexadecimal digits. */
  readonly version: string;
}

/** What to change of a spec; what is left out stays. */
export interface SpecChanges {
  readonly description?: string | undefined;
  readonly rendezvous?: readonly string[] | undefined;
  readonly isPrivate?: boolean | undefined;
  /** Multiaddrs of the publish peer, or its bare name; none: it is published nowhere any more. */
  readonly publishAt?: readonly string[] | undefined;
  /** Only the same as ever: they are fixed. */
  readonly collections?: readonly ScopeId[] | undefined;
}

export interface SetSpecOptions {
  /** Change it only while it has this version. */
  readonly version?: string | undefined;
}

/** What a device says of itself in a group. */
export interface MemberChanges {
  /** At most `DEVICE_NAME_BYTES_MAX` bytes of UTF-8. */
  readonly name?: string | undefined;
  readonly type?: DeviceType | undefined;
  /** 0 to 255. */
  readonly priority?: number | undefined;
}

/** An invite, for people. */
export interface InviteView {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly role: Role | undefined;
  /** Users that it admits; 0: no bound. */
  readonly uses: number;
  readonly usedBy: readonly UserId[];
  /** Milliseconds since 1970. */
  readonly notAfter: number | undefined;
  /** It has been taken back. */
  readonly isRevoked: boolean;
  readonly by: UserId;
}

/** An end in the year 1970: what an invite that was taken back has. */
const REVOKED = 0;

export class GroupEdits {
  readonly #deps: GroupEditsDeps;
  /** Edits are made one at a time: each looks at what it changes. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: GroupEditsDeps) {
    this.#deps = deps;
  }

  /** @throws {SyncError} `SYNC_NO_GROUP`, `SYNC_PENDING` while it has not arrived. */
  spec(group: ScopeId): GroupSpec {
    const { groups, history } = this.#deps;
    const spec = history.scope(group)?.access.spec;
    if (spec === undefined) {
      if (!groups.has(group)) refuseEnded(groups, group);
      throw new SyncError("SYNC_PENDING", `The spec of "${group.name}" has not arrived here yet`);
    }
    const { description, publishPeer, rendezvous, isPrivate } = spec.value;
    const collections = groups.collections(group);
    return { description, collections, publishPeer, rendezvous, isPrivate, version: spec.version };
  }

  /**
   * Changes the spec, and answers what it is then. Edits that others make at the same time are merged with it field by field. [SY60]
   *
   * @throws {SyncError} `SYNC_BAD_VERSION`, `SYNC_SPEC_INVALID`, `SYNC_NOT_ADMIN`, `SYNC_PENDING`, `SYNC_NO_GROUP`, `SYNC_GROUP_ENDED`.
   */
  setSpec(group: ScopeId, changes: SpecChanges, options: SetSpecOptions = {}): Promise<GroupSpec> {
    return this.#alone(async () => {
      const { spec } = adminAccess(this.#deps, group);
      if (options.version !== undefined && options.version !== spec.version) {
        throw new SyncError(
          "SYNC_BAD_VERSION",
          `Cannot change the spec of "${group.name}": it has been changed meanwhile`,
        );
      }
      this.#refuseInvalid(group, changes);
      const controls = await this.#specOps(group, spec.value, changes);
      await this.#deps.history.write({ parts: [{ scope: group, rows: [], controls }] });
      return this.spec(group);
    });
  }

  async #specOps(group: ScopeId, before: Spec, changes: SpecChanges): Promise<VerifiedOp[]> {
    const { publishAt } = changes;
    const target =
      publishAt === undefined || publishAt.length === 0 ? undefined : publishTargetOf(publishAt);
    // Kept before the spec names the peer: from then on it is to be found.
    if (target !== undefined) await this.#deps.groups.records.setIntent({ group, ...target });
    const spec: Spec = {
      description: changes.description ?? before.description,
      collections: before.collections,
      publishPeer: publishAt === undefined ? before.publishPeer : target?.peer,
      rendezvous: changes.rendezvous ?? before.rendezvous,
      isPrivate: changes.isPrivate ?? before.isPrivate,
    };
    const state = spec.publishPeer === undefined ? "running" : "publishPending";
    return publishAt === undefined
      ? [{ type: "spec", ...spec }]
      : [
          { type: "spec", ...spec },
          { type: "status", state },
        ];
  }

  #refuseInvalid(group: ScopeId, changes: SpecChanges): void {
    const why = specFault(changes, this.#deps.groups.collections(group));
    if (why === undefined) return;
    throw new SyncError("SYNC_SPEC_INVALID", `Cannot change the spec of "${group.name}": ${why}`);
  }

  /** Invites by id, those that admit nobody any more among them. */
  invites(group: ScopeId): InviteView[] {
    if (!this.#deps.groups.has(group)) refuseEnded(this.#deps.groups, group);
    const invites =
      this.#deps.history.scope(group)?.access.invites ?? new Map<string, InviteState>();
    return Array.from(invites, ([id, { tags, uses, usedBy, notAfter, by }]) => ({
      id,
      role: roleOfTags(tags),
      uses,
      usedBy: [...usedBy],
      notAfter: notAfter === REVOKED ? undefined : notAfter,
      isRevoked: notAfter === REVOKED,
      by,
    }));
  }

  /**
   * Takes an invite back: from then on no admin that knows of it admits anybody by it. Whoever it admitted stays. [SY61]
   *
   * @throws {SyncError} `SYNC_NO_INVITE`, and as `setSpec`.
   */
  revokeInvite(group: ScopeId, id: string): Promise<void> {
    return this.#alone(async () => {
      const { access } = adminAccess(this.#deps, group);
      const invite = access.invites.get(id);
      const publicKey = fromHex(id);
      if (invite === undefined || publicKey === undefined)
        throw new SyncError("SYNC_NO_INVITE", `Syncgroup "${group.name}" has no such invite`);
      const { tags, uses } = invite;
      this.#refuseGrant(group, tags, "take back an invite to it");
      await this.#deps.history.write({
        parts: [
          {
            scope: group,
            rows: [],
            controls: [{ type: "invite", publicKey, tags, uses, notAfter: REVOKED }],
          },
        ],
      });
    });
  }

  /** Members by device, with what they may do now. */
  members(group: ScopeId): MemberView[] {
    const { history, groups } = this.#deps;
    const access = history.scope(group)?.access;
    const collections = groups.collections(group).map((id) => history.scope(id)?.access);
    return groups.members(group).map((member) => {
      const tags = access?.tagsOf(member.user) ?? 0;
      const rows = collections.map((one) => one?.tagsOf(member.user) ?? 0);
      const mayRead = (tags & Tags.READ) !== 0 && access?.userOf(member.device) === member.user;
      const all = tags | (rows.some((one) => (one & Tags.WRITE) !== 0) ? Tags.WRITE : 0);
      const state = member.hasLeft
        ? "left"
        : mayRead || groups.isPending(group)
          ? "joined"
          : "ejected";
      return { ...member, state, role: mayRead ? roleOfTags(all) : undefined };
    });
  }

  /** Changes what this device says of itself. @throws {SyncError} `SYNC_NO_GROUP`, `SYNC_GROUP_ENDED`, `SYNC_PENDING`, `SYNC_SPEC_INVALID`. */
  updateMember(group: ScopeId, changes: MemberChanges): Promise<void> {
    return this.#alone(async () => {
      const { groups, history } = this.#deps;
      refuseEnded(groups, group);
      const own = groups.members(group).find(({ device }) => device === history.identity.device);
      if (own === undefined || groups.isPending(group))
        throw new SyncError("SYNC_PENDING", `Our entry in "${group.name}" has not arrived yet`);
      const { name = own.name, type = own.type, priority = own.priority } = changes;
      const why = memberFault(name, type, priority);
      if (why !== undefined)
        throw new SyncError(
          "SYNC_SPEC_INVALID",
          `Cannot change our entry in "${group.name}": ${why}`,
        );
      await history.write({
        parts: [{ scope: group, rows: [memberRow({ ...own, name, type, priority })] }],
      });
      await groups.settled();
    });
  }

  /**
   * Takes a user or a device out of the group and its collections. They keep what they have, and get nothing new.
   *
   * @throws {SyncError} `SYNC_NO_MEMBER`; `SYNC_NOT_ADMIN` also for ourselves, the owner, and unless we are the owner, for
   *   admins; and as `setSpec`.
   */
  eject(group: ScopeId, ejected: Ejected, options?: EjectOptions): Promise<void> {
    return this.#alone(async () => {
      await writeParts(this.#deps.history, ejection(this.#deps, group, ejected, options));
      await this.#deps.groups.settled();
    });
  }

  /**
   * Ends the group for everybody, for ever. The owner may do so also after leaving it. [SY69]
   *
   * @throws {SyncError} `SYNC_NOT_ADMIN` unless we own it, `SYNC_PENDING`, `SYNC_NO_GROUP`, `SYNC_GROUP_ENDED` when it is destroyed.
   */
  destroy(group: ScopeId): Promise<void> {
    return this.#alone(async () => {
      const { history, groups } = this.#deps;
      if (groups.status(group) !== "left") adminAccess(this.#deps, group);
      if (history.identity.certified.user !== group.owner) {
        throw new SyncError("SYNC_NOT_ADMIN", `Only its owner destroys syncgroup "${group.name}"`);
      }
      await history.write({
        parts: [{ scope: group, rows: [], controls: [{ type: "destroy" }] }],
      });
      await groups.settled();
    });
  }

  /**
   * Gives a user of the group another role, in it and its collections; whoever was ejected is in it again. [SY62]
   *
   * @throws {SyncError} `SYNC_NOT_ADMIN` also for roles that only the owner gives, and as `setSpec`.
   */
  grant(group: ScopeId, user: UserId, role: Role): Promise<void> {
    return this.#alone(async () => {
      adminAccess(this.#deps, group);
      this.#refuseGrant(group, tagsOfRole(role, "syncgroup"), `make somebody ${role} of it`);
      const scopes = [...this.#deps.groups.collections(group), group];
      await writeParts(
        this.#deps.history,
        scopes.map((scope) => this.#grantPart(scope, user, role)),
      );
    });
  }

  #grantPart(scope: ScopeId, user: UserId, role: Role): PartWrite {
    const { history } = this.#deps;
    const state = history.scope(scope);
    const held = state?.access.tagsOf(user) ?? 0;
    const wanted = tagsOfRole(role, scope.kind);
    if (user === scope.owner || held === wanted) return { scope, rows: [] };
    this.#refuseGrant(scope, wanted, `make somebody ${role} of it`);
    const grant: VerifiedOp = { type: "grant", user, tags: wanted };
    // Grants add up: less is what is granted after all was taken.
    if (state === undefined || (held & ~wanted) === 0)
      return { scope, rows: [], controls: [grant] };
    return { scope, rows: [], controls: [revocationOf(this.#deps, state, { user }), grant] };
  }

  /** @throws {SyncError} `SYNC_NOT_ADMIN` when a grant of these tags by this device would not count. */
  #refuseGrant(scope: ScopeId, tags: Tags, what: string): void {
    const { device, certified } = this.#deps.history.identity;
    const access = this.#deps.history.scope(scope)?.access;
    if (certified.user === scope.owner || access?.mayGrant(device, tags) === true) return;
    throw new SyncError(
      "SYNC_NOT_ADMIN",
      `This device's user may not do that in ${scope.kind} "${scope.name}": ${what}`,
    );
  }

  #alone<T>(edit: () => Promise<T>): Promise<T> {
    const edited = this.#last.then(edit);
    this.#last = edited.catch(() => {});
    return edited;
  }
}

/** What is wrong with a change of a spec, or `undefined`. Also for what a group is created with. */
export function specFault(
  { description, rendezvous, collections }: SpecChanges,
  before?: readonly ScopeId[],
): string | undefined {
  if (description !== undefined && !isText(description, DESCRIPTION_BYTES_MAX))
    return `its description is a text of at most ${DESCRIPTION_BYTES_MAX} bytes of UTF-8`;
  if (rendezvous !== undefined) {
    const isAddress = (text: string): boolean =>
      text.startsWith("/") && isText(text, ADDRESS_BYTES_MAX);
    if (rendezvous.length > SPEC_RENDEZVOUS_MAX || !rendezvous.every(isAddress))
      return `it has at most ${SPEC_RENDEZVOUS_MAX} rendezvous addresses, each a multiaddr`;
    if (new Set(rendezvous).size !== rendezvous.length) return "a rendezvous address stands twice";
  }
  if (collections === undefined || before === undefined) return undefined;
  const names = new Set(before.map(nameOf));
  const isSame =
    collections.length === names.size && collections.every((scope) => names.has(nameOf(scope)));
  return isSame ? undefined : "its collections are fixed";
}

function memberFault(name: string, type: string, priority: number): string | undefined {
  if (!isText(name, DEVICE_NAME_BYTES_MAX))
    return `its name is a text of at most ${DEVICE_NAME_BYTES_MAX} bytes of UTF-8`;
  if (!isDeviceType(type)) return "its type is normal, server or leaf";
  if (!Number.isInteger(priority) || priority < 0 || priority > 255)
    return "its priority is 0 to 255";
  return undefined;
}

function nameOf({ owner, name }: ScopeId): string {
  return `${owner}/${name}`;
}

function isText(text: string, max: number): boolean {
  return text.isWellFormed() && utf8(text).length <= max;
}
