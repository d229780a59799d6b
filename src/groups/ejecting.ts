/**
 * Ejecting: what an admin takes from a user or a device, in a group and in its collections. Rules: [SY75].
 */

import { type AccessState, type Spec, Tags, type VerifiedOp } from "../access/index.ts";
import { type DeviceId, type ScopeId, scopeKeyOf, type UserId } from "../base/index.ts";
import { SyncError } from "../deltas/index.ts";
import type { History, PartWrite, ScopeState } from "../history/index.ts";
import { adminAccess } from "./guard.ts";
import type { Groups } from "./groups.ts";
import { whyNotRevoke } from "./taking-away.ts";

/** Whom to eject: a user with all their devices, or one device. */
export type Ejected = { readonly user: UserId } | { readonly device: DeviceId };

export interface EjectOptions {
  /** Spare the collections that other groups share in which the user is. Default false. */
  readonly keepsShared?: boolean | undefined;
  /**
   * Also while not all is here that is to come. What they have written and is not here is taken back for everybody, and where others
   * have dropped what that superseded, nobody has it any more. Default false. [SY120]
   */
  readonly incomplete?: boolean | undefined;
}

export interface EjectingDeps {
  readonly history: History;
  readonly groups: Groups;
}

/**
 * The revocations, one a scope, the group's last.
 *
 * @throws {SyncError} `SYNC_NOT_ADMIN`, `SYNC_NO_MEMBER`, and as `adminAccess` and `revocationOf`.
 */
export function ejection(
  deps: EjectingDeps,
  group: ScopeId,
  ejected: Ejected,
  { keepsShared = false, incomplete = false }: EjectOptions = {},
): PartWrite[] {
  const { history, groups } = deps;
  const { access, spec } = adminAccess(deps, group, incomplete);
  const user = memberUser(groups, group, access, ejected);
  if (user === undefined)
    throw new SyncError("SYNC_NO_MEMBER", `Nobody of that name is in syncgroup "${group.name}"`);
  if (user === history.identity.certified.user)
    throw refusal(group, "our own user does not eject itself: it leaves");
  const collections = groups
    .collections(group)
    .filter((scope) => !(keepsShared && isSharedElsewhere(deps, group, scope, user)))
    // Who owns a collection stays in it, and whoever may do nothing in it has nothing to lose.
    .filter(({ owner }) => owner !== user)
    .flatMap((scope) => history.scope(scope) ?? [])
    .filter((scope) => scope.access.tagsOf(user) !== 0);
  const parts = collections.map((scope) => partOf(deps, scope, ejected, incomplete));
  const own = history.scope(group);
  if (own === undefined) throw refusal(group, "its history is not here");
  const last = partOf(deps, own, ejected, incomplete);
  const peer = spec.value.publishPeer;
  const isPublishPeer =
    peer !== undefined &&
    ("device" in ejected ? ejected.device === peer : access.userOf(peer) === user);
  const controls = isPublishPeer ? [...last.controls, ...unpublished(spec.value)] : last.controls;
  return [...parts, { ...last, controls }];
}

/** The user who is meant, when they may do anything in the group or a device of theirs was in it. */
function memberUser(
  groups: Groups,
  group: ScopeId,
  access: AccessState,
  ejected: Ejected,
): UserId | undefined {
  const members = groups.members(group);
  if ("device" in ejected) {
    const { device } = ejected;
    return access.userOf(device) ?? members.find((one) => one.device === device)?.user;
  }
  const { user } = ejected;
  return access.tagsOf(user) !== 0 || members.some((one) => one.user === user) ? user : undefined;
}

function partOf(
  deps: EjectingDeps,
  scope: ScopeState,
  ejected: Ejected,
  incomplete: boolean,
): PartWrite & { readonly controls: readonly VerifiedOp[] } {
  return { scope: scope.id, rows: [], controls: [revocationOf(deps, scope, ejected, incomplete)] };
}

/**
 * What takes from a user or a device what they may do in a scope, with the freeze of what is held here.
 *
 * @throws {SyncError} `SYNC_NOT_ADMIN` when our user may not, `SYNC_PENDING` while not all of it is here that is to come, unless `incomplete`. [SY120]
 */
export function revocationOf(
  { history, groups }: EjectingDeps,
  scope: ScopeState,
  ejected: Ejected,
  incomplete = false,
): VerifiedOp {
  const { access, id } = scope;
  const { device, certified } = history.identity;
  const user = "device" in ejected ? access.userOf(ejected.device) : ejected.user;
  const mayRevoke = user === undefined || access.mayRevoke(device, user);
  if (user === id.owner || (certified.user !== id.owner && !mayRevoke))
    throw refusal(id, "our user may not take from them what they may do");
  const why = whyNotRevoke(groups, id, incomplete);
  if (why !== undefined)
    throw new SyncError(
      "SYNC_PENDING",
      `Cannot take anything away in ${id.kind} "${id.name}": ${why}`,
    );
  const freeze = history.freezeOf(id, ejected);
  return "device" in ejected
    ? { type: "revokeDevice", device: ejected.device, freeze }
    : { type: "revoke", user: ejected.user, freeze };
}

function isSharedElsewhere(
  { history, groups }: EjectingDeps,
  group: ScopeId,
  collection: ScopeId,
  user: UserId,
): boolean {
  const key = scopeKeyOf(collection);
  return groups
    .all(group.database)
    .filter((other) => scopeKeyOf(other) !== scopeKeyOf(group) && groups.isActive(other))
    .filter((other) => groups.collections(other).some((scope) => scopeKeyOf(scope) === key))
    .some((other) => ((history.scope(other)?.access.tagsOf(user) ?? 0) & Tags.READ) !== 0);
}

function unpublished(spec: Spec): VerifiedOp[] {
  return [
    { type: "spec", ...spec, publishPeer: undefined },
    { type: "status", state: "running" },
  ];
}

function refusal(scope: ScopeId, why: string): SyncError {
  return new SyncError("SYNC_NOT_ADMIN", `Cannot eject from ${scope.kind} "${scope.name}": ${why}`);
}
