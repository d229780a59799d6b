import { type AccessState, type SpecState, Tags } from "../access/index.ts";
import type { ScopeId } from "../base/index.ts";
import { SyncError } from "../deltas/index.ts";
import type { History, PartWrite } from "../history/index.ts";
import type { Groups } from "./groups.ts";
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
 * The access of a group that this device's user may change now.
 *
 * @throws {SyncError} `SYNC_NO_GROUP`, `SYNC_GROUP_ENDED`, `SYNC_PENDING`, `SYNC_NOT_ADMIN`.
 */
export function adminAccess(
  { history, groups }: { readonly history: History; readonly groups: Groups },
  group: ScopeId,
): { readonly access: AccessState; readonly spec: SpecState } {
  refuseEnded(groups, group);
  const access = history.scope(group)?.access;
  if (groups.isPending(group) || access?.spec === undefined) {
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

/** Writes parts in one commit, or in as few as they need: then the last ones last. Parts of nothing are left out. */
export async function writeParts(history: History, parts: readonly PartWrite[]): Promise<void> {
  const due = parts.filter(({ rows, controls = [] }) => rows.length > 0 || controls.length > 0);
  for (let from = 0; from < due.length; from += COMMIT_PARTS_MAX)
    await history.write({ parts: due.slice(from, from + COMMIT_PARTS_MAX) });
}
