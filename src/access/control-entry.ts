import type { DeviceId, LogKey } from "../base/index.ts";
import type { VerifiedOp } from "./verified-op.ts";

/** A control op by its digest: 64 lower-case hexadecimal digits. Their order is that of the bytes. */
export type ControlId = string & { readonly controlId: unique symbol };

/** One control op where it stands. Whoever hands it out has checked its commit's signature and its certificate. */
export interface ControlEntry {
  readonly id: ControlId;
  readonly op: VerifiedOp;
  /** Whose log it stands in. */
  readonly device: DeviceId;
  readonly log: LogKey;
  readonly generation: number;
  /** Hybrid logical clock of its commit. */
  readonly timestamp: bigint;
  /**
   * What its author had seen: the first control op of a part names the part's control heads, each other one the op
   * before it in the part. So what a batch does first is known to what it does next. [AC9]
   */
  readonly parents: readonly ControlId[];
}

/** Why a control op does not stand, by itself and its ancestors alone; or, the last, why it has no effect for now. */
export type Rejection =
  /** No certificate among its ancestors says whose its author's device is. */
  | "unknownAuthor"
  /** Its author is neither the owner nor, by its ancestors, an admin. */
  | "notAdmin"
  /** Only the owner may: grant Admin, invite admins, create the group, destroy. */
  | "notOwner"
  /** It introduces another user's device. */
  | "notTheirDevice"
  /** It revokes a device of its author's user: their key must say so, not a sibling. */
  | "needsUserKey"
  /** It revokes the owner or, without the owner's key, a device of the owner. */
  | "ofOwner"
  /** Means nothing in a scope of this kind. */
  | "wrongScope"
  /** A group's collections are fixed when it is created. */
  | "otherCollections"
  /** It stands, and a freeze has taken its effect, or that of the grant it rests on. The only one that may come and go. */
  | "frozen";
