/** That a device knows a pairing ticket's secret, which never travels. */

import {
  concatBytes,
  type Crypto,
  type DeviceId,
  deviceKeyOf,
  KEY_SIZE,
  type UserId,
  userKeyOf,
  utf8,
} from "../base/index.ts";

/** Size in bytes of the nonce that the answering device begins a stream with. */
export const PAIR_NONCE_SIZE = 32;
const KEY_INFO = "rookery pair key 1";
const PROOF_CONTEXT = utf8("rookery pair 1\n");

/** What a proof is bound to: it says nothing on another stream, between other devices, or for another user. */
export interface PairBinding {
  readonly nonce: Uint8Array;
  /** The device that is to be the user's. */
  readonly device: DeviceId;
  /** The device that answers. */
  readonly answerer: DeviceId;
  readonly user: UserId;
}

export interface PairProof {
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
}

/** The seed of the key pair that a ticket's secret makes: HKDF-SHA-256 of it. [PR2] */
export function pairSeed(crypto: Crypto, secret: Uint8Array): Promise<Uint8Array> {
  return crypto.hkdf(secret, KEY_INFO, KEY_SIZE);
}

/** [PR2] */
export async function provePair(
  crypto: Crypto,
  secret: Uint8Array,
  binding: PairBinding,
): Promise<PairProof> {
  const seed = await pairSeed(crypto, secret);
  const publicKey = await crypto.publicKey(seed);
  return { publicKey, signature: await crypto.sign(seed, messageOf(binding)) };
}

/** Whether the proof was made for this binding by its key; whether the key is a ticket's is another question. [PR2] */
export async function isPairProof(
  crypto: Crypto,
  { publicKey, signature }: PairProof,
  binding: PairBinding,
): Promise<boolean> {
  const [isSigned] = await crypto.verify([{ publicKey, message: messageOf(binding), signature }]);
  return isSigned === true;
}

/** All parts have fixed sizes. */
function messageOf({ nonce, device, answerer, user }: PairBinding): Uint8Array {
  if (nonce.length !== PAIR_NONCE_SIZE) throw new RangeError("A nonce has 32 bytes");
  return concatBytes(
    PROOF_CONTEXT,
    nonce,
    deviceKeyOf(device),
    deviceKeyOf(answerer),
    userKeyOf(user),
  );
}
