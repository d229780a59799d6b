/**
 * A user's word that a device of theirs acts for them no longer. A device has no say about its siblings, so it is the
 * user key that speaks; and it speaks for itself, whoever hands it in.
 */

import {
  concatBytes,
  type Crypto,
  type DeviceId,
  deviceKeyOf,
  type GenVector,
  type ScopeId,
  userIdOf,
  userKeyOf,
  utf8,
} from "../base/index.ts";
import { encodeScopeId, encodeVector } from "../wire/index.ts";
import type { RevokeOwnDeviceOp } from "./control-op.ts";
import { AccessError } from "./errors.ts";

/** What the user key signs begins with this. */
const REVOCATION_CONTEXT = utf8("rookery revoke device 1\n");

/** What is said of which device, and where. */
export interface DeviceRevocation {
  /** It holds in this scope only: generations mean nothing in another. */
  readonly scope: ScopeId;
  readonly device: DeviceId;
  /** What the device wrote beyond does not count; its logs that are not named freeze at 0. */
  readonly freeze: GenVector;
}

/** A user's own revocation of a device, by the user key of `userSeed`. [AC32] */
export async function signDeviceRevocation(
  { crypto }: { readonly crypto: Crypto },
  userSeed: Uint8Array,
  revocation: DeviceRevocation,
): Promise<RevokeOwnDeviceOp> {
  const { device, freeze } = revocation;
  const user = userIdOf(await crypto.publicKey(userSeed));
  const signature = await crypto.sign(userSeed, revocationMessage(crypto, revocation));
  return { type: "revokeOwnDevice", user, device, freeze, signature };
}

/**
 * Checks that the user has said so of this scope. [AC32]
 *
 * @throws {AccessError} `ACCESS_REVOCATION_INVALID`.
 */
export async function verifyDeviceRevocation(
  { crypto }: { readonly crypto: Crypto },
  scope: ScopeId,
  { user, device, freeze, signature }: RevokeOwnDeviceOp,
): Promise<void> {
  const message = revocationMessage(crypto, { scope, device, freeze });
  const [valid] = await crypto.verify([{ publicKey: userKeyOf(user), message, signature }]);
  if (valid === true) return;
  throw new AccessError(
    "ACCESS_REVOCATION_INVALID",
    "Cannot accept revocation of a device: not signed by the user it names for this scope",
  );
}

function revocationMessage(
  crypto: Crypto,
  { scope, device, freeze }: DeviceRevocation,
): Uint8Array {
  // Fixed sizes before the one part that has none: no two revocations have the same bytes.
  return concatBytes(
    REVOCATION_CONTEXT,
    crypto.sha256(encodeScopeId(scope)),
    deviceKeyOf(device),
    encodeVector(freeze),
  );
}
