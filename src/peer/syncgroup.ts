import type { ScopeId, UserId, Value } from "../base/index.ts";
import { type Collection, type Database, DbError } from "../db/index.ts";
import type {
  GroupStatus,
  InviteOptions,
  Member,
  PendingProgress,
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

  members(): readonly Member[] {
    return this.#sync.members(this.id);
  }

  /** `pending` until the history up to the moment of joining is here. */
  status(): GroupStatus {
    return this.#sync.status(this.id);
  }

  /** How much of it is here while it is not all; `undefined` when it is. */
  progress(): PendingProgress | undefined {
    return this.#sync.progress(this.id);
  }

  /** Resolves when everything up to the moment of joining is here, rows included. */
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
