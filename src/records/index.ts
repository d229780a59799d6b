/**
 * How history lies in the store and on the wire: keys, records, interned numbers, versions and their merge, the parts of
 * commits and their digests. Bytes and pure functions; `history` decides what is written.
 *
 * Start at `keys.ts`. Rules: docs/spec/history.md, docs/spec/formats.md.
 *
 * @module
 */

export { Branches, type BranchPart } from "./branches.ts";
export { type AsideRecord, controlsOnly, decodeAside, encodeAside, opsOnly } from "./aside.ts";
export { assemblePart, digestOf, type PartSources, type StoredRecord } from "./assemble.ts";
export { READ_ROWS_MAX } from "./limits.ts";
export { CommitSigner } from "./signer.ts";
export { nearOrder } from "./near-order.ts";
export { type RowRecords, rowsOf, storedOps } from "./stored-ops.ts";
export {
  isUnsigned,
  NO_SIGNATURE,
  placeOfSignature,
  signedCopy,
  isOurRecord,
  signedRecord,
} from "./unsigned.ts";
export { type ControlDot, controlEntry, controlRecord, storedControl } from "./control-place.ts";
export { commitDigest, partDigest } from "../wire/index.ts";
export {
  controlIdBytes,
  DIGEST_SIZE,
  digestOfOpInto,
  elideOps,
  opDigest,
  opDigestInto,
  opDigests,
  opsRoot,
} from "./digest.ts";
export {
  decodeEpochs,
  encodeEpochs,
  type Epoch,
  epochsWith,
  markerOf,
  positionOf,
} from "./epochs.ts";
export { HistoryError, type HistoryErrorCode } from "./errors.ts";
export { LoneRow, LoneRows } from "./lone-rows.ts";
export {
  encodeHeld,
  type HeldOp,
  indexedContext,
  type CommitPart,
  decodeHeld,
  partSize,
} from "./part.ts";
export {
  SALT_SIZE,
  readRecord,
  type ChangeRecord,
  decodeChange,
  decodeRow,
  type PartName,
  decodeControlRecord,
  decodeOwnLog,
  decodeScopeRecord,
  type OwnLog,
  decodeVersion,
  type ControlRecord,
  encodeChange,
  encodeControlRecord,
  encodeOwnLog,
  encodeRow,
  encodeScopeRecord,
  encodeVersion,
} from "./records.ts";
export {
  compareHeads,
  type Context,
  type ContextEntry,
  contextOf,
  type LogNumber,
  type LogOrder,
  type Row,
  type Version,
  ABSENT_ROW,
  isSameDot,
  mergeVersion,
  seenIn,
} from "./version.ts";
export {
  asideKey,
  asideRange,
  rivalDigestOf,
  rivalKey,
  rivalRange,
  rivalsAt,
  placeOf,
  commitKey,
  changeRange,
  commitRange,
  isEmptyRange,
  ROW_KEY_PREFIX,
  rowKey,
  rowRange,
  sequenceOf,
  controlRange,
  type DatabaseNumber,
  epochsKey,
  ownKey,
  scopeStateKey,
  controlKey,
  internRange,
  keysUnder,
  oldKey,
  oldRange,
  type OldName,
  oldNameOf,
  oldOfScope,
  type ScopeNumber,
  changeKey,
  internKey,
} from "./keys.ts";
export { decodeHolder, encodeHolder, publishedIn, ROW_SPACE, saidBy } from "./holder-record.ts";
export { Interner } from "./interner.ts";
export { indexesOf, type PartOps, restoredPart } from "./restored.ts";
