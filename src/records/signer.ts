import { type Crypto, type DeviceId, deviceOfLog, equalBytes } from "../base/index.ts";
import { CommitHeaderSchema, commitDigest, decode, logFromWire } from "../wire/index.ts";
import { SIGNATURES_KEPT } from "./limits.ts";
import { isUnsigned } from "./unsigned.ts";

/**
 * Signs commits of this device, and remembers those that it signed last: who takes a commit from the store before its signature is
 * there need not make it again.
 */
export class CommitSigner {
  readonly #crypto: Pick<Crypto, "sha256" | "sign">;
  readonly #seed: Uint8Array;
  readonly #device: DeviceId;
  /** The oldest first. */
  readonly #last: { readonly digest: Uint8Array; readonly signature: Promise<Uint8Array> }[] = [];

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
    const known = this.#last.findLast((one) => equalBytes(one.digest, digest));
    if (known !== undefined) return known.signature;
    const signature = this.#crypto.sign(this.#seed, digest);
    this.#last.push({ digest, signature });
    if (this.#last.length > SIGNATURES_KEPT) this.#last.shift();
    // What failed once is tried again by who needs it next.
    signature.catch(() => this.#forget(signature));
    return signature;
  }

  #forget(signature: Promise<Uint8Array>): void {
    const at = this.#last.findIndex((one) => one.signature === signature);
    if (at >= 0) this.#last.splice(at, 1);
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
