import { assert, type Crypto } from "../base/index.ts";
import { type ElidedOps, elideOps } from "./digest.ts";

/** The ops of one part, as far as they are there. */
export interface PartOps<Op> {
  /** Those that are there, in order. */
  readonly ops: readonly Op[];
  readonly elided: readonly ElidedOps[];
}

/** The index in its part of each op that is there: those that are not within what is left out. */
export function indexesOf(count: number, elided: readonly ElidedOps[]): number[] {
  const indexes: number[] = [];
  let index = 0;
  let gap = 0;
  while (indexes.length < count) {
    const hole = elided[gap];
    if (hole?.first === index) {
      index += hole.count;
      gap += 1;
    } else {
      indexes.push(index);
      index += 1;
    }
  }
  return indexes;
}

/**
 * A part that lacked ops, with some of them that a fuller copy has. `digests`: of the ops of `other`, in order; `isWanted`: which
 * of them are taken. What neither holds stays left out: the digest of every subtree without an op that is held follows
 * from one of both.
 */
export function restoredPart<Op>(
  crypto: Crypto,
  count: number,
  held: PartOps<Op>,
  other: PartOps<Op> & { readonly digests: readonly Uint8Array[] },
  isWanted: (at: number) => boolean,
): PartOps<Op> {
  const ops = new Map<number, Op>();
  const digests: (Uint8Array | undefined)[] = Array.from({ length: count }, () => undefined);
  indexesOf(other.ops.length, other.elided).forEach((index, at) => {
    digests[index] = other.digests[at];
    if (isWanted(at)) ops.set(index, other.ops[at] as Op);
  });
  indexesOf(held.ops.length, held.elided).forEach((index, at) => {
    ops.set(index, held.ops[at] as Op);
  });
  const isClear = ({ first, count: size }: ElidedOps): boolean => {
    for (let index = first; index < first + size; index++) if (ops.has(index)) return false;
    return true;
  };
  const holes = [...held.elided, ...other.elided].filter(isClear);
  const isLeftOut = (index: number): boolean => !ops.has(index) && digests[index] !== undefined;
  const elided = elideOps(crypto, digests as Uint8Array[], isLeftOut, holes);
  const indexes = [...ops.keys()].sort((a, b) => a - b);
  const there = indexes.length + elided.reduce((sum, one) => sum + one.count, 0);
  assert(there === count, "two copies of a part make up its tree");
  return { ops: indexes.map((index) => ops.get(index) as Op), elided };
}
