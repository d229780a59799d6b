/**
 * The API people use: databases, collections, rows, batches, watches.
 *
 * Start at `Database`. Rules: docs/spec/db.md.
 *
 * @module
 */

export type { MergeFunction, PolicyText } from "../conflicts/index.ts";
export type { Batch } from "./batch.ts";
export type { BatchOptions } from "./run-batch.ts";
export {
  Collection,
  type KeyValue,
  type RowHandle,
  type ScanOptions,
  type VisibleValue,
  type WriteOptions,
} from "./collection.ts";
export type { AccessOptions, CollectionAccess, RevokeOptions } from "./collection-life.ts";
export {
  type CollectionInfo,
  type CollectionName,
  Database,
  type DatabaseDeps,
  openDatabase,
} from "./database.ts";
export type { CounterRow, MapRow, SetRow } from "./mergeable-rows.ts";
export type { PolicyInfo } from "./policies.ts";
export { DbError, type DbErrorCode } from "./errors.ts";
export type {
  ConflictingValue,
  HistoryOptions,
  KeptVersion,
  QuarantinedRow,
  VersionInfo,
} from "./row-versions.ts";
export type {
  Conflict,
  ConflictCommit,
  ConflictHead,
  ConflictRow,
  Resolution,
  Resolutions,
  ResolveFunction,
  ResolveOptions,
  Resolver,
} from "./resolver-types.ts";
export type { DatabaseWatchOptions, WatchOptions } from "./watch.ts";
export type { Change, DatabaseChange, DatabaseWatchPage, WatchPage } from "./watch-page.ts";
export type { CollectionPattern } from "./watch-selection.ts";
export type { KeyBounds } from "./key-range.ts";
export type { CollectionProgress } from "./world.ts";
