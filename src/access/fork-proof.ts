/**
 * Fork proofs: two different commits that one device signed under one generation of one log. They speak for themselves,
 * whoever hands them in.
 */

import { type Crypto, deviceKeyOf, equalBytes, logIdOf, type LogKey } from "../base/index.ts";
import {
  commitDigest,
  CommitHeaderSchema,
  decodeCanonical,
  logFromWire,
  WireError,
} from "../wire/index.ts";
import type { ForkProofOp } from "./control-op.ts";
import { AccessError } from "./errors.ts";

/** Where a log has forked. */
export interface Forked {
  readonly log: LogKey;
  /** Of which there are two commits. */
  readonly generation: number;
}

/**
 * What a fork proof shows, both signatures checked. [AC33]
 *
 * @throws {AccessError} `ACCESS_FORK_PROOF_INVALID` when it shows nothing.
 */
export async function verifyForkProof(
  { crypto }: { readonly crypto: Crypto },
  proof: ForkProofOp,
): Promise<Forked> {
  const forked = readForkProof(proof);
  const digests = [proof.headerA, proof.headerB].map((header) => commitDigest(crypto, header));
  const [a, b] = digests as [Uint8Array, Uint8Array];
  if (equalBytes(a, b)) throw invalid("both commits are the same");
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
 * @throws {AccessError} `ACCESS_FORK_PROOF_INVALID` when its headers are none, or of different commits.
 */
export function readForkProof({ headerA, headerB }: ForkProofOp): Forked {
  const [a, b] = [readHeader(headerA), readHeader(headerB)];
  if (a.log !== b.log || a.generation !== b.generation)
    throw invalid("its commits stand in different places");
  return a;
}

function readHeader(bytes: Uint8Array): Forked {
  try {
    const { log, generation } = decodeCanonical(CommitHeaderSchema, bytes);
    if (log === undefined) throw new RangeError("A header that decodes has a log");
    return { log: logFromWire(log), generation: Number(generation) };
  } catch (cause) {
    if (cause instanceof WireError) throw invalid("it holds no header of a commit");
    throw cause;
  }
}

function invalid(reason: string): AccessError {
  return new AccessError("ACCESS_FORK_PROOF_INVALID", `Cannot accept proof of a fork: ${reason}`);
}
