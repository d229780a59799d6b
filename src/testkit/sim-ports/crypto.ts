import { createPrivateKey, createPublicKey, hash, hkdfSync, sign, verify } from "node:crypto";
import type { Crypto, SignatureCheck } from "../../base/index.ts";
import { crc32 } from "../../base/index.ts";
import { latin1 } from "../sim-oracle/index.ts";

/** Told of what a device hashes and signs: all that is ever signed is seen whole, whoever stores or sends it. */
export interface CryptoTap {
  hashed(digest: Uint8Array, input: Uint8Array): void;
  signed(publicKey: Uint8Array, message: Uint8Array): void;
  /** Of every signature that it checks. */
  checked?(message: Uint8Array): void;
}

/**
 * The keys of a run. A signature is a keyed hash, and is checked with the signer's seed, which is looked up here: so
 * nobody signs for another, and checking costs a hundredth. With `isReal` it is Ed25519 instead.
 */
export class KeyRing {
  readonly isReal: boolean;
  readonly #seedsByKey = new Map<string, Uint8Array>();
  readonly #keysBySeed = new Map<string, Uint8Array>();

  constructor(isReal: boolean) {
    this.isReal = isReal;
  }

  publicKey(seed: Uint8Array): Uint8Array {
    const text = latin1(seed);
    const known = this.#keysBySeed.get(text);
    if (known !== undefined) return known;
    const key = digest(KEY_CONTEXT, seed);
    this.#keysBySeed.set(text, key);
    this.#seedsByKey.set(latin1(key), seed);
    return key;
  }

  sign(seed: Uint8Array, message: Uint8Array): Uint8Array {
    this.publicKey(seed);
    const half = digest(SIGNATURE_CONTEXT, seed, message);
    const signature = new Uint8Array(64);
    signature.set(half);
    // As long as a real one, and no byte of it may be another: what is behind follows from what is before.
    for (let i = 0; i < half.length; i++) signature[32 + i] = (half[i] as number) ^ 0xff;
    return signature;
  }

  isSigned({ publicKey, message, signature }: SignatureCheck): boolean {
    const seed = this.#seedsByKey.get(latin1(publicKey));
    if (seed === undefined || signature.length !== 64) return false;
    return latin1(this.sign(seed, message)) === latin1(signature);
  }
}

/** The `Crypto` port of a simulated device: answers at once, never by a thread. */
export function simCrypto(keys: KeyRing, tap?: CryptoTap): Crypto {
  const signer = keys.isReal ? ED25519 : keys;
  const sha256 = (bytes: Uint8Array): Uint8Array => {
    const digested = digest(bytes);
    tap?.hashed(digested, bytes);
    return digested;
  };
  return {
    sha256,
    sha256Into: (bytes, into, at) => into.set(sha256(bytes), at),
    crc32,
    publicKey: async (seed) => signer.publicKey(seed),
    async sign(seed, message) {
      tap?.signed(signer.publicKey(seed), message);
      return signer.sign(seed, message);
    },
    async verify(checks) {
      for (const { message } of checks) tap?.checked?.(message);
      return checks.map((check) => signer.isSigned(check));
    },
    async hkdf(secret, info, length) {
      return new Uint8Array(hkdfSync("sha256", secret, new Uint8Array(), info, length));
    },
  };
}

/** What stands before an Ed25519 seed in PKCS#8 and before a public key in SubjectPublicKeyInfo, RFC 8410. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** Ed25519 on this thread. */
const ED25519 = {
  publicKey(seed: Uint8Array): Uint8Array {
    const spki = createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" });
    return Uint8Array.from(spki.subarray(SPKI_PREFIX.length));
  },
  sign: (seed: Uint8Array, message: Uint8Array): Uint8Array =>
    Uint8Array.from(sign(null, message, privateKey(seed))),
  isSigned({ publicKey, message, signature }: SignatureCheck): boolean {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    try {
      const key = Buffer.concat([SPKI_PREFIX, publicKey]);
      return verify(
        null,
        message,
        createPublicKey({ key, format: "der", type: "spki" }),
        signature,
      );
    } catch {
      return false;
    }
  },
};

function privateKey(seed: Uint8Array): ReturnType<typeof createPrivateKey> {
  const key = Buffer.concat([PKCS8_PREFIX, seed]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

const KEY_CONTEXT = new TextEncoder().encode("simulated public key\n");
const SIGNATURE_CONTEXT = new TextEncoder().encode("simulated signature\n");

function digest(...parts: readonly Uint8Array[]): Uint8Array {
  const input = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  // As a text it takes half the time: no Buffer is made for it.
  const text = hash("sha256", input, "binary");
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
