/**
 * Fork proofs: two commits that one device signed in one log, of which neither follows on the other. They speak for
 * themselves, whoever hands them in.
 *
 *     one generation      the next one                      two generations of one scope
 *       3   3'              3   4   4 names another commit      3   .   3 says that it follows on 2 there,
 *        \ /                |   ?   than 3 before it            |   5   and so does 5, which passes over 3
 *         2                  \ /                                 \ /
 *                             2                                   2
 */

import {
  type Crypto,
  deviceKeyOf,
  equalBytes,
  logIdOf,
  type LogKey,
  type ScopeId,
  scopeKeyOf,
} from "../base/index.ts";
import {
  commitDigest,
  CommitHeaderSchema,
  decodeCanonical,
  logFromWire,
  partDigest,
  PartHeaderSchema,
  scopeFromWire,
  WireError,
} from "../wire/index.ts";
import type { ForkedPart, ForkProofOp } from "./control-op.ts";
import { AccessError } from "./errors.ts";

/** Where a log has forked: no later than here. */
export interface Forked {
  readonly log: LogKey;
  /** The least of which it is shown that not all commits of the log have seen it as it is. */
  readonly generation: number;
}

/**
 * What a fork proof that stands in `scope` shows, both signatures checked. [AC33] [AC55]
 *
 * @throws {AccessError} `ACCESS_FORK_PROOF_INVALID` when it shows nothing.
 */
export async function verifyForkProof(
  { crypto }: { readonly crypto: Crypto },
  scope: ScopeId,
  proof: ForkProofOp,
): Promise<Forked> {
  const forked = readForkProof(proof);
  const isSame = readHeader(proof.headerB).generation === forked.generation;
  const digests = [proof.headerA, proof.headerB].map((header) => commitDigest(crypto, header));
  const [a, b] = digests as [Uint8Array, Uint8Array];
  if (equalBytes(a, b)) throw invalid("both commits are the same");
  if (proof.parts !== undefined) {
    checkPart(crypto, scope, proof.headerA, proof.parts[0]);
    checkPart(crypto, scope, proof.headerB, proof.parts[1]);
  } else {
    const { previous } = decodeCanonical(CommitHeaderSchema, proof.headerB);
    if (!isSame && (previous.length === 0 || equalBytes(previous, a)))
      throw invalid("one of its commits may follow the other");
  }
  const publicKey = deviceKeyOf(logIdOf(forked.log).device);
  const valid = await crypto.verify([
    { publicKey, message: a, signature: proof.signatureA },
    { publicKey, message: b, signature: proof.signatureB },
  ]);
  if (!valid.every(Boolean)) throw invalid("not signed by the log's device");
  return forked;
}

/**
 * What a fork proof says, nothing checked: for proofs of our own store, which were checked before they came there.
 *
 * @throws {AccessError} `ACCESS_FORK_PROOF_INVALID` when its headers are none, or of commits that may follow each other.
 */
export function readForkProof({ headerA, headerB, parts }: ForkProofOp): Forked {
  const [a, b] = [readHeader(headerA), readHeader(headerB)];
  if (a.log !== b.log) throw invalid("its commits are of different logs");
  if (parts === undefined) {
    const isNext = b.generation === a.generation + 1;
    if (a.generation !== b.generation && !isNext)
      throw invalid("its commits stand in different places");
    return a;
  }
  const isPassedOver = readPart(parts[1]).previous < a.generation && a.generation < b.generation;
  if (!isPassedOver) throw invalid("its commits may follow each other");
  return a;
}

/** A part has to be one of its commit, and of the scope for whose readers the proof is. */
function checkPart(
  crypto: Crypto,
  scope: ScopeId,
  commit: Uint8Array,
  { index, root, header }: ForkedPart,
): void {
  const claimed = decodeCanonical(CommitHeaderSchema, commit).parts[index];
  if (claimed === undefined || !equalBytes(claimed, partDigest(crypto, header, root)))
    throw invalid("it holds a part that is not of its commit");
  if (readPart({ header }).scope !== scopeKeyOf(scope))
    throw invalid("it holds a part of another scope");
}

function readPart({ header }: Pick<ForkedPart, "header">): {
  readonly scope: string;
  readonly previous: number;
} {
  const { scope, previousGeneration } = decoded("part", () =>
    decodeCanonical(PartHeaderSchema, header),
  );
  if (scope === undefined) throw new RangeError("A header that decodes has a scope");
  return { scope: scopeKeyOf(scopeFromWire(scope)), previous: Number(previousGeneration) };
}

function readHeader(bytes: Uint8Array): Forked {
  const { log, generation } = decoded("commit", () => decodeCanonical(CommitHeaderSchema, bytes));
  if (log === undefined) throw new RangeError("A header that decodes has a log");
  return { log: logFromWire(log), generation: Number(generation) };
}

function decoded<Header>(what: string, decode: () => Header): Header {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof WireError) throw invalid(`it holds no header of a ${what}`);
    throw cause;
  }
}

function invalid(reason: string): AccessError {
  return new AccessError("ACCESS_FORK_PROOF_INVALID", `Cannot accept proof of a fork: ${reason}`);
}
