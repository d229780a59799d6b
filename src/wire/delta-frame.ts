/**
 * The frames of parts of commits, by hand: they are most of what is sent. The same bytes as `encode` and `decode` make of
 * rookery.DeltaResponse; a differential test holds them together. [WI17]
 */

import { assert } from "../base/index.ts";
import { decode } from "./decode.ts";
import { FieldReader, FieldWriter, sizedSize } from "./fields.ts";
import {
  CommitPartSchema,
  type DeltaResponse,
  DeltaResponseSchema,
} from "./generated/rookery/deltas_pb.ts";
import { ELEMENTS_MAX } from "./limits.ts";
import { fieldOf, planOf } from "./plan.ts";
import {
  elidedSize,
  numberSize,
  nextElided,
  type WireElided,
  writeElided,
} from "./stored-commit.ts";

/** A part of a commit in a frame, or a piece of one. */
export interface WirePart {
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
  readonly part: Uint8Array;
  readonly partIndex: number;
  readonly ops: readonly Uint8Array[];
  readonly elided: readonly WireElided[];
  readonly more: boolean;
}

/** A frame, its parts as plain objects. */
export type DeltaFrame = Omit<DeltaResponse, "commits" | "$typeName"> & {
  readonly commits: readonly WirePart[];
};

const PLAN = planOf(CommitPartSchema);
const HEADER = fieldOf(PLAN, 1);
const SIGNATURE = fieldOf(PLAN, 2);
const PART = fieldOf(PLAN, 3);
const PART_INDEX = fieldOf(PLAN, 4);
const OPS = fieldOf(PLAN, 5);
const ELIDED = fieldOf(PLAN, 6);
const FRAME_PLAN = planOf(DeltaResponseSchema);
const COMMITS = fieldOf(FRAME_PLAN, 2);
const FRAME_BYTES = FRAME_PLAN.maxSize ?? 0;

/** Field number, shifted over the wire type. */
const COMMITS_TAG = 0x12;
const TAG = {
  header: 0x0a,
  signature: 0x12,
  part: 0x1a,
  partIndex: 0x20,
  ops: 0x2a,
  elided: 0x32,
  more: 0x38,
} as const;
const NOTHING = new Uint8Array();

/** The canonical bytes of a frame's `commits`; what else the frame says follows them. @throws {AssertionError} as `encode`. */
export function encodeParts(parts: readonly WirePart[]): Uint8Array {
  const sizes = parts.map(sizeOf);
  const size = sizes.reduce((sum, one) => sum + sizedSize(one), 0);
  assert(size <= FRAME_BYTES && parts.length <= COMMITS.maxCount, "a frame is within its limits");
  const out = new FieldWriter(size);
  for (const [i, part] of parts.entries()) {
    out.head(COMMITS_TAG, sizes[i] as number);
    writePart(out, part);
  }
  return out.finish();
}

function sizeOf({ header, signature, part, partIndex, ops, elided, more }: WirePart): number {
  assert(header.length <= HEADER.maxBytes, "a commit's header is within its limit");
  assert(
    signature.length === 0 || signature.length === SIGNATURE.exactBytes,
    "a commit's signature has its size",
  );
  assert(part.length <= PART.maxBytes, "a part's header is within its limit");
  assert(
    ops.length <= OPS.maxCount &&
      elided.length <= ELIDED.maxCount &&
      partIndex <= PART_INDEX.maxLow,
    "a part has no more ops than a batch",
  );
  let size = numberSize(partIndex) + (more ? 2 : 0);
  for (const bytes of [header, signature, part])
    if (bytes.length > 0) size += sizedSize(bytes.length);
  for (const op of ops) {
    assert(op.length <= OPS.maxBytes, "an op is within its limit");
    size += sizedSize(op.length);
  }
  for (const one of elided) size += sizedSize(elidedSize(one));
  return size;
}

function writePart(out: FieldWriter, one: WirePart): void {
  const { header, signature, part, partIndex, ops, elided, more } = one;
  if (header.length > 0) out.sized(TAG.header, header);
  if (signature.length > 0) out.sized(TAG.signature, signature);
  if (part.length > 0) out.sized(TAG.part, part);
  out.number(TAG.partIndex, partIndex);
  for (const op of ops) out.sized(TAG.ops, op);
  for (const gap of elided) {
    out.head(TAG.elided, elidedSize(gap));
    writeElided(out, gap);
  }
  out.number(TAG.more, more ? 1 : 0);
}

/** The frame that `bytes` encode, as `decode` reads it. @throws {WireError} as `decode`. */
export function decodeDeltaFrame(bytes: Uint8Array): DeltaFrame {
  if (bytes.length > FRAME_BYTES || bytes[0] !== COMMITS_TAG)
    return decode(DeltaResponseSchema, bytes);
  const input = new FieldReader(bytes);
  const commits: WirePart[] = [];
  let elements = 0;
  while (input.next(COMMITS_TAG)) {
    const part = readPart(input.sized(0, FRAME_BYTES));
    if (part === undefined) return decode(DeltaResponseSchema, bytes);
    commits.push(part);
    elements += 1 + part.ops.length + part.elided.length;
  }
  // An element takes two bytes at least: there are fewer than `ELEMENTS_MAX` in all.
  const isSmall = elements <= ELEMENTS_MAX / 2 && bytes.length - input.at <= ELEMENTS_MAX;
  if (!input.isGoodSoFar || !isSmall || commits.length > COMMITS.maxCount)
    return decode(DeltaResponseSchema, bytes);
  const rest = decode(DeltaResponseSchema, bytes.subarray(input.at));
  return rest.commits.length === 0 ? { ...rest, commits } : decode(DeltaResponseSchema, bytes);
}

/** A part in its canonical form; `undefined` for any other bytes. */
function readPart(bytes: Uint8Array): WirePart | undefined {
  const input = new FieldReader(bytes);
  const header = input.next(TAG.header) ? input.sized(1, HEADER.maxBytes) : NOTHING;
  const signature = input.next(TAG.signature)
    ? input.sized(SIGNATURE.exactBytes, SIGNATURE.exactBytes)
    : NOTHING;
  const part = input.next(TAG.part) ? input.sized(1, PART.maxBytes) : NOTHING;
  const partIndex = input.next(TAG.partIndex) ? input.number(PART_INDEX.maxLow) : 0;
  const ops: Uint8Array[] = [];
  while (ops.length < OPS.maxCount && input.next(TAG.ops)) ops.push(input.sized(0, OPS.maxBytes));
  const elided: WireElided[] = [];
  while (elided.length < ELIDED.maxCount && input.next(TAG.elided))
    elided.push(nextElided(bytes, input));
  const more = input.next(TAG.more) && input.number(1) === 1;
  return input.isGood ? { header, signature, part, partIndex, ops, elided, more } : undefined;
}
