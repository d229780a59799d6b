import type { Role } from "../access/index.ts";
import type { ScopeId, UserId, Value } from "../base/index.ts";
import { type Collection, type Database, DbError } from "../db/index.ts";
import type {
  Ejected,
  EjectOptions,
  GroupSpec,
  GroupStatus,
  InviteOptions,
  InviteView,
  HandOverOptions,
  LeaveOptions,
  LeaveOutcome,
  MemberChanges,
  MemberView,
  PendingProgress,
  SetSpecOptions,
  SpecChanges,
  SyncService,
} from "../sync/index.ts";

/** A syncgroup that this device created or joined. */
export class Syncgroup {
  readonly id: ScopeId;
  readonly #sync: SyncService;
  readonly #database: Database;

  constructor(sync: SyncService, database: Database, id: ScopeId) {
    this.#sync = sync;
    this.#database = database;
    this.id = id;
  }

  get name(): string {
    return this.id.name;
  }

  get owner(): UserId {
    return this.id.owner;
  }

  /** A ticket for another user to join by, `rookery:…`. Whoever holds it may join. @throws {SyncError} `SYNC_NOT_ADMIN`, `SYNC_OFFLINE`. */
  invite(options?: InviteOptions): Promise<string> {
    return this.#sync.invite(this.id, options);
  }

  /** By device; those that have left or were ejected among them. */
  members(): readonly MemberView[] {
    return this.#sync.members(this.id);
  }

  /** Changes what this device says of itself. @throws {SyncError} `SYNC_PENDING`, `SYNC_SPEC_INVALID`, `SYNC_GROUP_ENDED`. */
  updateMember(changes: MemberChanges): Promise<void> {
    return this.#sync.edits.updateMember(this.id, changes);
  }

  /** Invites, those that admit nobody any more among them. */
  invites(): readonly InviteView[] {
    return this.#sync.edits.invites(this.id);
  }

  /** Takes an invite back by its id. @throws {SyncError} `SYNC_NO_INVITE`, `SYNC_NOT_ADMIN`, `SYNC_PENDING`, `SYNC_GROUP_ENDED`. */
  revokeInvite(id: string): Promise<void> {
    return this.#sync.edits.revokeInvite(this.id, id);
  }

  /** @throws {SyncError} `SYNC_PENDING` while it has not arrived. */
  spec(): GroupSpec {
    return this.#sync.edits.spec(this.id);
  }

  /**
   * Changes the spec; with a `version` only while it has that one. What others change at the same time is merged with it.
   *
   * @throws {SyncError} `SYNC_BAD_VERSION`, `SYNC_SPEC_INVALID`, `SYNC_NOT_ADMIN`, `SYNC_PENDING`, `SYNC_GROUP_ENDED`.
   */
  setSpec(changes: SpecChanges, options?: SetSpecOptions): Promise<GroupSpec> {
    return this.#sync.edits.setSpec(this.id, changes, options);
  }

  /**
   * Publishes the group at a device that is usually there, by multiaddrs that end in `/p2p/<device>`. It is tried until that device
   * takes it or refuses: `status` says so.
   *
   * @throws {SyncError} as `setSpec`.
   */
  async publish(addresses: string | readonly string[]): Promise<void> {
    const publishAt = typeof addresses === "string" ? [addresses] : addresses;
    await this.#sync.edits.setSpec(this.id, { publishAt });
  }

  /** Gives a user another role, also one who was ejected. @throws {SyncError} `SYNC_NOT_ADMIN`, `SYNC_PENDING`, `SYNC_GROUP_ENDED`. */
  grant(user: UserId, role: Role): Promise<void> {
    return this.#sync.edits.grant(this.id, user, role);
  }

  /**
   * Takes a user, or one device, out of the group and its collections. They keep what they have, and get nothing new.
   *
   * @throws {SyncError} `SYNC_NO_MEMBER`, `SYNC_NOT_ADMIN`, `SYNC_PENDING`, `SYNC_GROUP_ENDED`.
   */
  eject(whom: Ejected, options?: EjectOptions): Promise<void> {
    return this.#sync.edits.eject(this.id, whom, options);
  }

  /**
   * Resolves when another member holds all that this device holds of the group, or the signal aborts: before a program ends that has
   * written something, say. The answer says what nobody else was seen to hold.
   *
   * @throws {SyncError} `SYNC_GROUP_ENDED`, `SYNC_CLOSED`.
   */
  handOver(options?: HandOverOptions): Promise<LeaveOutcome> {
    return this.#sync.leaving.handOver(this.id, options);
  }

  /**
   * Leaves the group, when other members hold all that this device holds of it, or the signal aborts. The answer says what stays
   * on this device alone. The only admin has to say so: nobody could come in any more, they themselves included.
   *
   * @throws {SyncError} `SYNC_LAST_ADMIN` unless `lastAdmin`, `SYNC_GROUP_ENDED`, `SYNC_CLOSED`.
   */
  leave(options?: LeaveOptions): Promise<LeaveOutcome> {
    return this.#sync.leave(this.id, options);
  }

  /** Ends the group for everybody, for ever. @throws {SyncError} `SYNC_NOT_ADMIN` unless we own it; `SYNC_PENDING`, `SYNC_GROUP_ENDED`. */
  destroy(): Promise<void> {
    return this.#sync.edits.destroy(this.id);
  }

  /** `pending` until the history up to the moment of joining is here; see `GroupStatus` for the others. */
  status(): GroupStatus {
    return this.#sync.status(this.id);
  }

  /** How much of it is here while it is not all; `undefined` when it is. */
  progress(): PendingProgress | undefined {
    return this.#sync.progress(this.id);
  }

  /**
   * Resolves when everything up to the moment of joining is here, rows included.
   *
   * @throws {SyncError} `SYNC_GROUP_ENDED` when the group is left, ejected from or destroyed, before or meanwhile; `SYNC_CLOSED`; the
   *   signal's reason.
   */
  ready(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    return this.#sync.ready(this.id, options.signal);
  }

  collections(): Collection[] {
    return this.#sync
      .collections(this.id)
      .map(({ owner, name }) => this.#database.collection({ owner, name }));
  }

  /** The group's collection of this name. @throws {DbError} `DB_NAME_INVALID` when it has none. */
  collection<T = Value>(name: string): Collection<T> {
    const scope = this.#sync.collections(this.id).find((one) => one.name === name);
    if (scope === undefined)
      throw new DbError("DB_NAME_INVALID", `Syncgroup "${this.name}" has no collection "${name}"`);
    return this.#database.collection<T>({ owner: scope.owner, name });
  }
}
