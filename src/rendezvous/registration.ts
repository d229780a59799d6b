/** What a device says of where it is, signed so that a rendezvous can only pass it on; and the token that it lies under. */

import { type ControlId, controlIdBytes } from "../access/index.ts";
import {
  concatBytes,
  type Crypto,
  type DeviceId,
  deviceIdOf,
  deviceKeyOf,
  equalBytes,
  deviceInAddress,
  utf8,
} from "../base/index.ts";
import {
  create,
  decodeCanonical,
  encode,
  type MessageInitShape,
  RegistrationSchema,
  type RendezvousRequestSchema,
} from "../wire/index.ts";
import { RendezvousError } from "./errors.ts";

/** Where a device is, for who asks by the token. */
export interface Registration {
  /** 32 bytes. */
  readonly token: Uint8Array;
  readonly device: DeviceId;
  /** Multiaddr texts, each ending in the device. */
  readonly addresses: readonly string[];
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** A registration as it travels: its bytes, and 64 of signature. */
export interface SignedBytes {
  readonly registration: Uint8Array;
  readonly signature: Uint8Array;
}

export type RequestInit = NonNullable<MessageInitShape<typeof RendezvousRequestSchema>["request"]>;

const TOKEN_CONTEXT = utf8("rookery rendezvous token 1\n");
const SIGNED_CONTEXT = utf8("rookery rendezvous registration 1\n");

/**
 * What a syncgroup's registrations lie under at one rendezvous: 32 bytes that say nothing of the group, another at each rendezvous. Who has not been sent
 * the group's control log cannot know it. [RV1]
 */
export function tokenOf(
  crypto: Pick<Crypto, "sha256">,
  founding: ControlId,
  rendezvous: DeviceId,
): Uint8Array {
  return crypto.sha256(
    concatBytes(TOKEN_CONTEXT, deviceKeyOf(rendezvous), controlIdBytes(founding)),
  );
}

/** [RV2] */
export async function signRegistration(
  crypto: Crypto,
  deviceSeed: Uint8Array,
  { token, device, addresses, expires }: Registration,
): Promise<SignedBytes> {
  const fields = {
    token,
    device: deviceKeyOf(device),
    addresses: [...addresses],
    expires: BigInt(expires),
  };
  const registration = encode(RegistrationSchema, create(RegistrationSchema, fields));
  const signature = await crypto.sign(deviceSeed, concatBytes(SIGNED_CONTEXT, registration));
  return { registration, signature };
}

/**
 * What was signed, for what lies under `token`. [RV2]
 *
 * @throws {RendezvousError} `RENDEZVOUS_PROTOCOL` when its signature is not its device's, it is for another token, or an address is another device's; {WireError}.
 */
export async function readRegistration(
  crypto: Crypto,
  { registration, signature }: SignedBytes,
  token?: Uint8Array,
): Promise<Registration> {
  const message = decodeCanonical(RegistrationSchema, registration);
  const { addresses } = message;
  const publicKey = message.device;
  const [isSigned] = await crypto.verify([
    { publicKey, message: concatBytes(SIGNED_CONTEXT, registration), signature },
  ]);
  if (isSigned !== true) throw broken("its device has not signed it");
  const device = deviceIdOf(publicKey);
  if (token !== undefined && !equalBytes(token, message.token))
    throw broken("it is for another token");
  if (!addresses.every((address) => deviceInAddress(address) === device))
    throw broken("it holds an address of another device");
  return { token: message.token, device, addresses, expires: Number(message.expires) };
}

function broken(why: string): RendezvousError {
  return new RendezvousError("RENDEZVOUS_PROTOCOL", `Cannot use registration: ${why}`);
}
