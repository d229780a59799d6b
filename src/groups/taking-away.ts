/** Where nothing may be taken from others: what they may do, and what they wrote. Rules: [SY120]. */

import { type ScopeId, scopeKeyOf } from "../base/index.ts";
import type { Groups } from "./groups.ts";

/**
 * Why nobody may be revoked in a scope now, or `undefined`. A freeze names what is here, and the others drop what they have all
 * superseded without waiting for a device that takes no part any more: of what is taken back then nobody has the version before. [SY120]
 * `incomplete`: also where not all is here that was promised.
 */
export function whyNotRevoke(
  groups: Groups,
  scope: ScopeId,
  incomplete: boolean,
): string | undefined {
  const sharing = groups.all(scope.database).filter((group) => isSharedBy(groups, group, scope));
  const active = sharing.filter((group) => groups.isActive(group));
  // One that has brought all is enough: by that one this device is waited for. Else anybody who shares our collection could keep us from it.
  const late = active.every((group) => groups.lacks(group, scope)) ? active[0] : undefined;
  if (late !== undefined && !incomplete)
    return `syncgroup "${late.name}" has not brought all of it yet, say "incomplete" if it never does`;
  const gone = sharing.find((group) => hasGone(groups, group, scope));
  if (active.length > 0 || gone === undefined) return undefined;
  return `this device takes no part in syncgroup "${gone.name}" any more, join it again first`;
}

function isSharedBy(groups: Groups, group: ScopeId, scope: ScopeId): boolean {
  const key = scopeKeyOf(scope);
  return [group, ...groups.collections(group)].some((one) => scopeKeyOf(one) === key);
}

/** Whether others do not wait for this device any more. In a group that it did not leave and that was destroyed they do. */
function hasGone(groups: Groups, group: ScopeId, scope: ScopeId): boolean {
  const status = groups.status(group);
  if (status === "left" || status === "ejected") return true;
  // Nothing of a group's own scope is dropped, and nobody comes back to one that is destroyed.
  return scope.kind === "collection" && groups.records.left(group) !== undefined;
}
