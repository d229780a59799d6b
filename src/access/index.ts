/**
 * Access: who may do what in a scope, decided by signed control ops alone.
 *
 * Start at `ControlLog`: the set of control ops of one scope and the `AccessState` that it amounts to. Certificates say
 * whose a device is; invites and tickets bring in users whom nobody has named yet. Rules: docs/spec/access.md.
 *
 * @module
 */

export {
  AccessState,
  controlIdBytes,
  controlIdOf,
  type InviteState,
  type PartPlace,
} from "./access-state.ts";
export {
  type CertificateDeps,
  type CertificateRequest,
  type Certified,
  checkNotAfter,
  issueCertificate,
  readCertificate,
  verifyCertificate,
} from "./certificate.ts";
export type { ControlEntry, ControlId, Rejection } from "./control-entry.ts";
export { ControlLog, reduceControl } from "./control-log.ts";
export {
  type ControlOp,
  decodeControlOp,
  type DestroyOp,
  type DeviceOp,
  encodeControlOp,
  type ForkProofOp,
  type GrantOp,
  type GroupStatus,
  type InviteOp,
  type PolicyOp,
  type RevokeDeviceOp,
  type RevokeOp,
  type RevokeOwnDeviceOp,
  type SpecOp,
  type StatusOp,
  type UnknownOp,
} from "./control-op.ts";
export { type DeviceRevocation, signDeviceRevocation } from "./device-revocation.ts";
export { AccessError, type AccessErrorCode } from "./errors.ts";
export type { Forked } from "./fork-proof.ts";
export {
  checkInvite,
  createInviteKeys,
  INVITE_NONCE_SIZE,
  INVITE_SECRET_SIZE,
  type InviteBinding,
  type InviteDeps,
  type InviteKeys,
  type InviteProof,
  proveInvite,
  verifyInviteProof,
} from "./invite.ts";
export {
  CONTROL_PARENTS_MAX,
  DEVICE_NAME_BYTES_MAX,
  FORKS_LOG_MAX,
  SPEC_RENDEZVOUS_MAX,
} from "./limits.ts";
export type { SpecState } from "./merged-spec.ts";
export { type CollectionName, type Spec, specFromWire, specToWire } from "./spec.ts";
export { type Role, roleOfTags, Tags, tagsOfKind, tagsOfRole } from "./tags.ts";
export { formatTicket, parseTicket, type Ticket, type TicketDeps } from "./ticket.ts";
export { canReduce, trustControlOp, type VerifiedOp, verifyControlOp } from "./verified-op.ts";
