import type { ScopeId } from "../base/index.ts";
import type { History } from "../history/index.ts";

/** What the parts of one open database share. */
export interface DbWorld {
  readonly name: string;
  readonly history: History;
  /** Aborted when the database closes. */
  readonly ending: AbortSignal;
  isClosed(): boolean;
  /** Why a collection may not be written to now, or `undefined`. */
  readOnlyReason(scope: ScopeId): string | undefined;
}
