/** What a device that lets others into a group promises them of it: the checkpoint that they wait for. Rules: [SY122], [SY123]. */

import { Tags } from "../access/index.ts";
import type { GenVector, LogKey, ScopeId } from "../base/index.ts";
import type { ScopeClaim } from "../deltas/index.ts";
import { type History, SCOPE_LOGS_MAX } from "../history/index.ts";
import type { Groups } from "./groups.ts";
import { PASSED_ON_LOGS_MAX } from "./limits.ts";

/**
 * A group's scope and its collections with what is here of each, and with what this device was promised of the collections and
 * lacks itself. Else whoever is let in while rows are still arriving here would count as having everything before they do, and
 * could take back what others no longer have the version before of. [SY120] [SY122]
 */
export function promiseOf(history: History, groups: Groups, group: ScopeId): ScopeClaim[] {
  const claims = [group, ...groups.collections(group)].map((scope) => ({
    scope,
    vector: new Map(history.scope(scope)?.vector()),
  }));
  const promisedBy = groups.joined(group)?.admin;
  const access = history.scope(group)?.access;
  if (promisedBy === undefined || access?.may(promisedBy, Tags.ADMIN) !== true) return claims;
  let room = PASSED_ON_LOGS_MAX;
  for (const { scope, vector } of claims) {
    // Of the group's own scope nothing is: who lacks some of that lets nobody in. [SY29]
    if (scope.kind !== "syncgroup") room -= raise(vector, groups.lacking(group, scope), room);
  }
  return claims;
}

/** Raises a vector to another, with `room` logs that it does not name at most. Answers how many of these there were. */
function raise(vector: Map<LogKey, number>, by: GenVector, room: number): number {
  const before = vector.size;
  const size = Math.min(before + room, Math.max(before, SCOPE_LOGS_MAX));
  for (const [log, generation] of by)
    if (vector.has(log) || vector.size < size) vector.set(log, generation);
  return vector.size - before;
}
