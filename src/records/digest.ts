/**
 * The digests that a commit's signature covers. The tree over a part's ops is that of RFC 6962 §2.1 with 16 branches where
 * that has two; leaves, inner nodes, parts, control ops and commits are told apart by their first bytes.
 * proto/rookery/commit.proto draws it.
 */

import { assert, type Crypto } from "../base/index.ts";
import { encodeOp, writeOp, type WireOp } from "../wire/index.ts";
import { HistoryError } from "./errors.ts";

/** Size in bytes of every digest here (SHA-256). */
export const DIGEST_SIZE = 32;

/** Children of an inner node: with 16 the tree costs a fifteenth of a hash an op, with two it costs one. */
const BRANCHES = 16;

/** A subtree that is not there: ops `first` to `first + count - 1`, by the digest of their common parent. */
export interface ElidedOps {
  readonly first: number;
  readonly count: number;
  readonly digest: Uint8Array;
}

/** The digest of one op by its canonical bytes. */
export function opDigest(crypto: Crypto, op: Uint8Array): Uint8Array {
  const digest = new Uint8Array(DIGEST_SIZE);
  opDigestInto(crypto, op, digest, 0);
  return digest;
}

/** The same, into `into` from `at` on: `sha256Into` answers at once and keeps nothing. */
export function opDigestInto(crypto: Crypto, op: Uint8Array, into: Uint8Array, at: number): void {
  // Of one's own, an input costs more than its hash.
  const input =
    op.length < SCRATCH_BYTES ? startOfScratch(1 + op.length) : new Uint8Array(1 + op.length);
  input[0] = 0;
  input.set(op, 1);
  crypto.sha256Into(input, into, at);
}

/** The digests of ops by their canonical bytes, one after another. */
export function opDigests(crypto: Crypto, ops: readonly Uint8Array[]): Uint8Array {
  const digests = new Uint8Array(DIGEST_SIZE * ops.length);
  ops.forEach((op, i) => opDigestInto(crypto, op, digests, DIGEST_SIZE * i));
  return digests;
}

/** As `opDigestInto`, of an op of `size` bytes of which nobody needs the bytes themselves. */
export function digestOfOpInto(
  crypto: Crypto,
  op: WireOp,
  size: number,
  into: Uint8Array,
  at: number,
): void {
  if (size >= SCRATCH_BYTES) return opDigestInto(crypto, encodeOp(op), into, at);
  scratch[0] = 0;
  writeOp(op, size, scratch, 1);
  crypto.sha256Into(startOfScratch(1 + size), into, at);
}

const SCRATCH_BYTES = 4096;
const scratch = new Uint8Array(SCRATCH_BYTES);
/** Views of its start, by size: making one costs a fifth of a hash. */
const starts: (Uint8Array | undefined)[] = [];

function startOfScratch(size: number): Uint8Array {
  return (starts[size] ??= scratch.subarray(0, size));
}

function innerDigest(crypto: Crypto, children: readonly Uint8Array[]): Uint8Array {
  const input = new Uint8Array(1 + children.length * DIGEST_SIZE);
  input[0] = 1;
  children.forEach((child, i) => input.set(child, 1 + i * DIGEST_SIZE));
  return crypto.sha256(input);
}

/**
 * The Merkle root over `count` ops, of which those in `elided` are represented by their parents and the others, in
 * order, by `leaves`: their digests, one after another.
 *
 * @throws {HistoryError} `HISTORY_MALFORMED` when leaves and elided subtrees do not make up exactly that tree.
 */
export function opsRoot(
  crypto: Crypto,
  count: number,
  leaves: Uint8Array,
  elided: readonly ElidedOps[] = [],
): Uint8Array {
  assert(count > 0, "a part has at least one op");
  let leaf = 0;
  let gap = 0;

  const takeLeaves = (size: number, into: Uint8Array, at: number): void => {
    const end = leaf + size * DIGEST_SIZE;
    if (end > leaves.length)
      throw new HistoryError("HISTORY_MALFORMED", "Cannot check commit: ops are missing");
    into.set(leaves.subarray(leaf, end), at);
    leaf = end;
  };
  const rootInto = (first: number, size: number, into: Uint8Array, at: number): void => {
    const hole = elided[gap];
    if (hole !== undefined && hole.first === first && hole.count === size) {
      gap += 1;
      into.set(hole.digest, at);
      return;
    }
    if (size === 1) return takeLeaves(1, into, at);
    const width = childWidth(size);
    const input = new Uint8Array(1 + Math.ceil(size / width) * DIGEST_SIZE);
    input[0] = 1;
    // Most nodes are over ops that are all there, whose digests lie side by side.
    if (width === 1 && (hole === undefined || hole.first >= first + size))
      takeLeaves(size, input, 1);
    else
      for (let i = 0, to = 1; i < size; i += width, to += DIGEST_SIZE)
        rootInto(first + i, Math.min(width, size - i), input, to);
    crypto.sha256Into(input, into, at);
  };

  const root = new Uint8Array(DIGEST_SIZE);
  rootInto(0, count, root, 0);
  if (leaf !== leaves.length || gap !== elided.length) {
    throw new HistoryError(
      "HISTORY_MALFORMED",
      "Cannot check commit: ops and elided ops do not make up its tree",
    );
  }
  return root;
}

/**
 * The fewest subtrees that represent the ops for which `isElided` holds: what is sent in place of them.
 * `digests` are those of all ops, in order; those within `holes`, which are left out already, are not looked at.
 */
export function elideOps(
  crypto: Crypto,
  digests: readonly Uint8Array[],
  isElided: (index: number) => boolean,
  holes: readonly ElidedOps[] = [],
): ElidedOps[] {
  const elided: ElidedOps[] = [];
  const left = new Map(holes.map((hole) => [`${hole.first} ${hole.count}`, hole.digest]));
  // Answers the digest of a subtree that is elided whole, and `undefined` after noting the elided parts of another.
  const walk = (first: number, size: number): Uint8Array | undefined => {
    const hole = left.size === 0 ? undefined : left.get(`${first} ${size}`);
    if (hole !== undefined) return hole;
    if (size === 1) return isElided(first) ? digests[first] : undefined;
    const width = childWidth(size);
    const whole: ElidedOps[] = [];
    const children: Uint8Array[] = [];
    let isWhole = true;
    for (let at = 0; at < size; at += width) {
      const count = Math.min(width, size - at);
      const digest = walk(first + at, count);
      if (digest === undefined) {
        isWhole = false;
        continue;
      }
      children.push(digest);
      whole.push({ first: first + at, count, digest });
    }
    if (isWhole) return innerDigest(crypto, children);
    elided.push(...whole);
    return undefined;
  };
  const all = walk(0, digests.length);
  if (all !== undefined) return [{ first: 0, count: digests.length, digest: all }];
  return elided.sort((a, b) => a.first - b.first);
}

/** Ops under each child of a node over `size` ops, but the last, which may have fewer: the greatest power of 16 below. */
function childWidth(size: number): number {
  let width = 1;
  while (width * BRANCHES < size) width *= BRANCHES;
  return width;
}

/** The 32-byte id of the control op at `index` of a part: binds its author, place and salt. */
export function controlIdBytes(crypto: Crypto, part: Uint8Array, index: number): Uint8Array {
  const input = new Uint8Array(1 + DIGEST_SIZE + 4);
  input[0] = 3;
  input.set(part, 1);
  new DataView(input.buffer).setUint32(1 + DIGEST_SIZE, index);
  return crypto.sha256(input);
}
