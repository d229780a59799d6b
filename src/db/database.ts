import { type ScopeId, type UserId, type Value } from "../base/index.ts";
import { type Role, roleOfTags } from "../access/index.ts";
import type { History } from "../history/index.ts";
import { type Batch, type BatchOptions, runBatch } from "./batch.ts";
import { Collection } from "./collection.ts";
import { checkName } from "./names.ts";
import { DbError } from "./errors.ts";
import type { DbWorld } from "./world.ts";

export interface DatabaseDeps {
  readonly history: History;
  /** Why a collection may not be written to now, or `undefined`. Default: all may. */
  readonly readOnlyReason?: ((collection: ScopeId) => string | undefined) | undefined;
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
    const { history } = deps;
    const { signal } = this.#ending;
    this.#world = {
      name,
      history,
      ending: signal,
      isClosed: () => signal.aborted,
      readOnlyReason: (scope) => deps.readOnlyReason?.(scope),
    };
  }

  /** A collection: by name our own user's, or anyone's by owner and name. It need not be there yet: the first write makes it. */
  collection<T = Value>(of: string | CollectionName): Collection<T> {
    const { owner, name } =
      typeof of === "string" ? { owner: this.#deps.history.identity.certified.user, name: of } : of;
    checkName("collection", name);
    return new Collection<T>(this.#world, { database: this.name, kind: "collection", owner, name });
  }

  /** The collections that are here, by owner and name. */
  collections(): CollectionInfo[] {
    const { history } = this.#deps;
    const { user } = history.identity.certified;
    return history
      .scopes(this.name)
      .filter(({ id }) => id.kind === "collection")
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
   * Runs `fn` and commits what it wrote as one. `fn` may run up to three times, so it should do nothing but use its batch.
   *
   * @throws {DbError} `DB_CONCURRENT_BATCH` and those of `Batch`; whatever `fn` throws, and then nothing is written.
   */
  async batch<R>(fn: (batch: Batch) => Promise<R> | R, options: BatchOptions = {}): Promise<R> {
    if (this.#world.isClosed())
      throw new DbError("DB_CLOSED", `Cannot write: database "${this.name}" is closed`);
    return runBatch(this.#world, fn, options);
  }

  /** Ends watches and refuses writes through this handle. Idempotent. */
  close(): Promise<void> {
    this.#ending.abort(new DbError("DB_CLOSED", `Database "${this.name}" is closed`));
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
