import type { Clock, Logger, ScopeId } from "../base/index.ts";
import type { Merges } from "../conflicts/index.ts";
import type { History } from "../history/index.ts";
import { DbError } from "./errors.ts";
import type { Resolver } from "./resolver-types.ts";
import type { RowEdits } from "./mergeable-rows.ts";

/** What the parts of one open database share. */
export interface DbWorld {
  readonly name: string;
  readonly history: History;
  /** Aborted when the database closes. */
  readonly ending: AbortSignal;
  /** Commits that have been handed to the history: closing waits for them. */
  readonly commits: Set<Promise<unknown>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly merges: Merges;
  readonly edits: RowEdits;
  /** Resolvers at work, by collection and prefix. */
  readonly resolvers: Map<string, Resolver>;
  /** Called when a merge function is registered: what rows show may have changed. */
  readonly mergeListeners: Set<(name: string) => void>;
  /** Names of collections of which it has been reported that a row does not hold what its policy merges. */
  readonly mismatched: Set<string>;
  /** Why a collection may not be written to now, or `undefined`. */
  readOnlyReason(scope: ScopeId): string | undefined;
  /** Why nobody may be revoked in a collection now, or `undefined`; `incomplete`: whether or not all of it is here. */
  whyNotRevoke(scope: ScopeId, incomplete: boolean): string | undefined;
  progressOf(scope: ScopeId): CollectionProgress | undefined;
}

/** How far a collection is that is catching up with a peer: commits, of those that it lacked when that began. */
export interface CollectionProgress {
  readonly have: number;
  /** More than `have`. */
  readonly need: number;
}

/** @throws {DbError} `DB_CLOSED` once the database has been closed. */
export function refuseClosed(world: DbWorld, cause?: unknown): void {
  if (world.ending.aborted) throw closedError(world, cause);
}

export function closedError({ name }: DbWorld, cause?: unknown): DbError {
  return new DbError("DB_CLOSED", `Cannot use database "${name}": it has been closed`, { cause });
}

/** Whether the owner has destroyed the collection. [DB26] */
export function isDestroyed({ history }: DbWorld, scope: ScopeId): boolean {
  return history.scope(scope)?.access.destroyed === true;
}

/** @throws {DbError} `DB_COLLECTION_DESTROYED`. */
export function refuseDestroyed(world: DbWorld, scope: ScopeId): void {
  if (!isDestroyed(world, scope)) return;
  throw new DbError(
    "DB_COLLECTION_DESTROYED",
    `Cannot use collection "${scope.name}": its owner has destroyed it`,
  );
}

/** @throws {DbError} `DB_CLOSED`, `DB_COLLECTION_DESTROYED`. */
export function refuseUnusable(world: DbWorld, scope: ScopeId): void {
  refuseClosed(world);
  refuseDestroyed(world, scope);
}
