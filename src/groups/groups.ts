/**
 * The syncgroups known here: their spec, their members, and what was joined and is still pending. A view of the history,
 * brought up to date after each write that touches a group.
 */

import { type ControlEntry, Tags } from "../access/index.ts";
import {
  codeOf,
  type DeviceId,
  type GenVector,
  generationIn,
  type Logger,
  type LogKey,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import type { ScopeClaim } from "../deltas/index.ts";
import type { History, Written } from "../history/index.ts";
import type { Store } from "../store/index.ts";
import { GroupStore, hasJoined, type JoinedGroup } from "./records.ts";
import { type Member, readMembers } from "./members.ts";

/** How much of a checkpoint is here: generations, summed over its logs. */
export interface PendingProgress {
  readonly have: number;
  readonly need: number;
}

/**
 * What a group is here. `pending`: its history up to the checkpoint has not arrived. `publishPending`, `publishRejected`: it
 * has a publish peer that has not taken it yet, or will not. The last three have ended for this device: by itself, by an
 * admin, for all by the owner.
 */
export type GroupStatus =
  | "pending"
  | "publishPending"
  | "publishRejected"
  | "running"
  | "left"
  | "ejected"
  | "destroyed";

const ENDED: ReadonlySet<GroupStatus> = new Set<GroupStatus>(["left", "ejected", "destroyed"]);

/** Whether a device takes no part in a group of this status any more. */
export function hasEnded(status: GroupStatus): boolean {
  return ENDED.has(status);
}

export class Groups {
  readonly #history: History;
  /** What this device keeps for itself of them. */
  readonly records: GroupStore;
  readonly #members = new Map<ScopeKey, readonly Member[]>();
  readonly #listeners = new Set<() => void>();
  readonly #logger: Logger;
  #updating: Promise<void> = Promise.resolve();
  /** False only when no joined group is pending, rows included. */
  #isAnyPending = false;
  /** How many control ops each database held when it was written to last. */
  readonly #controls = new Map<string, number>();

  private constructor(records: GroupStore, history: History, logger: Logger) {
    this.records = records;
    this.#history = history;
    this.#logger = logger;
  }

  static async open(store: Store, history: History, logger: Logger = () => {}): Promise<Groups> {
    const groups = new Groups(await GroupStore.open(store), history, logger);
    for (const database of history.databases()) await groups.#update(database);
    groups.#isAnyPending = groups.#findPending();
    return groups;
  }

  /** Takes note of a durable write. */
  noteWritten({ database, parts, takenBack = [] }: Written): void {
    const numbers = new Set(parts.map((part) => part.scope));
    let isOfGroup = false;
    let controls = 0;
    for (const { id, number, control } of this.#history.scopes(database)) {
      isOfGroup ||= id.kind === "syncgroup" && numbers.has(number);
      controls += control.size;
    }
    const hasGrown = controls !== this.#controls.get(database);
    this.#controls.set(database, controls);
    // A pending group ends pending by its collections' data too, and is pending again where something of them is taken back, or
    // control ops change what is due. Other data changes no group. [SY29] [SY74]
    const wasPending = this.#isAnyPending;
    const mayBegin = hasGrown || takenBack.length > 0;
    if (wasPending || mayBegin) this.#isAnyPending = this.#findPending();
    if (!isOfGroup && !wasPending && !this.#isAnyPending) return;
    this.#updating = this.#updating.then(async () => {
      try {
        if (isOfGroup) await this.#update(database);
      } catch (error) {
        this.#logger("warn", "sync.members.failed", { database, code: codeOf(error) });
      }
      this.tell();
    });
  }

  /** Resolves when everything noted so far has been told. */
  settled(): Promise<void> {
    return this.#updating;
  }

  /** Calls `listener` when groups, members or their state may have changed. Answers a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Groups of a database, created or joined here, also those that have ended here: by owner, then name. */
  all(database: string): ScopeId[] {
    const groups = new Map<ScopeKey, ScopeId>();
    for (const { id, key, access } of this.#history.scopes(database))
      if (id.kind === "syncgroup" && access.spec !== undefined) groups.set(key, id);
    for (const { group } of this.records.allJoined())
      if (group.database === database) groups.set(scopeKeyOf(group), group);
    return [...groups.values()].toSorted(byOwnerAndName);
  }

  has(group: ScopeId): boolean {
    return (
      this.records.joined(group) !== undefined ||
      this.#history.scope(group)?.access.spec !== undefined
    );
  }

  /** Whether the group is here and has not ended here. */
  isActive(group: ScopeId): boolean {
    return this.has(group) && !ENDED.has(this.status(group));
  }

  joined(group: ScopeId): JoinedGroup | undefined {
    return this.records.joined(group);
  }

  members(group: ScopeId): readonly Member[] {
    return this.#members.get(scopeKeyOf(group)) ?? [];
  }

  /** A group's collections: by its spec, or by what the admin answered while that has not come. */
  collections(group: ScopeId): ScopeId[] {
    const { database } = group;
    const spec = this.#history.scope(group)?.access.spec;
    if (spec !== undefined)
      return spec.value.collections.map(({ owner, name }) => ({
        database,
        kind: "collection",
        owner,
        name,
      }));
    const checkpoint = this.joined(group)?.checkpoint ?? [];
    return checkpoint.map(({ scope }) => scope).filter(({ kind }) => kind === "collection");
  }

  /** A function of what is durable: so each state ends in the very write that ends it. [SY29] [SY66] */
  status(group: ScopeId): GroupStatus {
    const access = this.#history.scope(group)?.access;
    if (access?.destroyed === true) return "destroyed";
    if (this.records.left(group) !== undefined) return "left";
    if (this.isPending(group)) return "pending";
    const { device, certified } = this.#history.identity;
    if (access?.hasLostRead(device, certified.user) === true) return "ejected";
    if (this.isPublished(group)) return "running";
    return access?.status === "publishRejected" ? "publishRejected" : "publishPending";
  }

  /** Whether the group's own history up to the checkpoint is lacking, or even what the group is. */
  isPending(group: ScopeId): boolean {
    const joined = this.joined(group);
    if (joined !== undefined && this.#history.scope(group)?.access.spec === undefined) return true;
    const checkpoint = joined?.checkpoint.find(({ scope }) => scope.kind === "syncgroup");
    if (checkpoint === undefined || this.#covers(checkpoint)) return false;
    // Who was ejected since is served nothing any more. What the admin who admitted us knew of has been answered by a new grant.
    const isNews = ({ log, generation }: ControlEntry): boolean =>
      generation > generationIn(checkpoint.vector, log);
    const { device, certified } = this.#history.identity;
    return (
      this.#history.scope(group)?.control.removersOf(device, certified.user).some(isNews) !== true
    );
  }

  /** Whether the publish peer is an admin of the group; also when it has none. */
  isPublished(group: ScopeId): boolean {
    const access = this.#history.scope(group)?.access;
    const peer = access?.spec?.value.publishPeer;
    return peer === undefined || access?.may(peer, Tags.READ | Tags.ADMIN) === true;
  }

  /**
   * Whether something that the checkpoint names is lacking, which may never come. Or another branch of a log has come in the
   * place of the one in which we were admitted: then we are no member to anybody, although nothing is lacking. [SY74] [SY125]
   */
  mayWaitForNothing(group: ScopeId): boolean {
    if (!this.isActive(group) || this.joined(group) === undefined) return false;
    return this.isPending(group) || !this.isMember(group) || this.progress(group) !== undefined;
  }

  /** Whether this device is among the members of a group, by what is here. */
  isMember(group: ScopeId): boolean {
    const { device } = this.#history.identity;
    return this.members(group).some((member) => member.device === device);
  }

  /** How much of the checkpoint is here, collections included; `undefined` when there is none or all of it is here. */
  progress(group: ScopeId): PendingProgress | undefined {
    const joined = this.joined(group);
    if (joined === undefined || joined.checkpoint.every((claim) => this.#covers(claim)))
      return undefined;
    let have = 0;
    let need = 0;
    for (const { scope, vector } of joined.checkpoint) {
      const known = this.#known(scope);
      for (const [log, generation] of vector) {
        const due = this.#due(scope, log, generation);
        need += due;
        have += Math.min(due, generationIn(known, log));
      }
    }
    return { have, need };
  }

  /** Whether not all of a scope is here that was promised when this device joined a group. */
  lacks(group: ScopeId, scope: ScopeId): boolean {
    const key = scopeKeyOf(scope);
    const claim = this.joined(group)?.checkpoint.find((one) => scopeKeyOf(one.scope) === key);
    return claim !== undefined && !this.#covers(claim);
  }

  /** What was promised of a scope when this device joined a group, and is not here: log by log. */
  lacking(group: ScopeId, scope: ScopeId): GenVector {
    const key = scopeKeyOf(scope);
    const claim = this.joined(group)?.checkpoint.find((one) => scopeKeyOf(one.scope) === key);
    const known = this.#known(scope);
    const lacking = new Map<LogKey, number>();
    for (const [log, generation] of claim?.vector ?? []) {
      const due = this.#due(scope, log, generation);
      if (due > generationIn(known, log)) lacking.set(log, due);
    }
    return lacking;
  }

  /** Why a collection may not be written to now, or `undefined` when it may. [SY30] [SY65] */
  readOnlyReason(collection: ScopeId): string | undefined {
    const key = scopeKeyOf(collection);
    let ended: ScopeId | undefined;
    let isShared = false;
    for (const group of this.all(collection.database)) {
      if (!this.collections(group).some((scope) => scopeKeyOf(scope) === key)) continue;
      if (!this.isActive(group)) {
        ended = group;
        continue;
      }
      isShared = true;
      const isFresh = this.joined(group)?.fresh.some((scope) => scopeKeyOf(scope) === key) === true;
      if (isFresh && this.lacks(group, collection))
        return `syncgroup "${group.name}" has not brought all of it yet`;
    }
    const isOurs = collection.owner === this.#history.identity.certified.user;
    if (ended === undefined || isShared || isOurs) return undefined;
    return `syncgroup "${ended.name}", which shared it, is ${this.status(ended)} here`;
  }

  /**
   * Keeps what an admin or a publisher answered. Durable when it resolves. What was waited for until now and is not here
   * stays read-only: some of it may have come since it was asked for first. [SY30]
   */
  async addJoined(joined: JoinedGroup, publisher?: DeviceId): Promise<void> {
    const { group } = joined;
    const before = this.progress(group) === undefined ? undefined : this.joined(group);
    const fresh = new Map(
      [...joined.fresh, ...(before?.fresh ?? [])].map((id) => [scopeKeyOf(id), id]),
    );
    await this.records.addJoined({ ...joined, fresh: [...fresh.values()] }, publisher);
    this.#isAnyPending = this.#findPending();
    this.tell();
  }

  /** Waits no more for what a group's collections lack, since nobody is left who could say what they should hold. [SY125] */
  async settleForWhatIsHere(group: ScopeId): Promise<void> {
    const claims = this.collections(group).map((scope) => ({
      scope,
      vector: this.#history.scope(scope)?.vector() ?? new Map<LogKey, number>(),
    }));
    await this.replaceCheckpoint(group, claims);
  }

  /**
   * Takes a fresh checkpoint in the place of the one that is waited for. A member of a group that is pending no more takes that of
   * the collections alone, or it would be pending again. [SY125] `admin`: who answered; without it, who did before. [SY123]
   */
  async replaceCheckpoint(
    group: ScopeId,
    fresh: readonly ScopeClaim[],
    admin?: DeviceId,
  ): Promise<void> {
    const joined = this.joined(group);
    if (joined === undefined) return;
    const keepsOwn = !this.isPending(group) && this.isMember(group);
    const isTaken = ({ scope }: ScopeClaim): boolean => !keepsOwn || scope.kind !== "syncgroup";
    const kept = joined.checkpoint.filter((claim) => !isTaken(claim));
    const checkpoint = [...kept, ...fresh.filter(isTaken)];
    const answered = { ...joined, checkpoint, admin: admin ?? joined.admin };
    await this.records.replaceCheckpoint(answered);
    this.#isAnyPending = this.#findPending();
    this.tell();
  }

  /** Notes that this device has left the group. */
  async noteLeft(group: ScopeId, when: number): Promise<void> {
    if (this.records.left(group) !== undefined) return;
    await this.records.setLeft({ group, when, isTold: false });
    this.#isAnyPending = this.#findPending();
    this.tell();
  }

  /** Notes that another member holds our word that we have left. */
  async noteTold(group: ScopeId): Promise<void> {
    const left = this.records.left(group);
    if (left === undefined || left.isTold) return;
    await this.records.setLeft({ ...left, isTold: true });
    this.tell();
  }

  /** Tells who listens: also of what is not seen here, as that a database is paused. */
  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #findPending(): boolean {
    // Of one that has ended here nothing is awaited any more, whatever is lacking of it.
    return [...this.records.allJoined()].some(
      ({ group }) => this.isActive(group) && this.progress(group) !== undefined,
    );
  }

  /** Entry by entry; what lies beyond a freeze need not come. [SY29] */
  #covers({ scope, vector }: ScopeClaim): boolean {
    const known = this.#known(scope);
    return [...vector].every(
      ([log, generation]) => generationIn(known, log) >= this.#due(scope, log, generation),
    );
  }

  #due(scope: ScopeId, log: LogKey, generation: number): number {
    const access = this.#history.scope(scope)?.access;
    return Math.min(generation, access?.frozenAfter(log) ?? generation);
  }

  #known(scope: ScopeId): GenVector {
    return this.#history.scope(scope)?.vector() ?? new Map();
  }

  async #update(database: string): Promise<void> {
    for (const { id, key } of this.#history.scopes(database)) {
      if (id.kind === "syncgroup") this.#members.set(key, await readMembers(this.#history, id));
    }
  }
}

/** Whether there is any syncgroup, created or joined. */
export async function hasGroups(store: Store, history: History): Promise<boolean> {
  const isCreated = (database: string): boolean =>
    history.scopes(database).some(({ id }) => id.kind === "syncgroup");
  return history.databases().some(isCreated) || (await hasJoined(store));
}

function byOwnerAndName(a: ScopeId, b: ScopeId): number {
  if (a.owner !== b.owner) return a.owner < b.owner ? -1 : 1;
  return a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
}
