import { type AccessState, type SpecState, Tags } from "../access/index.ts";
import type { ScopeId, UserId } from "../base/index.ts";
import { SyncError } from "../deltas/index.ts";
import type { History, PartWrite } from "../history/index.ts";
import type { Groups } from "./groups.ts";
import type { Member } from "./members.ts";
import { COMMIT_PARTS_MAX } from "../history/index.ts";

export function noGroup(group: ScopeId): SyncError {
  return new SyncError("SYNC_NO_GROUP", `No syncgroup "${group.name}" here`);
}

/** @throws {SyncError} `SYNC_NO_GROUP`, or `SYNC_GROUP_ENDED` when this device takes no part in the group any more. */
export function refuseEnded(groups: Groups, group: ScopeId): void {
  if (!groups.has(group)) throw noGroup(group);
  if (groups.isActive(group)) return;
  throw new SyncError(
    "SYNC_GROUP_ENDED",
    `Syncgroup "${group.name}" is ${groups.status(group)} here`,
  );
}

/**
 * The access of a group that this device's user may change now; `incomplete`: also by a history of which part is lacking.
 *
 * @throws {SyncError} `SYNC_NO_GROUP`, `SYNC_GROUP_ENDED`, `SYNC_PENDING`, `SYNC_NOT_ADMIN`.
 */
export function adminAccess(
  { history, groups }: { readonly history: History; readonly groups: Groups },
  group: ScopeId,
  incomplete = false,
): { readonly access: AccessState; readonly spec: SpecState } {
  refuseEnded(groups, group);
  const access = history.scope(group)?.access;
  if ((groups.isPending(group) && !incomplete) || access?.spec === undefined) {
    throw new SyncError(
      "SYNC_PENDING",
      `Syncgroup "${group.name}" has not arrived here yet: its history is lacking`,
    );
  }
  const { device, certified } = history.identity;
  if (!access.may(device, Tags.ADMIN) && certified.user !== group.owner) {
    throw new SyncError(
      "SYNC_NOT_ADMIN",
      `This device's user is no admin of syncgroup "${group.name}"`,
    );
  }
  return { access, spec: access.spec };
}

/** Members beside this device that take part: not those that have left, or may not read any more as far as that is known here. */
export function othersOf(
  { history, groups }: { readonly history: History; readonly groups: Groups },
  group: ScopeId,
): Member[] {
  const access = groups.isPending(group) ? undefined : history.scope(group)?.access;
  return groups
    .members(group)
    .filter(({ device, hasLeft }) => device !== history.identity.device && !hasLeft)
    .filter(({ device, user }) => access?.hasLostRead(device, user) !== true);
}

/**
 * Refuses where our user alone may admit, and others stay who could then let nobody in: not while the group is pending, since who may what
 * is not known here then. [SY121]
 *
 * @throws {SyncError} `SYNC_LAST_ADMIN`.
 */
export function refuseLastAdmin(
  { history, groups }: { readonly history: History; readonly groups: Groups },
  group: ScopeId,
): void {
  const access = history.scope(group)?.access;
  if (access === undefined || groups.isPending(group)) return;
  const mayAdmit = (user: UserId): boolean =>
    user === group.owner || (access.tagsOf(user) & Tags.ADMIN) !== 0;
  const others = othersOf({ history, groups }, group);
  if (others.length === 0 || !mayAdmit(history.identity.certified.user)) return;
  if (others.some(({ user }) => mayAdmit(user))) return;
  throw new SyncError(
    "SYNC_LAST_ADMIN",
    `Cannot leave syncgroup "${group.name}": nobody who stays in it is an admin, so nobody could come in, we included`,
  );
}

/** Writes parts in one commit, or in as few as they need: then the last ones last. Parts of nothing are left out. */
export async function writeParts(history: History, parts: readonly PartWrite[]): Promise<void> {
  const due = parts.filter(({ rows, controls = [] }) => rows.length > 0 || controls.length > 0);
  for (let from = 0; from < due.length; from += COMMIT_PARTS_MAX)
    await history.write({ parts: due.slice(from, from + COMMIT_PARTS_MAX) });
}
