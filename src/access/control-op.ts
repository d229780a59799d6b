/**
 * Control ops: the changes to who may do what, and to what a syncgroup is. Typed form here, bytes in a commit.
 */

import {
  type DeviceId,
  deviceIdOf,
  deviceKeyOf,
  type GenVector,
  type UserId,
  userIdOf,
  userKeyOf,
} from "../base/index.ts";
import {
  ControlOpSchema,
  create,
  decodeCanonical,
  encode,
  type ForkProof,
  type ForkedPart as WireForkedPart,
  GroupState,
  type MessageInitShape,
  type MessageShape,
  refusalOf,
  SignedCertificateSchema,
  vectorFromWire,
  vectorToWire,
  WireError,
} from "../wire/index.ts";
import { readCertificate } from "./certificate.ts";
import { AccessError } from "./errors.ts";
import { CONTROL_OP_BYTES_MAX } from "./limits.ts";
import { specFromWire, specToWire } from "./spec.ts";
import type { Spec } from "./spec.ts";
import type { Tags } from "./tags.ts";

/** How far a syncgroup is on its way to the peer it is published at. */
export type GroupStatus = "publishPending" | "publishRejected" | "running";

/** Gives `tags` to `user`. `invite` is the public key of the invite that it answers, if it does. */
export interface GrantOp {
  readonly type: "grant";
  readonly user: UserId;
  readonly tags: Tags;
  readonly invite?: Uint8Array | undefined;
}

/** Takes away what was granted to `user`. Their ops after the freeze do not count; logs not named freeze at 0. */
export interface RevokeOp {
  readonly type: "revoke";
  readonly user: UserId;
  readonly freeze: GenVector;
}

/** Says whose a device is. `certificate` is an encoded SignedCertificate, not yet checked. */
export interface DeviceOp {
  readonly type: "device";
  readonly certificate: Uint8Array;
}

/** Takes a device out that is not the issuer's user's, as `RevokeOp` does a user. */
export interface RevokeDeviceOp {
  readonly type: "revokeDevice";
  readonly device: DeviceId;
  readonly freeze: GenVector;
}

/** A user takes out a device of theirs: made by `signDeviceRevocation`. */
export interface RevokeOwnDeviceOp {
  readonly type: "revokeOwnDevice";
  readonly user: UserId;
  readonly device: DeviceId;
  readonly freeze: GenVector;
  /** 64 bytes, by the user's key. */
  readonly signature: Uint8Array;
}

/** A part of a commit, by what its digest is made of. */
export interface ForkedPart {
  /** Its place among the parts of its commit. */
  readonly index: number;
  /** Of the tree over its ops, 32 bytes. */
  readonly root: Uint8Array;
  readonly header: Uint8Array;
}

/** Two commits of one log of which neither follows on the other. */
export interface ForkProofOp {
  readonly type: "forkProof";
  readonly headerA: Uint8Array;
  readonly signatureA: Uint8Array;
  readonly headerB: Uint8Array;
  readonly signatureB: Uint8Array;
  /** Where the commits stand under different generations, the lesser one first: what shows that the second passes over the first. */
  readonly parts?: readonly [a: ForkedPart, b: ForkedPart] | undefined;
}

/** How conflicts of rows whose key begins with `prefix` are resolved. */
export interface PolicyOp {
  readonly type: "policy";
  readonly prefix: string;
  readonly policy: string;
}

export interface DestroyOp {
  readonly type: "destroy";
}

/** What a syncgroup is, from now on. */
export interface SpecOp extends Spec {
  readonly type: "spec";
}

/** Admits users who prove that they know the ticket's secret. */
export interface InviteOp {
  readonly type: "invite";
  /** Made from the secret: `createInviteKeys`. */
  readonly publicKey: Uint8Array;
  /** What an admitted user is granted, as a role means it in a collection. */
  readonly tags: Tags;
  /** Users that it admits; 0: no bound. */
  readonly uses: number;
  /** Milliseconds since 1970 by the answering admin's clock; absent: no end. */
  readonly notAfter?: number | undefined;
}

export interface StatusOp {
  readonly type: "status";
  readonly state: GroupStatus;
}

/** An op of a later version. It is carried as it came. */
export interface UnknownOp {
  readonly type: "unknown";
  /** The whole encoded op. */
  readonly bytes: Uint8Array;
}

export type ControlOp =
  | GrantOp
  | RevokeOp
  | DeviceOp
  | RevokeDeviceOp
  | RevokeOwnDeviceOp
  | ForkProofOp
  | PolicyOp
  | DestroyOp
  | SpecOp
  | InviteOp
  | StatusOp
  | UnknownOp;

/**
 * The canonical bytes of a control op. [AC5]
 *
 * @throws {AccessError} `ACCESS_CONTROL_MALFORMED` when nobody could read it: over a limit, text that is not
 *   well-formed, a spec without collections.
 */
export function encodeControlOp(op: ControlOp): Uint8Array {
  if (op.type === "unknown") return op.bytes.slice();
  if (op.type === "device") readCertificate(op.certificate);
  const message = create(ControlOpSchema, toWire(op));
  const refusal = refusalOf(ControlOpSchema, message);
  if (refusal !== undefined) throw malformed(refusal);
  const bytes = encode(ControlOpSchema, message);
  // What nobody can read would stay in everyone's log for ever, so it is read before it is signed.
  decodeControlOp(bytes);
  return bytes;
}

/**
 * The control op that `bytes` encode; of type `unknown` when a later version made it. It shares no memory with `bytes`.
 * A device op's certificate is not checked yet: see `verifyControlOp`. [AC5] [AC7]
 *
 * @throws {AccessError} `ACCESS_CONTROL_MALFORMED` for bytes that are not exactly one op in its canonical encoding.
 */
export function decodeControlOp(bytes: Uint8Array): ControlOp {
  const field = onlyFieldOf(bytes);
  if (field === undefined) throw malformed(undefined);
  if (field > KNOWN_FIELD_MAX) return { type: "unknown", bytes: bytes.slice() };
  try {
    // Copied, since what is decoded points into the bytes, and those are often a part of a whole frame.
    return fromWire(decodeCanonical(ControlOpSchema, bytes.slice()).op);
  } catch (cause) {
    if (cause instanceof WireError && cause.code === "WIRE_UNKNOWN_VALUE")
      return { type: "unknown", bytes: bytes.slice() };
    if (cause instanceof AccessError) throw cause;
    throw malformed(cause);
  }
}

type WireOp = MessageShape<typeof ControlOpSchema>["op"];

function toWire(op: Exclude<ControlOp, UnknownOp>): MessageInitShape<typeof ControlOpSchema> {
  switch (op.type) {
    case "grant":
      return {
        op: {
          case: "grant",
          value: {
            user: userKeyOf(op.user),
            tags: op.tags,
            ...(op.invite && { invite: op.invite }),
          },
        },
      };
    case "revoke":
      return {
        op: {
          case: "revoke",
          value: { user: userKeyOf(op.user), ...freezeToWire(op.freeze) },
        },
      };
    case "device":
      return {
        op: { case: "device", value: decodeCanonical(SignedCertificateSchema, op.certificate) },
      };
    case "revokeDevice":
      return {
        op: {
          case: "revokeDevice",
          value: { device: deviceKeyOf(op.device), ...freezeToWire(op.freeze) },
        },
      };
    case "revokeOwnDevice": {
      const { user, device, freeze, signature } = op;
      const value = { user: userKeyOf(user), device: deviceKeyOf(device), signature };
      return { op: { case: "revokeOwnDevice", value: { ...value, ...freezeToWire(freeze) } } };
    }
    case "forkProof": {
      const { headerA, signatureA, headerB, signatureB, parts } = op;
      const value = { headerA, signatureA, headerB, signatureB };
      const [partA, partB] = (parts ?? []).map(({ index, root, header }) => {
        return { index, root, part: header };
      });
      const ofParts = partA && partB && { partA, partB };
      return { op: { case: "forkProof", value: { ...value, ...ofParts } } };
    }
    case "policy":
      return {
        op: {
          case: "policy",
          value: { prefix: wellFormed(op.prefix), policy: wellFormed(op.policy) },
        },
      };
    case "destroy":
      return { op: { case: "destroy", value: {} } };
    case "spec":
      return { op: { case: "spec", value: specToWire(op) } };
    case "invite": {
      const { publicKey, tags, uses, notAfter } = op;
      const end = notAfter === undefined ? {} : { notAfter: BigInt(notAfter) };
      return { op: { case: "invite", value: { publicKey, tags, uses, ...end } } };
    }
    case "status":
      return { op: { case: "status", value: { state: WIRE_STATES[op.state] } } };
  }
}

function fromWire(op: WireOp): ControlOp {
  switch (op.case) {
    case "grant": {
      const { user, tags, invite } = op.value;
      return {
        type: "grant",
        user: userIdOf(user),
        tags,
        invite: invite.length === 0 ? undefined : invite,
      };
    }
    case "revoke":
      return {
        type: "revoke",
        user: userIdOf(op.value.user),
        freeze: freezeFromWire(op.value.freeze),
      };
    case "device":
      return { type: "device", certificate: encode(SignedCertificateSchema, op.value) };
    case "revokeDevice":
      return {
        type: "revokeDevice",
        device: deviceIdOf(op.value.device),
        freeze: freezeFromWire(op.value.freeze),
      };
    case "revokeOwnDevice": {
      const { user, device, freeze, signature } = op.value;
      return {
        type: "revokeOwnDevice",
        user: userIdOf(user),
        device: deviceIdOf(device),
        freeze: freezeFromWire(freeze),
        signature,
      };
    }
    case "forkProof":
      return forkProofFromWire(op.value);
    case "policy":
      return { type: "policy", prefix: op.value.prefix, policy: op.value.policy };
    case "destroy":
      return { type: "destroy" };
    case "spec":
      return { type: "spec", ...specFromWire(op.value) };
    case "invite": {
      const { publicKey, tags, uses, notAfter } = op.value;
      return {
        type: "invite",
        publicKey,
        tags,
        uses,
        notAfter: notAfter === undefined ? undefined : Number(notAfter),
      };
    }
    case "status": {
      const state = STATES.get(op.value.state);
      if (state === undefined) throw new RangeError("A state that decodes has a name");
      return { type: "status", state };
    }
    case undefined:
      throw new RangeError("A control op has one kind");
  }
}

const WIRE_STATES = {
  publishPending: GroupState.PUBLISH_PENDING,
  publishRejected: GroupState.PUBLISH_REJECTED,
  running: GroupState.RUNNING,
} as const satisfies Record<GroupStatus, GroupState>;

const STATES: ReadonlyMap<GroupState, GroupStatus> = new Map([
  [GroupState.PUBLISH_PENDING, "publishPending"],
  [GroupState.PUBLISH_REJECTED, "publishRejected"],
  [GroupState.RUNNING, "running"],
]);

/** Kinds that this version knows are fields 1 to this of the message ControlOp. */
const KNOWN_FIELD_MAX = 11;
/** Wire type of a field with a size in front. */
const WIRE_SIZED = 2;

/** The number of the one field that `bytes` are: whatever a control op is about, it is one message in one field. */
function onlyFieldOf(bytes: Uint8Array): number | undefined {
  if (bytes.length > CONTROL_OP_BYTES_MAX) return undefined;
  const tag = readVarint(bytes, 0);
  if (tag === undefined || tag.value % 8 !== WIRE_SIZED || tag.value < 8) return undefined;
  const size = readVarint(bytes, tag.end);
  return size !== undefined && size.end + size.value === bytes.length ? tag.value >>> 3 : undefined;
}

/** A 32-bit varint in its shortest form at `at`, and where it ends. */
function readVarint(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80)
      return value > 0xffff_ffff || (byte === 0 && i > 0) ? undefined : { value, end: at + i + 1 };
  }
  return undefined;
}

/** No logs at all have one encoding: none. */
function freezeToWire(freeze: GenVector): { freeze?: ReturnType<typeof vectorToWire> } {
  const message = vectorToWire(freeze);
  return message.entries.length === 0 ? {} : { freeze: message };
}

function freezeFromWire(freeze: Parameters<typeof vectorFromWire>[0]): GenVector {
  if (freeze?.entries.length === 0) throw new RangeError("A freeze without logs is left out");
  return vectorFromWire(freeze);
}

function wellFormed(text: string): string {
  if (!text.isWellFormed())
    throw malformed(new RangeError("Text with a lone surrogate has no UTF-8"));
  return text;
}

function malformed(cause: unknown): AccessError {
  return new AccessError(
    "ACCESS_CONTROL_MALFORMED",
    "Cannot accept control op: it is malformed or over a limit",
    { cause },
  );
}

function forkProofFromWire(proof: ForkProof): ForkProofOp {
  const { headerA, signatureA, headerB, signatureB, partA, partB } = proof;
  const op = { type: "forkProof", headerA, signatureA, headerB, signatureB } as const;
  if (partA === undefined && partB === undefined) return op;
  if (partA === undefined || partB === undefined)
    throw new AccessError(
      "ACCESS_CONTROL_MALFORMED",
      "Cannot read control op: a proof of a fork has one part of two",
    );
  return { ...op, parts: [forkedPart(partA), forkedPart(partB)] };
}
function forkedPart({ index, root, part }: WireForkedPart): ForkedPart {
  return { index, root, header: part };
}
