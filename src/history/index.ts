/**
 * Replication without a network: commits, logs, knowledge, versions and their merge.
 *
 * Start at `History`. A local batch goes in by `write`; what a peer sent goes through `prepare` and `receive`; what a peer
 * lacks comes out of `partsAbove`. Rules: docs/spec/history.md.
 *
 * @module
 */

export type { Draft, Identity, PartWrite, RowWrite } from "./author.ts";
export { ROW_SPACE } from "./authority.ts";
export {
  HistoryError,
  type HistoryErrorCode,
  type CommitPart,
  partSize,
  type PartName,
  type Context,
  type LogNumber,
  type Row,
  type Version,
} from "../records/index.ts";
export { History, type HistoryDeps } from "./history.ts";
export type { Change, RowRange } from "./scans.ts";
export type { TrueTime } from "./own-log.ts";
export { isAllowed } from "./counting.ts";
export { type PreparedPart, preparePart } from "./prepare.ts";
export type { FreezeOf, Quarantined, QuarantinedPart } from "./quarantine.ts";
export type { Delivery } from "./fresh-parts.ts";
export type { Receipt, WaitingLog } from "./receive.ts";
export { type LoosePlace, loosePlaces } from "./serve.ts";
export type { ServedPart, WantedScope } from "./serve.ts";
export type { RowName, ScopeState, SeenRef, View } from "../turns/index.ts";
export type { WriteRequest } from "./drafts.ts";
export type { AccessRead, RangeRead, RowRead } from "./reads.ts";
export type { WriteOutcome } from "./drafts.ts";
export type { Written } from "./writer.ts";
export { COMMIT_PARTS_MAX, SCOPE_LOGS_MAX } from "./limits.ts";
