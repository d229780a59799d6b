/**
 * The codec of stored commits, by hand: each holds the keys of up to thousands of ops. The same bytes as `encode` and
 * `decodeCanonical` make of rookery.StoredCommit; a differential test holds them together.
 */

import { assert, varintSize } from "../base/index.ts";
import { checkCanonical } from "./decode.ts";
import { FieldReader, FieldWriter, sizedSize } from "./fields.ts";
import { ElidedSchema, StoredCommitSchema } from "./generated/rookery/commit_pb.ts";
import { fieldOf, planOf } from "./plan.ts";

/** One scope's part of a commit as it lies on disk, without the ops that are put together again from rows. */
export interface WireStoredCommit {
  /** Canonical bytes of the commit's header. */
  readonly header: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  /** Canonical bytes of the part's header. */
  readonly part: Uint8Array;
  readonly partIndex: number;
  /** Position in the store's order of arrival. */
  readonly sequence: number;
  /** For each op still held, in order: 0x00, the space, the row key; or 0x01 for a control op. */
  readonly held: readonly Uint8Array[];
  readonly elided: readonly WireElided[];
}

/** A row that an op writes. */
export interface WireHeldRow {
  readonly space: number;
  readonly key: Uint8Array;
}

/** A subtree of a part's ops that is not there: ops `first` to `first + count - 1`, by their common parent. */
export interface WireElided {
  readonly first: number;
  readonly count: number;
  /** 32 bytes. */
  readonly digest: Uint8Array;
}

const PLAN = planOf(StoredCommitSchema);
const HEADER = fieldOf(PLAN, 1);
const SIGNATURE = fieldOf(PLAN, 2);
const PART = fieldOf(PLAN, 3);
const PART_INDEX = fieldOf(PLAN, 4);
const HELD = fieldOf(PLAN, 6);
const ELIDED = fieldOf(PLAN, 7);
const STORED_COMMIT_BYTES_MAX = PLAN.maxSize ?? 0;

const ELIDED_PLAN = planOf(ElidedSchema);
const FIRST = fieldOf(ELIDED_PLAN, 1);
const COUNT = fieldOf(ELIDED_PLAN, 2);
const DIGEST = fieldOf(ELIDED_PLAN, 3);

/** Field number, shifted over the wire type. */
const TAG = {
  header: 0x0a,
  signature: 0x12,
  part: 0x1a,
  partIndex: 0x20,
  sequence: 0x28,
  held: 0x32,
  elided: 0x3a,
} as const;
const ELIDED_TAG = { first: 0x08, count: 0x10, digest: 0x1a } as const;

/** What an op that is held begins with when it is a row's. */
const HELD_ROW = 0;

const NO_ROWS: readonly WireHeldRow[] = [];

/**
 * The canonical bytes of a stored commit. `rows`: of row ops held behind those in `held`, without bytes made of each first.
 *
 * @throws {AssertionError} when it breaks a limit: see `encode`.
 */
export function encodeStoredCommit(
  commit: WireStoredCommit,
  rows: readonly WireHeldRow[] = NO_ROWS,
): Uint8Array {
  const { header, signature, part, partIndex, sequence, held, elided } = commit;
  assert(
    header.length > 0 && header.length <= HEADER.maxBytes,
    "a stored commit's header is within its limit",
  );
  assert(signature.length === SIGNATURE.exactBytes, "a stored commit's signature has its size");
  assert(
    part.length > 0 && part.length <= PART.maxBytes,
    "a stored commit's part is within its limit",
  );
  assert(
    isNumber(partIndex, PART_INDEX.maxLow),
    "a stored commit's part index is within its limit",
  );
  assert(
    isNumber(sequence, Number.MAX_SAFE_INTEGER),
    "a stored commit's sequence is within its limit",
  );
  assert(
    held.length + rows.length <= HELD.maxCount && elided.length <= ELIDED.maxCount,
    "a stored commit has no more ops than a batch",
  );

  let size = sizedSize(header.length) + sizedSize(signature.length) + sizedSize(part.length);
  size += numberSize(partIndex) + numberSize(sequence);
  for (const one of held) {
    assert(one.length <= HELD.maxBytes, "a held op's name is within its limit");
    size += sizedSize(one.length);
  }
  rows.forEach(({ key }) => {
    assert(2 + key.length <= HELD.maxBytes, "a held op's name is within its limit");
    size += sizedSize(2 + key.length);
  });
  for (const one of elided) size += sizedSize(elidedSize(one));
  assert(size <= STORED_COMMIT_BYTES_MAX, "a stored commit is within its limit");

  const out = new FieldWriter(size);
  out.sized(TAG.header, header);
  out.sized(TAG.signature, signature);
  out.sized(TAG.part, part);
  out.number(TAG.partIndex, partIndex);
  out.number(TAG.sequence, sequence);
  for (const one of held) out.sized(TAG.held, one);
  rows.forEach(({ space, key }) => {
    out.head(TAG.held, 2 + key.length);
    out.byte(HELD_ROW);
    out.byte(space);
    out.bytes(key);
  });
  for (const one of elided) {
    out.head(TAG.elided, elidedSize(one));
    writeElided(out, one);
  }
  return out.finish();
}

/** Writes what `elidedSize` has reckoned. */
export function writeElided(out: FieldWriter, { first, count, digest }: WireElided): void {
  out.number(ELIDED_TAG.first, first);
  out.number(ELIDED_TAG.count, count);
  out.sized(ELIDED_TAG.digest, digest);
}

/** Bytes of the message of elided ops. */
export function elidedSize({ first, count, digest }: WireElided): number {
  assert(
    isNumber(first, FIRST.maxLow) && isNumber(count, COUNT.maxLow) && count > 0,
    "elided ops are ops of a batch",
  );
  assert(digest.length === DIGEST.exactBytes, "the digest of elided ops has its size");
  return numberSize(first) + numberSize(count) + sizedSize(digest.length);
}

/** Bytes of a field that holds a number. */
export function numberSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

function isNumber(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

/**
 * The stored commit that `bytes` encode canonically. Its bytes are views of `bytes`: see `decode`.
 *
 * @throws {WireError} as `decodeCanonical`.
 */
export function decodeStoredCommit(bytes: Uint8Array): WireStoredCommit {
  const input = new FieldReader(bytes);
  input.require(bytes.length <= STORED_COMMIT_BYTES_MAX && input.next(TAG.header));
  const header = input.sized(1, HEADER.maxBytes);
  input.require(input.next(TAG.signature));
  const signature = input.sized(SIGNATURE.exactBytes, SIGNATURE.exactBytes);
  input.require(input.next(TAG.part));
  const part = input.sized(1, PART.maxBytes);
  const partIndex = input.next(TAG.partIndex) ? input.number(PART_INDEX.maxLow) : 0;
  const sequence = input.next(TAG.sequence) ? input.number(Number.MAX_SAFE_INTEGER) : 0;
  const held: Uint8Array[] = [];
  while (held.length < HELD.maxCount && input.next(TAG.held))
    held.push(input.sized(0, HELD.maxBytes));
  const elided: WireElided[] = [];
  while (elided.length < ELIDED.maxCount && input.next(TAG.elided))
    elided.push(nextElided(bytes, input));
  if (input.isGood) return { header, signature, part, partIndex, sequence, held, elided };
  checkCanonical(StoredCommitSchema, bytes);
  assert(false, "both readers of stored commits refuse the same bytes");
}

/** The message of elided ops that stands next. */
export function nextElided(bytes: Uint8Array, outer: FieldReader): WireElided {
  const content = outer.sized(0, bytes.length);
  const input = new FieldReader(content);
  const first = input.next(ELIDED_TAG.first) ? input.number(FIRST.maxLow) : 0;
  input.require(input.next(ELIDED_TAG.count));
  const count = input.number(COUNT.maxLow);
  input.require(input.next(ELIDED_TAG.digest));
  const digest = input.sized(DIGEST.exactBytes, DIGEST.exactBytes);
  outer.require(input.isGood);
  return { first, count, digest };
}
