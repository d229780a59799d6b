/**
 * Invites: a ticket's secret makes a key pair. The secret never travels to the one who answers: the joiner signs with it
 * what only this stream between these two devices has.
 */

import {
  concatBytes,
  type Crypto,
  type DeviceId,
  deviceKeyOf,
  type ScopeId,
  toHex,
  type UserId,
  utf8,
} from "../base/index.ts";
import { encodeScopeId } from "../wire/index.ts";
import type { AccessState } from "./access-state.ts";
import { AccessError } from "./errors.ts";
import type { Tags } from "./tags.ts";

/** Size in bytes of a ticket's secret. */
export const INVITE_SECRET_SIZE = 32;
/** Size in bytes of the nonce that the answering device sends for each stream. */
export const INVITE_NONCE_SIZE = 32;
const SEED_SIZE = 32;
const KEY_INFO = "rookery invite key 1";
/** What the invite's key signs begins with this. */
const PROOF_CONTEXT = utf8("rookery invite 1\n");

export interface InviteDeps {
  readonly crypto: Crypto;
}

/** The Ed25519 key pair of an invite. The seed is as secret as the ticket. */
export interface InviteKeys {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** What a proof is bound to: it says nothing on another stream, to another device, or about another group. */
export interface InviteBinding {
  /** From the answering device's welcome, fresh for each stream. */
  readonly nonce: Uint8Array;
  readonly joiner: DeviceId;
  /** The answering device. */
  readonly admin: DeviceId;
  readonly group: ScopeId;
}

/** That the joiner knows the secret of the invite with this key. */
export interface InviteProof {
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
}

/** The key pair that a ticket's secret makes: the seed is HKDF-SHA-256 of it. [AC22] */
export async function createInviteKeys(
  { crypto }: InviteDeps,
  secret: Uint8Array,
): Promise<InviteKeys> {
  if (secret.length !== INVITE_SECRET_SIZE) {
    throw new RangeError(
      `An invite's secret has ${INVITE_SECRET_SIZE} bytes, not ${secret.length}`,
    );
  }
  const seed = await crypto.hkdf(secret, KEY_INFO, SEED_SIZE);
  return { seed, publicKey: await crypto.publicKey(seed) };
}

/** Proves to `admin` that `joiner` knows the secret. [AC23] */
export async function proveInvite(
  { crypto }: InviteDeps,
  { secret, ...binding }: InviteBinding & { readonly secret: Uint8Array },
): Promise<InviteProof> {
  const { seed, publicKey } = await createInviteKeys({ crypto }, secret);
  return { publicKey, signature: await crypto.sign(seed, proofMessage(binding)) };
}

/**
 * Checks a joiner's proof. That the invite exists and admits the user is another question: `checkInvite`. [AC23]
 *
 * @throws {AccessError} `ACCESS_INVITE_PROOF_INVALID`.
 */
export async function verifyInviteProof(
  { crypto }: InviteDeps,
  { publicKey, signature, ...binding }: InviteBinding & InviteProof,
): Promise<void> {
  const [valid] = await crypto.verify([{ publicKey, message: proofMessage(binding), signature }]);
  if (valid !== true) {
    throw new AccessError(
      "ACCESS_INVITE_PROOF_INVALID",
      "Cannot accept invite: not signed by its key for this stream",
    );
  }
}

/**
 * What the invite grants to `user`, by what is known here: two admins may each honour the last use. A user whom it has
 * admitted may come again without using it up, but not one who has been revoked since it was made. [AC24]
 *
 * @throws {AccessError} `ACCESS_INVITE_UNKNOWN`, `ACCESS_INVITE_EXPIRED` (by the given clock), `ACCESS_INVITE_USED_UP`,
 *   `ACCESS_INVITE_REVOKED`.
 */
export function checkInvite(
  state: AccessState,
  publicKey: Uint8Array,
  user: UserId,
  nowMs: number,
): { readonly tags: Tags } {
  const invite = state.invites.get(toHex(publicKey));
  if (invite === undefined)
    throw new AccessError("ACCESS_INVITE_UNKNOWN", "Cannot accept invite: no such invite");
  if (invite.notAfter !== undefined && nowMs > invite.notAfter) {
    throw new AccessError("ACCESS_INVITE_EXPIRED", "Cannot accept invite: its end has passed");
  }
  if (invite.uses !== 0 && invite.usedBy.size >= invite.uses && !invite.usedBy.has(user)) {
    throw new AccessError(
      "ACCESS_INVITE_USED_UP",
      "Cannot accept invite: it has admitted as many users as it may",
    );
  }
  if (!state.isMadeAfterRevocationsOf(user, toHex(publicKey))) {
    throw new AccessError(
      "ACCESS_INVITE_REVOKED",
      "Cannot accept invite: it was made before the user was revoked",
    );
  }
  return { tags: invite.tags };
}

function proofMessage({ nonce, joiner, admin, group }: InviteBinding): Uint8Array {
  // Fixed sizes before the one part that has none: no two bindings have the same bytes.
  if (nonce.length !== INVITE_NONCE_SIZE) {
    throw new RangeError(`A nonce has ${INVITE_NONCE_SIZE} bytes, not ${nonce.length}`);
  }
  return concatBytes(
    PROOF_CONTEXT,
    nonce,
    deviceKeyOf(joiner),
    deviceKeyOf(admin),
    encodeScopeId(group),
  );
}
