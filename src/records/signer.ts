import { type Crypto, type DeviceId, deviceOfLog, equalBytes } from "../base/index.ts";
import { CommitHeaderSchema, commitDigest, decode, logFromWire } from "../wire/index.ts";
import { SIGNATURES_KEPT } from "./limits.ts";
import { isUnsigned } from "./unsigned.ts";

interface Signed {
  readonly digest: Uint8Array;
  readonly signature: Promise<Uint8Array>;
}

/**
 * Signs commits of this device, and remembers those that it signed last: who takes a commit from the store before its signature is
 * there need not make it again.
 */
export class CommitSigner {
  readonly #crypto: Pick<Crypto, "sha256" | "sign">;
  readonly #seed: Uint8Array;
  readonly #device: DeviceId;
  /** By the beginnings of their digests, the oldest first: to look at each digest would touch as many pieces of memory. */
  readonly #last = new Map<number, Signed>();

  /** `deviceSeed`: of the device's key, 32 bytes. */
  constructor(
    crypto: Pick<Crypto, "sha256" | "sign">,
    { device, deviceSeed }: { readonly device: DeviceId; readonly deviceSeed: Uint8Array },
  ) {
    this.#crypto = crypto;
    this.#seed = deviceSeed;
    this.#device = device;
  }

  /** Whether a commit is this device's to sign: a store may have been put under another one's key. */
  isOurs(header: Uint8Array): boolean {
    const { log } = decode(CommitHeaderSchema, header);
    return log !== undefined && deviceOfLog(logFromWire(log)) === this.#device;
  }

  /** The signature of the commit of this digest, 64 bytes. */
  sign(digest: Uint8Array): Promise<Uint8Array> {
    const start = startOf(digest);
    const known = this.#last.get(start);
    if (known !== undefined && equalBytes(known.digest, digest)) return known.signature;
    const signature = this.#crypto.sign(this.#seed, digest);
    this.#last.delete(start);
    this.#last.set(start, { digest, signature });
    for (const oldest of this.#last.keys()) {
      if (this.#last.size <= SIGNATURES_KEPT) break;
      this.#last.delete(oldest);
    }
    // What failed once is tried again by who needs it next.
    signature.catch(() => {
      if (this.#last.get(start)?.signature === signature) this.#last.delete(start);
    });
    return signature;
  }

  /** That of a stored commit, which may not have it yet: of one that is not ours what it has. */
  signatureOf({
    header,
    signature,
  }: {
    readonly header: Uint8Array;
    readonly signature: Uint8Array;
  }): Uint8Array | Promise<Uint8Array> {
    if (!isUnsigned(signature) || !this.isOurs(header)) return signature;
    return this.sign(commitDigest(this.#crypto, header));
  }
}

/** The first six bytes of a digest as a number: two of our own commits hardly ever share them. */
function startOf(digest: Uint8Array): number {
  let start = 0;
  for (let i = 0; i < 6; i++) start = start * 0x100 + (digest[i] ?? 0);
  return start;
}
