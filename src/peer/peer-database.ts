import type { ScopeId, Value } from "../base/index.ts";
import type {
  Batch,
  BatchOptions,
  Collection,
  CollectionInfo,
  CollectionName,
  Database,
  DatabaseWatchOptions,
  DatabaseWatchPage,
  MergeFunction,
  ResolveFunction,
  ResolveOptions,
  Resolver,
} from "../db/index.ts";
import { type GroupOptions, type JoinOptions, SyncError } from "../sync/index.ts";
import type { Network } from "./network.ts";
import { Syncgroup } from "./syncgroup.ts";

export interface SyncgroupOptions extends Omit<GroupOptions, "collections"> {
  /** At least one; fixed from then on. */
  readonly collections: readonly Pick<Collection, "id">[];
}

/** A database of a peer: what `Database` has, and syncgroups. */
export class PeerDatabase implements AsyncDisposable {
  readonly #database: Database;
  readonly #network: Network;
  #isClosed = false;

  constructor(database: Database, network: Network) {
    this.#database = database;
    this.#network = network;
  }

  /** Whether this handle has been closed: the peer then hands out another. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get name(): string {
    return this.#database.name;
  }

  /** See `Database.collection`. */
  collection<T = Value>(of: string | CollectionName): Collection<T> {
    return this.#database.collection<T>(of);
  }

  /** See `Database.createCollection`. */
  createCollection<T = Value>(name: string): Promise<Collection<T>> {
    return this.#database.createCollection<T>(name);
  }

  /** See `Database.collections`. */
  collections(): CollectionInfo[] {
    return this.#database.collections();
  }

  /** See `Database.registerMerge`. */
  registerMerge(name: string, merge: MergeFunction): void {
    this.#database.registerMerge(name, merge);
  }

  /** See `Database.resolve`. */
  resolve<T>(
    collection: Collection<T>,
    resolve: ResolveFunction<T>,
    options?: ResolveOptions,
  ): Resolver {
    return this.#database.resolve(collection, resolve, options);
  }

  /** See `Database.watch`. */
  watch<T = Value>(
    options?: DatabaseWatchOptions,
  ): AsyncGenerator<DatabaseWatchPage<T>, void, undefined> {
    return this.#database.watch<T>(options);
  }

  /** See `Database.marker`. */
  marker(): string {
    return this.#database.marker();
  }

  /** See `Database.batch`. */
  batch<R>(fn: (batch: Batch) => Promise<R> | R, options?: BatchOptions): Promise<R> {
    return this.#database.batch(fn, options);
  }

  /** Shares collections: others join by an invite. @throws {SyncError} `SYNC_GROUP_EXISTS`, `SYNC_NO_ACCESS`, `SYNC_SPEC_INVALID`; {TypeError}; {NetError}. */
  async createSyncgroup(name: string, options: SyncgroupOptions): Promise<Syncgroup> {
    const collections = idsOf(options);
    const sync = await this.#network.open();
    return new Syncgroup(
      sync,
      this.#database,
      await sync.createGroup(this.name, name, { ...options, collections }),
    );
  }

  /**
   * Joins by a ticket. The group is kept when it resolves; its rows arrive from then on: `await group.ready()` for those there were.
   *
   * @throws {AccessError} `ACCESS_TICKET_INVALID`; {SyncError} `SYNC_JOIN_FAILED`, `SYNC_NO_ACCESS`, `SYNC_INVITE_EXPIRED`, `SYNC_INVITE_USED_UP`,
   *   `SYNC_WRONG_DATABASE`; {NetError}.
   */
  async joinSyncgroup(ticket: string, options?: JoinOptions): Promise<Syncgroup> {
    const sync = await this.#network.open();
    return new Syncgroup(sync, this.#database, await sync.join(this.name, ticket, options));
  }

  /** The syncgroups that are here. */
  syncgroups(): Syncgroup[] {
    const sync = this.#network.current;
    if (sync === undefined) return [];
    return sync.groups(this.name).map((id) => new Syncgroup(sync, this.#database, id));
  }

  /**
   * The syncgroup of this name, or of `name@did:key:…` where several have it.
   *
   * @throws {SyncError} `SYNC_NO_GROUP` when there is none, or more than one.
   */
  syncgroup(name: string): Syncgroup {
    const found = this.syncgroups().filter(
      (one) => one.name === name || `${one.name}@${one.owner}` === name,
    );
    const [group] = found;
    if (group !== undefined && found.length === 1) return group;
    const why =
      group === undefined
        ? `No syncgroup "${name}" in database "${this.name}"`
        : `Several syncgroups are named "${name}" in database "${this.name}": say whose, as ${name}@did:key:…`;
    throw new SyncError("SYNC_NO_GROUP", why);
  }

  /** Ends watches and refuses everything through this handle. Syncing goes on. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#database.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** From plain JavaScript anything may come: a collection's name is the likeliest. */
function idsOf(options: Partial<SyncgroupOptions> | undefined): ScopeId[] {
  const given: unknown = options?.collections;
  const ids = Array.isArray(given)
    ? (given as readonly (Partial<Collection> | null | undefined)[]).map((one) => one?.id)
    : [undefined];
  const known = ids.filter((id) => id !== undefined);
  if (known.length === ids.length) return known;
  throw new TypeError("A syncgroup shares collections: { collections: [db.collection(…)] }");
}
