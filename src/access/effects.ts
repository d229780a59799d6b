import { assert, type DeviceId, type GenVector, type UserId } from "../base/index.ts";
import { AccessFacts } from "./access-facts.ts";
import type { Ancestry, Past } from "./ancestry.ts";
import type { ControlEntry, ControlId, Rejection } from "./control-entry.ts";
import { type RevokedBy, Rights } from "./rights.ts";
import type { Author } from "./standing.ts";
import { Tags } from "./tags.ts";
import type { ReducibleOp } from "./verified-op.ts";
import { VersionedMap } from "./versioned.ts";

/** An entry of a control log with what is found out about it once. */
export interface HeldEntry {
  readonly entry: ControlEntry;
  readonly author: Author;
  /** Why it does not stand. */
  readonly rejection: Rejection | undefined;
}

/** What each device says that it holds of the scope. */
export type Published = ReadonlyMap<DeviceId, GenVector>;

/**
 * Which entries have effect, and what they come to. Others can be added as long as they take nothing away; after one that
 * does, the effects of all are found out anew (`Effects.of`).
 */
export class Effects {
  readonly facts: AccessFacts;
  readonly rights: Rights;
  readonly rejected: VersionedMap<ControlId, Rejection>;
  readonly #owner: UserId;
  readonly #ancestry: Ancestry;

  /** Those of an empty log, or a copy of another's. `goesOn`: of the same log, which shares what it knows at each length. */
  constructor(owner: UserId, ancestry: Ancestry, from?: Effects, goesOn = false) {
    this.#owner = owner;
    this.#ancestry = ancestry;
    this.rights = new Rights(owner, ancestry, from?.rights);
    const shared = goesOn ? from : undefined;
    this.facts = shared?.facts ?? new AccessFacts(ancestry, from?.facts);
    this.rejected = shared?.rejected ?? new VersionedMap(from?.rejected);
  }

  /** Those of entries numbered in the ancestry in this order. [AC30] */
  static of(
    owner: UserId,
    ancestry: Ancestry,
    held: readonly HeldEntry[],
    published: Published,
  ): Effects {
    const effects = new Effects(owner, ancestry);
    const { rights } = effects;
    const standing = [...held.entries()].filter(([, { rejection }]) => rejection === undefined);
    const revoke = (index: number, one: HeldEntry, by: RevokedBy): void =>
      effects.#revoke(one, index, by, published);
    for (const [index, one] of standing) {
      const { op } = one.entry;
      if (op.type === "forkProof") rights.addFork(op.forked.log, op.forked.generation);
      else if (op.type === "revokeOwnDevice") revoke(index, one, "userKey");
    }
    const rest = standing.filter(([, { entry }]) => !speaksForItself(entry.op));
    for (const [index, one] of rest) {
      const { op } = one.entry;
      if (!one.author.isOwner || !rights.permitsOwner(one.entry)) continue;
      revoke(index, one, "owner");
      if (isAdminGrant(op)) rights.addGrant(op.user, { index, tags: op.tags });
    }
    for (const [index, one] of rest) {
      if (one.author.isOwner || !takesAway(one.entry.op)) continue;
      if (effects.verdictOf(one, ancestry.pastAt(index)) === undefined) revoke(index, one, "admin");
    }
    for (const [index, one] of held.entries()) {
      effects.#add(one, index, isAdminGrant(one.entry.op));
    }
    return effects;
  }

  /** Takes in the entry numbered `index`, which takes nothing away. Answers why it has no effect. */
  add(held: HeldEntry, index: number): Rejection | undefined {
    assert(
      held.rejection !== undefined || !takesAway(held.entry.op),
      "what takes something away is reduced with all others",
    );
    return this.#add(held, index, false);
  }

  /**
   * Takes in the entry numbered `index`, which takes something away and ends the effect of no other: what is found out about all
   * others stays. States that were given out keep the rights before it.
   */
  taking(held: HeldEntry, index: number, published: Published): Effects {
    const effects = new Effects(this.#owner, this.#ancestry, this, true);
    const { op } = held.entry;
    if (op.type === "forkProof") effects.rights.addFork(op.forked.log, op.forked.generation);
    else if (this.verdictOf(held, this.#ancestry.pastAt(index)) === undefined) {
      const by = held.author.isOwner ? "owner" : "admin";
      effects.#revoke(held, index, op.type === "revokeOwnDevice" ? "userKey" : by, published);
    }
    effects.#add(held, index, false);
    return effects;
  }

  #revoke({ entry, author }: HeldEntry, index: number, by: RevokedBy, published: Published): void {
    const { op, device } = entry;
    if (!takesAway(op) || op.type === "forkProof") return;
    const user = op.type === "revokeOwnDevice" ? op.user : author.user;
    assert(user !== undefined, "a revocation that stands is somebody's");
    const { freeze } = op;
    const revocation = { index, by, user, freeze, published: published.get(device) };
    if (op.type === "revoke") this.rights.addRevocationOfUser(op.user, revocation);
    else this.rights.addRevocationOfDevice(op.device, revocation);
  }

  /** Why an entry with this past has no effect, or `undefined` when it has. */
  verdictOf({ entry, author, rejection }: HeldEntry, past: Past): Rejection | undefined {
    if (rejection !== undefined) return rejection;
    if (speaksForItself(entry.op)) return undefined;
    assert(author.user !== undefined, "what stands and does not speak for itself has an author");
    const isPermitted = author.isOwner
      ? this.rights.permitsOwner(entry)
      : this.rights.permitsAdmin(entry, author.user, past);
    return isPermitted ? undefined : "frozen";
  }

  #add(held: HeldEntry, index: number, isGrantKnown: boolean): Rejection | undefined {
    const { entry, author } = held;
    const verdict = this.verdictOf(held, this.#ancestry.pastAt(index));
    if (verdict !== undefined) {
      this.rejected.set(entry.id, verdict, index);
      return verdict;
    }
    const { op } = entry;
    if (op.type === "grant" && !isGrantKnown)
      this.rights.addGrant(op.user, { index, tags: op.tags });
    this.facts.apply(entry, index, author.user);
    return undefined;
  }
}

/** An op that takes something away. */
export type TakingOp = Extract<
  ReducibleOp,
  { type: "revoke" | "revokeDevice" | "revokeOwnDevice" | "forkProof" }
>;

/** Whether an op that stands may end the effect of others. */
export function takesAway(op: ControlEntry["op"]): op is TakingOp {
  return (
    op.type === "revoke" ||
    op.type === "revokeDevice" ||
    op.type === "revokeOwnDevice" ||
    op.type === "forkProof"
  );
}

/** Whether nobody's right or freeze matters to the op's effect: it carries its own proof, or says only whose a device is. */
function speaksForItself({ type }: ControlEntry["op"]): boolean {
  return type === "device" || type === "forkProof" || type === "revokeOwnDevice";
}

function isAdminGrant(op: ControlEntry["op"]): op is Extract<ReducibleOp, { type: "grant" }> {
  return op.type === "grant" && (op.tags & Tags.ADMIN) !== 0;
}
