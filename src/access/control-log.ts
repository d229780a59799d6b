/**
 * The control log of one scope: who may do what, and what a syncgroup is, as a function of a set of control ops.
 *
 * Whether an op stands is a matter of its ancestors alone, and so is for ever, whatever arrives later and in whatever order:
 *
 *     device: ada's laptop <- grant: ben, Admin <- device: ben's phone <- by ben's phone, grant: cy, Read    stands
 *                         ^
 *                          `- device: ben's tablet <- by ben's tablet, grant: cy, Read      does not: its author
 *                                                     had not seen that ben is an admin
 *
 * Whether one that stands has effect depends on all revocations and fork proofs in the log.
 */

import {
  assert,
  type DeviceId,
  type GenVector,
  logIdOf,
  type ScopeId,
  type UserId,
} from "../base/index.ts";
import { AccessState } from "./access-state.ts";
import { Ancestry, contains, type Past } from "./ancestry.ts";
import type { ControlEntry, ControlId, Rejection } from "./control-entry.ts";
import type { RevokeDeviceOp, RevokeOp, RevokeOwnDeviceOp } from "./control-op.ts";
import { Effects, type HeldEntry, takesAway, type TakingOp } from "./effects.ts";
import { CONTROL_PARENTS_MAX } from "./limits.ts";
import { type Author, Standing } from "./standing.ts";
import { Tags } from "./tags.ts";
import type { VerifiedOp } from "./verified-op.ts";

/**
 * The state of a set of entries that holds the parents of each. Independent of their order, and of how often one
 * occurs. [AC9]
 */
export function reduceControl(scope: ScopeId, entries: Iterable<ControlEntry>): AccessState {
  return ControlLog.of(scope, entries).state;
}

/**
 * The same, entry by entry as they come, parents first.
 *
 * Costs: an entry takes some hundred bytes, and a look at those it names; `state` is put together when it is asked for.
 */
export class ControlLog {
  readonly scope: ScopeId;
  readonly #ancestry: Ancestry;
  readonly #standing: Standing;
  readonly #entries: HeldEntry[] = [];
  readonly #numbers = new Map<ControlId, number>();
  readonly #heads = new Set<ControlId>();
  readonly #roots: ControlId[] = [];
  readonly #published = new Map<DeviceId, GenVector>();
  #effects: Effects;
  #state: AccessState | undefined;

  /** An empty log, or a fork of another: see `fork`. */
  constructor(scope: ScopeId, from?: ControlLog) {
    this.scope = scope;
    if (from === undefined) {
      this.#ancestry = new Ancestry();
      this.#standing = new Standing(scope, this.#ancestry);
      this.#effects = new Effects(scope.owner, this.#ancestry);
      return;
    }
    this.#ancestry = new Ancestry(from.#ancestry);
    this.#standing = new Standing(scope, this.#ancestry, from.#standing);
    this.#effects = new Effects(scope.owner, this.#ancestry, from.#effects);
    this.#entries = [...from.#entries];
    this.#numbers = new Map(from.#numbers);
    this.#heads = new Set(from.#heads);
    this.#roots = [...from.#roots];
    this.#published = new Map(from.#published);
  }

  /** The log of a set of entries in any order; it holds the parents of each. */
  static of(scope: ScopeId, entries: Iterable<ControlEntry>): ControlLog {
    const log = new ControlLog(scope);
    const entriesById = new Map<ControlId, ControlEntry>();
    for (const entry of entries) entriesById.set(entry.id, entry);
    for (const last of entriesById.values()) {
      // Depth first, with a stack of our own: histories are deeper than the call stack.
      const stack = [last];
      for (let entry = stack.at(-1); entry !== undefined; entry = stack.at(-1)) {
        const missing = entry.parents.find((parent) => !log.has(parent));
        if (missing === undefined) {
          if (!log.has(entry.id)) log.#append(entry);
          stack.pop();
          continue;
        }
        const parent = entriesById.get(missing);
        assert(parent !== undefined, "a set of control ops holds the parents of each");
        assert(stack.length < entriesById.size, "a control op is not its own ancestor");
        stack.push(parent);
      }
    }
    log.#reduce();
    return log;
  }

  /**
   * A log of its own with the same entries, to which others can be added without changing this one. Far cheaper than
   * judging the entries again: what was found out about them is shared. [AC21]
   */
  fork(): ControlLog {
    return new ControlLog(this.scope, this);
  }

  /** Entries held. */
  get size(): number {
    return this.#numbers.size;
  }

  /** Entries that stand and name no other, in the order in which they came: what the log begins with. */
  get roots(): readonly ControlId[] {
    return this.#roots;
  }

  /** Whether the entry is held. */
  has(id: ControlId): boolean {
    return this.#numbers.has(id);
  }

  /**
   * Adds an entry whose parents have been added; one that is held already changes nothing. Answers why it has no
   * effect, or `undefined` when it has: for ever, but for `frozen`. [AC10]
   *
   * Costs as said above, but an entry by which others may lose their effect has those of all found out anew.
   */
  add(entry: ControlEntry): Rejection | undefined {
    if (this.has(entry.id)) return this.#effects.rejected.get(entry.id);
    const held = this.#append(entry);
    const index = this.size - 1;
    if (held.rejection !== undefined || !takesAway(entry.op)) this.#effects.add(held, index);
    else if (this.#mayEndOthers(entry.op, held.author)) this.#reduce();
    else this.#effects = this.#effects.taking(held, index, this.#published);
    return this.#effects.rejected.get(entry.id);
  }

  /** What `add` would answer, without adding: so that what has no effect need not be kept. */
  judge(entry: ControlEntry): Rejection | undefined {
    const past = this.#ancestry.pastOf(this.#parentsOf(entry));
    return this.#effects.verdictOf(this.#judged(entry, past), past);
  }

  /** What was noted last of `device`. */
  publishedOf(device: DeviceId): GenVector {
    return this.#published.get(device) ?? new Map();
  }

  /**
   * Takes in what the holder record of `device` says that it holds of the scope, in place of what it said before: what it
   * revokes is never frozen below that. [AC34]
   */
  notePublished(device: DeviceId, vector: GenVector): void {
    const before = this.#published.get(device);
    this.#published.set(device, vector);
    const isTold = this.#entries.some(
      ({ entry }) =>
        entry.device === device && isFreeze(entry.op) && raises(entry.op.freeze, before, vector),
    );
    if (isTold) this.#reduce();
  }

  /** The state of the entries added so far; the same object until another is added. */
  get state(): AccessState {
    this.#state ??= this.#makeState();
    return this.#state;
  }

  /**
   * The control heads that a commit of `device` names, ascending: all, or when they are more than `CONTROL_PARENTS_MAX`
   * that many, those among them that show the device's right. [AC20]
   */
  headsFor(device: DeviceId): readonly ControlId[] {
    const { heads } = this.state;
    if (heads.length <= CONTROL_PARENTS_MAX) return heads;
    const chosen = new Set<ControlId>();
    for (const proof of this.#proofsOf(device)) {
      const head = heads.find((id) => this.#isAtOrBefore(proof, id));
      if (head !== undefined) chosen.add(head);
    }
    for (const head of heads) if (chosen.size < CONTROL_PARENTS_MAX) chosen.add(head);
    return [...chosen].sort();
  }

  #isAtOrBefore(proof: number, head: ControlId): boolean {
    const number = this.#numbers.get(head);
    return number !== undefined && (number === proof || this.#ancestry.precedes(proof, number));
  }

  #parentsOf(entry: ControlEntry): number[] {
    return entry.parents.map((parent) => {
      const number = this.#numbers.get(parent);
      assert(number !== undefined, "a control op is added after those it names");
      return number;
    });
  }

  /** The user that a device was introduced as one of, whatever was revoked since. */
  userBefore(device: DeviceId): UserId | undefined {
    return this.#standing.devices.get(device)?.user;
  }

  /**
   * The entries that have ended the right of `device`, as one of `user`, to read here; none where it may read, or never might. Those that
   * follow on others of them are left out.
   */
  removersOf(device: DeviceId, user: UserId): readonly ControlEntry[] {
    return Array.from(
      this.#removersOf(device, user),
      (number) => (this.#entries[number] as HeldEntry).entry,
    );
  }

  /**
   * What shows to whoever holds the entries `known`, and nothing else for sure, that `device` may not read here any more: the
   * grants to its user and the entries that have ended its right, with all that they follow on, parents first. Nothing of what
   * is concurrent with them or later. [AC39]
   */
  removalOf(device: DeviceId, known: readonly ControlId[]): readonly ControlEntry[] {
    const user = this.userBefore(device);
    const removers = user === undefined ? [] : [...this.#removersOf(device, user)];
    if (removers.length === 0) return [];
    // What it had been given shows that there was something to lose: whoever revoked it need not have seen that.
    const given = [...this.#entries.keys()].filter((number) => {
      const { op } = (this.#entries[number] as HeldEntry).entry;
      return op.type === "grant" && op.user === user;
    });
    const past = this.#ancestry.pastOf([...given, ...removers]);
    const held = this.#ancestry.pastOf(known.flatMap((id) => this.#numbers.get(id) ?? []));
    return this.#entries
      .filter((_, number) => contains(past, number) && !contains(held, number))
      .map(({ entry }) => entry);
  }

  #removersOf(device: DeviceId, user: UserId): ReadonlySet<number> {
    if (!this.state.hasLostRead(device, user)) return new Set();
    const removers = new Set(this.#effects.rights.takersOf(device, user));
    this.#addFreezers(removers, user, new Set([user]));
    return removers;
  }

  /** Adds what has taken the effect of grants to `user`: what is about their author, or about what that rests on. */
  #addFreezers(removers: Set<number>, user: UserId, seen: Set<UserId>): void {
    for (const { entry, author } of this.#entries) {
      if (entry.op.type !== "grant" || entry.op.user !== user) continue;
      if (this.#effects.rejected.get(entry.id) !== "frozen") continue;
      for (const [number, other] of this.#entries.entries())
        if (this.#hasEffect(other) && isAbout(other.entry.op, entry, author.user))
          removers.add(number);
      if (author.user === undefined || seen.has(author.user)) continue;
      this.#addFreezers(removers, author.user, seen.add(author.user));
    }
  }

  #hasEffect({ entry }: HeldEntry): boolean {
    return this.#effects.rejected.get(entry.id) === undefined;
  }

  /** Numbers an entry, and finds out whether it stands. */
  #append(entry: ControlEntry): HeldEntry {
    const parents = this.#parentsOf(entry);
    const past = this.#ancestry.pastOf(parents);
    const held = this.#judged(entry, past);
    const index = this.#ancestry.add(parents, past);
    this.#numbers.set(entry.id, index);
    this.#entries.push(held);
    for (const parent of entry.parents) this.#heads.delete(parent);
    this.#heads.add(entry.id);
    if (held.rejection === undefined) this.#standing.apply(entry, index, held.author);
    if (held.rejection === undefined && parents.length === 0) this.#roots.push(entry.id);
    this.#state = undefined;
    return held;
  }

  #judged(entry: ControlEntry, past: Past): HeldEntry {
    const author = this.#standing.authorIn(past, entry.device);
    return { entry, author, rejection: this.#standing.rejectionOf(entry, author, past) };
  }

  /** Whether an entry may end the effect of others: of those who have been admins, or of the owner. */
  #mayEndOthers(op: TakingOp, author: Author): boolean {
    const hasHadCharge = (user: UserId): boolean =>
      user === this.scope.owner || ((this.#standing.granted.get(user) ?? 0) & Tags.ADMIN) !== 0;
    // Admins do not take from admins.
    const isByAdmin = op.type === "revoke" || op.type === "revokeDevice";
    if (isByAdmin && !author.isOwner) return false;
    if (op.type === "revoke") return hasHadCharge(op.user);
    const device = op.type === "forkProof" ? logIdOf(op.forked.log).device : op.device;
    return [...this.#standing.usersOf(device, this.size)].some(hasHadCharge);
  }

  /** Finds out the effects of all. States that were given out keep those before. */
  #reduce(): void {
    this.#effects = Effects.of(this.scope.owner, this.#ancestry, this.#entries, this.#published);
    this.#state = undefined;
  }

  /** Entries that whatever `device` writes should have among its ancestors, so that its right is seen. */
  #proofsOf(device: DeviceId): readonly number[] {
    const proofs = [this.#standing.introductionOf(device), this.#standing.firstSpec];
    const user = this.state.userOf(device);
    let shown = 0;
    for (const { index, tags } of user === undefined ? [] : this.#effects.rights.holding(user)) {
      if ((shown | tags) !== shown) proofs.push(index);
      shown |= tags;
    }
    return proofs.filter((index) => index !== undefined);
  }

  #makeState(): AccessState {
    const source = {
      length: this.size,
      ancestry: this.#ancestry,
      standing: this.#standing,
      effects: this.#effects,
      numbers: this.#numbers,
    };
    return new AccessState(this.scope, source, [...this.#heads]);
  }
}

function isFreeze(op: VerifiedOp): op is RevokeOp | RevokeDeviceOp | RevokeOwnDeviceOp {
  return takesAway(op) && op.type !== "forkProof";
}

/** Whether an op may end the effect of what stands at a place, by its author. */
function isAbout(op: VerifiedOp, { device, log }: ControlEntry, user: UserId | undefined): boolean {
  switch (op.type) {
    case "forkProof":
      return op.forked.log === log;
    case "revoke":
      return op.user === user;
    case "revokeDevice":
      return op.device === device;
    case "revokeOwnDevice":
      return op.device === device && op.user === user;
    default:
      return false;
  }
}

/** Whether a freeze comes to something else by `after` than by `before`. */
function raises(freeze: GenVector, before: GenVector | undefined, after: GenVector): boolean {
  const logs = new Set([...(before?.keys() ?? []), ...after.keys()]);
  return [...logs].some((log) => {
    const own = freeze.get(log) ?? 0;
    return Math.max(own, before?.get(log) ?? 0) !== Math.max(own, after.get(log) ?? 0);
  });
}
