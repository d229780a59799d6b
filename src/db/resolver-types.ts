import type { ConflictingValue } from "./row-versions.ts";

/** One value that contends for a row, or the only one of a row that is tied to others. */
export interface ConflictHead<T> extends ConflictingValue<T> {
  /** Names the commit that wrote it: equal for all that was written together. */
  readonly commit: string;
  /** Whether this device wrote it. */
  readonly ours: boolean;
}

/** A row of a conflict. */
export interface ConflictRow<T> {
  readonly key: string;
  /** The policy that it is under. */
  readonly policy: string;
  /** False: the row is only tied to the others by a commit, and has one value. */
  readonly conflict: boolean;
  /** The one that last-write-wins shows first. */
  readonly heads: readonly ConflictHead<T>[];
  /** The latest of them that this device wrote; `undefined`: none. */
  readonly local: ConflictHead<T> | undefined;
  /** The latest of them that another device wrote; `undefined`: none. */
  readonly remote: ConflictHead<T> | undefined;
  /** The latest version that the writers of all heads had seen, where it is still kept here. A hint, and no more. */
  readonly ancestor: { readonly value: T | undefined } | undefined;
}

/** A commit that heads of a conflict come from. */
export interface ConflictCommit {
  readonly commit: string;
  readonly device: ConflictHead<unknown>["device"];
  readonly ours: boolean;
  readonly timestampMs: number;
  readonly hint: string | undefined;
  /** Of the conflict's rows, those that it wrote. */
  readonly keys: readonly string[];
}

/** Rows that are tied by commits which wrote several of them, to be resolved as one. [CO19] */
export interface Conflict<T> {
  readonly rows: readonly ConflictRow<T>[];
  readonly commits: readonly ConflictCommit[];
  /** Whether there is more of it, which did not fit and is offered by itself. [CO25] */
  readonly partial: boolean;
  /** Aborted when the resolver or the database is closed: no answer is waited for any more. */
  readonly signal: AbortSignal;
}

/** What is to become of a row: one of its values, another, none; or it stays in conflict. */
export type Resolution<T> =
  | { readonly take: ConflictHead<T> }
  | { readonly value: T }
  | { readonly delete: true }
  | "leave";

/** By key; a row that is not named is left. `undefined` leaves all. */
export type Resolutions<T> =
  | Iterable<readonly [key: string, resolution: Resolution<T>]>
  | undefined;

/** Answers what is to become of the rows of a conflict. */
export type ResolveFunction<T> = (
  conflict: Conflict<T>,
) => Promise<Resolutions<T> | void> | Resolutions<T> | void;

export interface ResolveOptions {
  /** Only rows whose keys begin with it begin a conflict. */
  readonly prefix?: string | undefined;
  /** Of the commits that resolve, for whoever sees them: 256 bytes at most. */
  readonly hint?: string | undefined;
}

/** A resolver at work. */
export interface Resolver extends AsyncDisposable {
  /** Ends it; answers that are still to come count for nothing. */
  close(): Promise<void>;
}
