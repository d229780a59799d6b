import type { Clock, Logger, ScopeId, UserId, Value } from "../base/index.ts";
import { type MergeFunction, Merges } from "../conflicts/index.ts";
import { type Role, roleOfTags } from "../access/index.ts";
import type { History } from "../history/index.ts";
import type { Batch } from "./batch.ts";
import { Collection } from "./collection.ts";
import { createCollection } from "./collection-life.ts";
import { type BatchOptions, runBatch } from "./run-batch.ts";
import { RowEdits } from "./mergeable-rows.ts";
import { startResolver } from "./resolver.ts";
import type { ResolveFunction, ResolveOptions, Resolver } from "./resolver-types.ts";
import { closedError, type CollectionProgress, type DbWorld, refuseClosed } from "./world.ts";
import { checkName, checkOwner } from "./names.ts";
import { type DatabaseWatchOptions, markerNow, watchDatabase } from "./watch.ts";
import type { DatabaseWatchPage } from "./watch-page.ts";

export interface DatabaseDeps {
  readonly history: History;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Why a collection may not be written to now, or `undefined`. Default: all may. */
  readonly readOnlyReason?: ((collection: ScopeId) => string | undefined) | undefined;
  /** Why nobody may be revoked in a collection now, or `undefined`; `incomplete`: whether or not all of it is here. Default: everywhere they may. */
  readonly whyNotRevoke?:
    | ((collection: ScopeId, incomplete: boolean) => string | undefined)
    | undefined;
  /** How far a collection is that is catching up with a peer. Default: none is. */
  readonly progressOf?: ((collection: ScopeId) => CollectionProgress | undefined) | undefined;
}

/** A collection by its owner and name. */
export interface CollectionName {
  readonly owner: UserId;
  readonly name: string;
}

/** A collection that is here. */
export interface CollectionInfo extends CollectionName {
  /** What our user may do in it; `undefined`: nothing. */
  readonly role: Role | undefined;
  /** Why it may not be written to now, though our user may write. */
  readonly readOnly: string | undefined;
}

/** Makes the database here unless it is, and opens it. @throws {DbError} `DB_NAME_INVALID`. */
export async function openDatabase(deps: DatabaseDeps, name: string): Promise<Database> {
  checkName("database", name);
  await deps.history.createDatabase(name);
  return new Database(deps, name);
}

/** Collections of rows under one name that all who share them use: the app's. */
export class Database implements AsyncDisposable {
  readonly name: string;
  readonly #deps: DatabaseDeps;
  readonly #ending = new AbortController();
  readonly #world: DbWorld;

  constructor(deps: DatabaseDeps, name: string) {
    this.#deps = deps;
    this.name = name;
    const { history, clock, logger } = deps;
    const { signal } = this.#ending;
    this.#world = {
      name,
      history,
      ending: signal,
      commits: new Set(),
      clock,
      logger,
      merges: new Merges({ clock, logger }),
      edits: new RowEdits(),
      mergeListeners: new Set(),
      resolvers: new Map(),
      mismatched: new Set(),
      readOnlyReason: (scope) => deps.readOnlyReason?.(scope),
      whyNotRevoke: (scope, incomplete) => deps.whyNotRevoke?.(scope, incomplete),
      progressOf: (scope) => deps.progressOf?.(scope),
    };
  }

  /**
   * A collection: by name our own user's, or anyone's by owner and name. It need not be there yet: the first write makes it.
   * Handles cost nothing.
   *
   * @throws {DbError} `DB_NAME_INVALID`; {TypeError}.
   */
  collection<T = Value>(of: string | CollectionName): Collection<T> {
    const { owner, name } =
      typeof of === "string" ? { owner: this.#deps.history.identity.certified.user, name: of } : of;
    checkName("collection", name);
    checkOwner(owner);
    return new Collection<T>(this.#world, { database: this.name, kind: "collection", owner, name });
  }

  /**
   * Makes a collection of our own user, without rows, where a first write is not to make it by the way. [DB24]
   *
   * @throws {DbError} `DB_COLLECTION_EXISTS`, `DB_COLLECTION_DESTROYED`, `DB_NAME_INVALID`, `DB_CLOSED`; {StoreError}; {TypeError}.
   */
  async createCollection<T = Value>(name: string): Promise<Collection<T>> {
    const collection = this.collection<T>(name);
    await createCollection(this.#world, collection.id);
    return collection;
  }

  /** The collections that are here, by name and owner; not those that were destroyed. [DB15] */
  collections(): CollectionInfo[] {
    const { history } = this.#deps;
    const { user } = history.identity.certified;
    return history
      .scopes(this.name)
      .filter(({ id, access }) => id.kind === "collection" && !access.destroyed)
      .map(({ id, access }) => ({
        owner: id.owner,
        name: id.name,
        role: roleOfTags(access.tagsOf(user)),
        readOnly: this.#world.readOnlyReason(id),
      }))
      .sort((a, b) =>
        a.name === b.name ? (a.owner < b.owner ? -1 : 1) : a.name < b.name ? -1 : 1,
      );
  }

  /**
   * Runs `fn` and commits what it did to its batch as one. `fn` may run up to `BATCH_TRIES_MAX` times, so it should do nothing
   * else: a `put` of a collection itself within `fn` is a write of its own, done even when the batch is not. Answers what the
   * last run answered. [DB10] [DB11]
   *
   * @throws {DbError} `DB_CONCURRENT_BATCH`, those of `Batch` and of `Collection.put`; {StoreError}; the signal's reason; whatever
   *   `fn` throws. Then nothing of the batch is written, but for `STORE_FULL` and `STORE_WRITE_FAILED`, which leave it open.
   */
  async batch<R>(fn: (batch: Batch) => Promise<R> | R, options: BatchOptions = {}): Promise<R> {
    return runBatch(this.#world, fn, options);
  }

  /**
   * The present state of some collections, or what has changed in them since a marker, then each commit and each delivery as it
   * is applied here: all that it changed in any of them in one batch. [DB31]
   *
   * @throws {DbError} `DB_PATTERN_INVALID`, `DB_RESUME_MARKER_UNKNOWN`, `DB_KEY_INVALID`, `DB_NAME_INVALID`; {TypeError}: at the
   *   call. The signal's reason.
   */
  watch<T = Value>(
    options: DatabaseWatchOptions = {},
  ): AsyncGenerator<DatabaseWatchPage<T>, void, undefined> {
    return watchDatabase<T>(this.#world, options);
  }

  /** Where a watch of this database, or of a collection of it, goes on that knows all up to now. [DB28] @throws {DbError} `DB_CLOSED`. */
  marker(): string {
    refuseClosed(this.#world);
    return markerNow(this.#world);
  }

  /**
   * Registers what brings concurrent values together under the policy `merge:NAME`, for this handle and in place of another
   * of that name. It must be a function of its arguments alone. Watches tell the rows that it may show otherwise. [CO11]
   *
   * @throws {ConflictError} `CONFLICT_MERGE_INVALID`; {DbError} `DB_CLOSED`; {TypeError}.
   */
  registerMerge(name: string, merge: MergeFunction): void {
    refuseClosed(this.#world);
    this.#world.merges.register(name, merge);
    for (const listener of this.#world.mergeListeners) listener(name);
  }

  /**
   * Offers the conflicts of a collection's rows under `appResolves` and, where our user has the role, `defer`: those there are,
   * and those that arise, until it is closed. In place of a resolver of the same collection and prefix. Reads, writes and sync
   * never wait for it. [CO19] [CO23]
   *
   * @throws {DbError} `DB_CLOSED`, `DB_KEY_INVALID`; {TypeError}.
   */
  resolve<T>(
    collection: Collection<T>,
    resolve: ResolveFunction<T>,
    options: ResolveOptions = {},
  ): Resolver {
    refuseClosed(this.#world);
    if (collection.id.database !== this.name)
      throw new TypeError("A resolver is of a collection of its database");
    return startResolver<T>(this.#world, collection.id, resolve, options);
  }

  /**
   * Ends watches and refuses everything else through this handle, then waits for writes under way. Calling it twice is
   * harmless. The data stays, and so do other handles. [DB14]
   */
  async close(): Promise<void> {
    if (!this.#ending.signal.aborted) this.#ending.abort(closedError(this.#world));
    await Promise.all(Array.from(this.#world.resolvers.values(), (one) => one.close()));
    await Promise.allSettled(this.#world.commits);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
