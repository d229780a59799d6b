import { Tags } from "../access/index.ts";
import { type DeviceId, parseDeviceId, type ScopeId } from "../base/index.ts";
import { ROW_SPACE } from "../records/index.ts";

export { ROW_SPACE };

/** Whether rows of `space` belong into a scope of this kind at all. */
export function hasSpace(scope: ScopeId, space: number): boolean {
  if (scope.kind === "syncgroup") return space === ROW_SPACE.members;
  return space === ROW_SPACE.rows || space === ROW_SPACE.holders;
}

/**
 * Whether a row op counts, by what its author's user holds in the scope: the application's rows need Write; a member's or
 * holder's record is written by an admin or by the device that it is about, which needs Read. Never because of who
 * delivered it. [HI11]
 */
export function mayWriteRow(tags: Tags, device: DeviceId, space: number, key: string): boolean {
  if (space === ROW_SPACE.rows) return hasTag(tags, Tags.WRITE);
  if (parseDeviceId(key) === undefined) return false;
  return hasTag(tags, Tags.ADMIN) || (key === device && hasTag(tags, Tags.READ));
}

function hasTag(tags: Tags, tag: Tags): boolean {
  return (tags & tag) !== 0;
}
