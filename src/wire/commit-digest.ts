import { type Crypto, utf8 } from "../base/index.ts";

/** What a device signs for a commit begins with this, so that no other signature of its can pass for one. */
const COMMIT_CONTEXT = utf8("rookery commit 1\n");

/** The digest of a commit by its header's bytes: what the device signs and what the next commit names. */
export function commitDigest(crypto: Pick<Crypto, "sha256">, header: Uint8Array): Uint8Array {
  const input = new Uint8Array(COMMIT_CONTEXT.length + header.length);
  input.set(COMMIT_CONTEXT);
  input.set(header, COMMIT_CONTEXT.length);
  return crypto.sha256(input);
}

/** The digest of a part: its header and the root over its ops. */
export function partDigest(
  crypto: Pick<Crypto, "sha256">,
  header: Uint8Array,
  root: Uint8Array,
): Uint8Array {
  const input = new Uint8Array(1 + root.length + header.length);
  input[0] = 2;
  input.set(root, 1);
  input.set(header, 1 + root.length);
  return crypto.sha256(input);
}
