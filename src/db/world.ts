import type { ScopeId } from "../base/index.ts";
import type { History } from "../history/index.ts";
import { DbError } from "./errors.ts";

/** What the parts of one open database share. */
export interface DbWorld {
  readonly name: string;
  readonly history: History;
  /** Aborted when the database closes. */
  readonly ending: AbortSignal;
  /** Commits that have been handed to the history: closing waits for them. */
  readonly commits: Set<Promise<unknown>>;
  /** Why a collection may not be written to now, or `undefined`. */
  readOnlyReason(scope: ScopeId): string | undefined;
}

/** @throws {DbError} `DB_CLOSED` once the database has been closed. */
export function refuseClosed(world: DbWorld, cause?: unknown): void {
  if (world.ending.aborted) throw closedError(world, cause);
}

export function closedError({ name }: DbWorld, cause?: unknown): DbError {
  return new DbError("DB_CLOSED", `Cannot use database "${name}": it has been closed`, { cause });
}
