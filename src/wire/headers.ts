/**
 * Encoders of the headers of commits and parts, by hand: each local write makes one of each. The same bytes as `encode` makes of
 * rookery.CommitHeader and rookery.PartHeader; a differential test holds them together.
 */

import { assert, utf8, varintSize } from "../base/index.ts";
import { FieldWriter, sizedSize } from "./fields.ts";
import { CommitHeaderSchema, PartHeaderSchema } from "./generated/rookery/commit_pb.ts";
import { fieldOf, planOf } from "./plan.ts";

/** A commit's header, as it is signed. */
export interface WireCommitHeader {
  /** Canonical bytes of the log's name: `encodeLogId`. */
  readonly log: Uint8Array;
  /** From 1. */
  readonly generation: number;
  /** 32 bytes; `undefined` at generation 1. */
  readonly previous: Uint8Array | undefined;
  /** 64 bits. */
  readonly timestamp: bigint;
  /** Digests of the parts, 32 bytes each. */
  readonly parts: readonly Uint8Array[];
  /** Well-formed text; empty: none. */
  readonly hint: string;
}

/** The header of one scope's part of a commit, as its digest covers it. */
export interface WirePartHeader {
  /** 16 bytes. */
  readonly salt: Uint8Array;
  /** Canonical bytes of the scope's name: `encodeScopeId`. */
  readonly scope: Uint8Array;
  /** 0: this is the log's first part in the scope. */
  readonly previousGeneration: number;
  /** 32 bytes each. */
  readonly controlHeads: readonly Uint8Array[];
  /** Canonical bytes of each log's name. */
  readonly logs: readonly Uint8Array[];
  readonly opCount: number;
  /** How many of them, the first ones, are control ops. */
  readonly controlCount: number;
}

const COMMIT_PLAN = planOf(CommitHeaderSchema);
const PREVIOUS = fieldOf(COMMIT_PLAN, 3);
const PARTS = fieldOf(COMMIT_PLAN, 5);
const HINT = fieldOf(COMMIT_PLAN, 6);
const COMMIT_TAG = {
  log: 0x0a,
  generation: 0x10,
  previous: 0x1a,
  timestamp: 0x21,
  parts: 0x2a,
  hint: 0x32,
} as const;

const PART_PLAN = planOf(PartHeaderSchema);
const SALT = fieldOf(PART_PLAN, 1);
const HEADS = fieldOf(PART_PLAN, 4);
const LOGS = fieldOf(PART_PLAN, 5);
const OP_COUNT = fieldOf(PART_PLAN, 6);
const PART_TAG = {
  salt: 0x0a,
  scope: 0x12,
  previousGeneration: 0x18,
  controlHeads: 0x22,
  logs: 0x2a,
  opCount: 0x30,
  controlCount: 0x38,
} as const;

/** The canonical bytes of a commit's header. @throws {AssertionError} when it breaks a limit: see `encode`. */
export function encodeCommitHeader(header: WireCommitHeader): Uint8Array {
  const { log, generation, previous, timestamp, parts, hint } = header;
  const hintBytes = utf8(hint);
  assert(Number.isSafeInteger(generation) && generation > 0, "a commit has a generation");
  assert(timestamp >= 0n && timestamp < 2n ** 64n, "a timestamp has 64 bits");
  assert(parts.length <= PARTS.maxCount, "a commit has no more parts than it may");
  assert(hintBytes.length <= HINT.maxBytes, "a hint is within its limit");
  let size = sizedSize(log.length) + 1 + varintSize(generation);
  if (previous !== undefined) {
    assert(previous.length === PREVIOUS.exactBytes, "a commit's digest has its size");
    size += sizedSize(previous.length);
  }
  if (timestamp !== 0n) size += 9;
  for (const part of parts) {
    assert(part.length === PARTS.exactBytes, "a part's digest has its size");
    size += sizedSize(part.length);
  }
  if (hintBytes.length > 0) size += sizedSize(hintBytes.length);
  assert(size <= (COMMIT_PLAN.maxSize ?? 0), "a commit's header is within its limit");

  const out = new FieldWriter(size);
  out.sized(COMMIT_TAG.log, log);
  out.number(COMMIT_TAG.generation, generation);
  if (previous !== undefined) out.sized(COMMIT_TAG.previous, previous);
  if (timestamp !== 0n) out.fixed64(COMMIT_TAG.timestamp, timestamp);
  for (const part of parts) out.sized(COMMIT_TAG.parts, part);
  if (hintBytes.length > 0) out.sized(COMMIT_TAG.hint, hintBytes);
  return out.finish();
}

/** The canonical bytes of a part's header. @throws {AssertionError} when it breaks a limit: see `encode`. */
export function encodePartHeader(header: WirePartHeader): Uint8Array {
  const { salt, scope, previousGeneration, controlHeads, logs, opCount, controlCount } = header;
  assert(salt.length === SALT.exactBytes, "a part's salt has its size");
  assert(
    Number.isSafeInteger(previousGeneration) && previousGeneration >= 0,
    "a part names the generation before it",
  );
  assert(
    Number.isInteger(opCount) && opCount > 0 && opCount <= OP_COUNT.maxLow,
    "a part has no more ops than a batch",
  );
  assert(
    Number.isInteger(controlCount) && controlCount >= 0 && controlCount <= opCount,
    "a part's control ops are among its ops",
  );
  assert(controlHeads.length <= HEADS.maxCount, "a part names no more control ops than it may");
  assert(logs.length <= LOGS.maxCount, "a part names no more logs than it may");
  let size = sizedSize(salt.length) + sizedSize(scope.length) + 1 + varintSize(opCount);
  if (previousGeneration > 0) size += 1 + varintSize(previousGeneration);
  for (const id of controlHeads) {
    assert(id.length === HEADS.exactBytes, "a control op's id has its size");
    size += sizedSize(id.length);
  }
  for (const log of logs) size += sizedSize(log.length);
  if (controlCount > 0) size += 1 + varintSize(controlCount);
  assert(size <= (PART_PLAN.maxSize ?? 0), "a part's header is within its limit");

  const out = new FieldWriter(size);
  out.sized(PART_TAG.salt, salt);
  out.sized(PART_TAG.scope, scope);
  out.number(PART_TAG.previousGeneration, previousGeneration);
  for (const id of controlHeads) out.sized(PART_TAG.controlHeads, id);
  for (const log of logs) out.sized(PART_TAG.logs, log);
  out.number(PART_TAG.opCount, opCount);
  out.number(PART_TAG.controlCount, controlCount);
  return out.finish();
}
