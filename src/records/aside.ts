/**
 * A part that does not count, as it lies aside: whole, with its ops, since no row holds them. Or only its control ops, where
 * they came without the rows. Read by this store alone; golden vectors pin the bytes.
 */

import { ByteReader, ByteWriter, type Crypto } from "../base/index.ts";
import { decodeOp, type WireOp } from "../wire/index.ts";
import { DIGEST_SIZE, elideOps, type ElidedOps, opDigest } from "./digest.ts";
import type { CommitPart } from "./part.ts";

export interface AsideRecord {
  readonly part: CommitPart;
  /** Only its control ops are here: it came without rows, outside of what may be claimed. */
  readonly isLoose: boolean;
  /** Its control ops came from somebody else than an author whose right has ended, so they belong to the control log. */
  readonly isVouched: boolean;
  /** It has counted here, and was taken back. */
  readonly hasCounted: boolean;
  /**
   * Digests of commits under this log and generation whose rows here were authored again, the part's own among them if its
   * were: what is left of that is what could not be. Absent: none.
   */
  readonly authored?: readonly Uint8Array[] | undefined;
}

const LOOSE = 1;
const VOUCHED = 2;
const COUNTED = 4;
const AUTHORED = 8;

const SIGNATURE_SIZE = 64;

export function encodeAside(record: AsideRecord): Uint8Array {
  const { header, signature, part, partIndex, ops, elided } = record.part;
  const { authored = [] } = record;
  let size = 128 + header.length + part.length + 48 * elided.length + DIGEST_SIZE * authored.length;
  for (const op of ops) size += op.length + 4;
  const out = new ByteWriter(size);
  out.u8(
    (record.isLoose ? LOOSE : 0) |
      (record.isVouched ? VOUCHED : 0) |
      (record.hasCounted ? COUNTED : 0) |
      (authored.length > 0 ? AUTHORED : 0),
  );
  writeSized(out, header);
  out.bytes(signature);
  writeSized(out, part);
  out.varint(partIndex);
  out.varint(ops.length);
  for (const op of ops) writeSized(out, op);
  out.varint(elided.length);
  for (const { first, count, digest } of elided) {
    out.varint(first);
    out.varint(count);
    out.bytes(digest);
  }
  if (authored.length > 0) out.varint(authored.length);
  for (const digest of authored) out.bytes(digest);
  return out.finish();
}

export function decodeAside(bytes: Uint8Array): AsideRecord {
  const input = new ByteReader(bytes);
  const flags = input.u8();
  const header = readSized(input);
  const signature = input.bytes(SIGNATURE_SIZE);
  const part = readSized(input);
  const partIndex = input.varint();
  const ops = Array.from({ length: input.count(1) }, () => readSized(input));
  const elided = Array.from({ length: input.count(2 + DIGEST_SIZE) }, () => ({
    first: input.varint(),
    count: input.varint(),
    digest: input.bytes(DIGEST_SIZE),
  }));
  const authored =
    (flags & AUTHORED) === 0
      ? undefined
      : Array.from({ length: input.count(DIGEST_SIZE) }, () => input.bytes(DIGEST_SIZE));
  return {
    part: { header, signature, part, partIndex, ops, elided },
    isLoose: (flags & LOOSE) !== 0,
    isVouched: (flags & VOUCHED) !== 0,
    hasCounted: (flags & COUNTED) !== 0,
    ...(authored === undefined ? undefined : { authored }),
  };
}

/** The part with its control ops alone: every other op is left out. */
export function controlsOnly(crypto: Crypto, part: CommitPart): CommitPart {
  return opsOnly(crypto, part, (op) => op.control !== undefined);
}

/** The part with some of its ops; every other is left out. */
export function opsOnly(
  crypto: Crypto,
  part: CommitPart,
  isWanted: (op: WireOp) => boolean,
): CommitPart {
  const { ops, elided } = part;
  const kept: Uint8Array[] = [];
  const digests: Uint8Array[] = [];
  const isKept = new Set<number>();
  let index = 0;
  let gap = 0;
  for (const op of ops) {
    while (elided[gap]?.first === index) {
      index += (elided[gap] as ElidedOps).count;
      gap += 1;
    }
    digests[index] = opDigest(crypto, op);
    if (isWanted(decodeOp(op))) {
      kept.push(op);
      isKept.add(index);
    }
    index += 1;
  }
  if (kept.length === ops.length) return part;
  for (const hole of elided.slice(gap)) index = Math.max(index, hole.first + hole.count);
  digests.length = index;
  return {
    ...part,
    ops: kept,
    elided: elideOps(crypto, digests, (at) => !isKept.has(at), elided),
  };
}

function writeSized(out: ByteWriter, bytes: Uint8Array): void {
  out.varint(bytes.length);
  out.bytes(bytes);
}

function readSized(input: ByteReader): Uint8Array {
  return input.bytes(input.varint());
}
