/**
 * The syncgroups of one device: what is known of them here, who shares what with us, and what people change of them.
 *
 * Start at `Groups`, a view of the history, and `GroupEdits`. Rules: docs/spec/sync.md.
 *
 * @module
 */

export {
  GroupEdits,
  type GroupSpec,
  type InviteView,
  type MemberChanges,
  type SetSpecOptions,
  specFault,
  type SpecChanges,
} from "./edits.ts";
export type { Ejected, EjectOptions } from "./ejecting.ts";
export { Groups, type GroupStatus, hasEnded, hasGroups, type PendingProgress } from "./groups.ts";
export {
  adminAccess,
  noGroup,
  othersOf,
  refuseEnded,
  refuseLastAdmin,
  writeParts,
} from "./guard.ts";
export {
  ADDRESS_BYTES_MAX,
  ADDRESSES_MAX,
  GROUP_COLLECTIONS_MAX,
  PASSED_ON_LOGS_MAX,
  SERVICE_USERS_MAX,
} from "./limits.ts";
export {
  type DeviceType,
  type Member,
  memberRow,
  type MemberState,
  type MemberView,
  readMember,
  readMembers,
} from "./members.ts";
export { promiseOf } from "./promises.ts";
export { publishTargetOf, type PublishTarget } from "./publish-target.ts";
export { pausedDatabases, Pauses } from "./pauses.ts";
export { whenReady } from "./ready.ts";
export { type GroupLeft, GroupStore, type JoinedGroup, type PublishIntent } from "./records.ts";
export { ServiceAccess } from "./service-access.ts";
export { Sharing } from "./sharing.ts";
