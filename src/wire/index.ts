/**
 * Messages: everything that is sent or signed, generated from proto/, and the one way in (`decode`) and out (`encode`).
 *
 * Rules: docs/spec/wire.md.
 *
 * @module
 */

export {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
export { commitDigest } from "./commit-digest.ts";
export { decode, decodeCanonical } from "./decode.ts";
export { encode, refusalOf } from "./encode.ts";
export { WireError, type WireErrorCode } from "./errors.ts";
export { type FieldLimits, limitsOf, sizeLimitOf } from "./field-limits.ts";
export { decodeOp, encodeOp, type WireOp } from "./op.ts";
export { SCHEMAS } from "./schemas.ts";
export {
  decodeStoredCommit,
  encodeStoredCommit,
  type WireElided,
  type WireStoredCommit,
} from "./stored-commit.ts";
export {
  decodeScopeId,
  decodeVector,
  encodeScopeId,
  encodeVector,
  logFromWire,
  logToWire,
  scopeFromWire,
  scopeToWire,
  vectorFromWire,
  vectorToWire,
} from "./ids.ts";
export {
  type Certificate,
  CertificateSchema,
  type CollectionId,
  CollectionIdSchema,
  type ControlOp,
  ControlOpSchema,
  type Destroy,
  DestroySchema,
  type ForkProof,
  ForkProofSchema,
  type Grant,
  GrantSchema,
  GroupState,
  type Invite,
  InviteSchema,
  type Policy,
  PolicySchema,
  type Revoke,
  type RevokeDevice,
  RevokeDeviceSchema,
  type RevokeOwnDevice,
  RevokeOwnDeviceSchema,
  RevokeSchema,
  type SignedCertificate,
  SignedCertificateSchema,
  type Spec,
  SpecSchema,
  type Status,
  StatusSchema,
  type Ticket,
  TicketSchema,
} from "./generated/rookery/access_pb.ts";
export {
  type BlobAnswer,
  BlobAnswerSchema,
  type BlobName,
  BlobNameSchema,
  type BlobNode,
  BlobNodeSchema,
  type BlobRequest,
  BlobRequestSchema,
  type ChunkData,
  ChunkDataSchema,
  type ChunksRequest,
  ChunksRequestSchema,
  type RecipeRequest,
  RecipeRequestSchema,
} from "./generated/rookery/blobs_pb.ts";
export {
  type BlobHeld,
  BlobHeldSchema,
  type CallRequest,
  CallRequestSchema,
  type CallResponse,
  CallResponseSchema,
  DeviceType,
  type GetTime,
  GetTimeSchema,
  type HaveBlob,
  HaveBlobSchema,
  type InviteProof,
  InviteProofSchema,
  type Join,
  type Joined,
  JoinedSchema,
  JoinSchema,
  type MemberInfo,
  MemberInfoSchema,
  type Time,
  TimeSchema,
  type Welcome,
  WelcomeSchema,
} from "./generated/rookery/call_pb.ts";
export {
  type CommitHeader,
  CommitHeaderSchema,
  type Elided,
  ElidedSchema,
  type Op,
  OpSchema,
  type PartHeader,
  PartHeaderSchema,
  type StoredCommit,
  StoredCommitSchema,
} from "./generated/rookery/commit_pb.ts";
export {
  type CaughtUp,
  CaughtUpSchema,
  type CommitPart,
  CommitPartSchema,
  DeltaMode,
  type DeltaOpen,
  DeltaOpenSchema,
  type DeltaRequest,
  DeltaRequestSchema,
  type DeltaResponse,
  DeltaResponseSchema,
  type FromScratch,
  FromScratchSchema,
  type Opened,
  OpenedSchema,
  type PageEnd,
  PageEndSchema,
  type Refused,
  RefusedSchema,
  type ScopeSum,
  ScopeSumSchema,
  type ScopeVector,
  ScopeVectorSchema,
} from "./generated/rookery/deltas_pb.ts";
export {
  type GenVector,
  GenVectorSchema,
  type LogId,
  LogIdSchema,
  type ScopeId,
  ScopeIdSchema,
  ScopeKind,
  type VectorEntry,
  VectorEntrySchema,
} from "./generated/rookery/ids_pb.ts";
export {
  type PairRequest,
  PairRequestSchema,
  type PairResponse,
  PairResponseSchema,
  PairTicketSchema,
} from "./generated/rookery/pair_pb.ts";
export { type JoinedGroup, JoinedGroupSchema } from "./generated/rookery/local_pb.ts";
export {
  type Hello,
  HelloSchema,
  type PullAck,
  PullAckSchema,
  type PullDelivery,
  PullDeliverySchema,
  type PullGet,
  PullGetSchema,
  type PullOffer,
  type PullOffered,
  PullOfferedSchema,
  PullOfferSchema,
  type PullSyn,
  PullSynSchema,
  type PullWant,
  PullWantSchema,
} from "./generated/rookery/pullsync_pb.ts";
