/**
 * Control ops in which what was signed for itself has been checked. Whoever hands one to a control log has also checked its
 * commit's signature.
 */

import type { ScopeId } from "../base/index.ts";
import {
  type CertificateDeps,
  type Certified,
  readCertificate,
  verifyCertificate,
} from "./certificate.ts";
import type { ControlOp, DeviceOp, ForkProofOp, UnknownOp } from "./control-op.ts";
import { verifyDeviceRevocation } from "./device-revocation.ts";
import { type Forked, readForkProof, verifyForkProof } from "./fork-proof.ts";

/** A control op whose certificate, user's revocation or fork proof, if it is one of these, has been checked. */
export type VerifiedOp =
  | Exclude<ControlOp, DeviceOp | ForkProofOp>
  | (DeviceOp & { readonly certified: Certified })
  | (ForkProofOp & { readonly forked: Forked });

/** One that this version can reduce. */
export type ReducibleOp = Exclude<VerifiedOp, UnknownOp>;

/**
 * `op`, which stands in `scope`, with what was signed for itself checked: a certificate, a user's revocation of a device, a
 * fork proof. [AC2] [AC32] [AC33]
 *
 * @throws {AccessError} `ACCESS_CERTIFICATE_INVALID`, `ACCESS_REVOCATION_INVALID`, `ACCESS_FORK_PROOF_INVALID`.
 */
export async function verifyControlOp(
  deps: CertificateDeps,
  scope: ScopeId,
  op: ControlOp,
): Promise<VerifiedOp> {
  switch (op.type) {
    case "device":
      return { ...op, certified: await verifyCertificate(deps, op.certificate) };
    case "forkProof":
      return { ...op, forked: await verifyForkProof(deps, scope, op) };
    case "revokeOwnDevice":
      await verifyDeviceRevocation(deps, scope, op);
      return op;
    default:
      return op;
  }
}

/** `op` as verified without looking at signatures: for ops of our own store, which were checked before they came there. */
export function trustControlOp(op: ControlOp): VerifiedOp {
  switch (op.type) {
    case "device":
      return { ...op, certified: readCertificate(op.certificate) };
    case "forkProof":
      return { ...op, forked: readForkProof(op) };
    default:
      return op;
  }
}

/**
 * Whether this version knows what `op` does to a control log. An op that it does not know may take something away, so
 * nothing that follows it can be told: it is held aside and not claimed, never ignored. [AC8]
 */
export function canReduce<Op extends ControlOp>(op: Op): op is Exclude<Op, UnknownOp> {
  return op.type !== "unknown";
}
