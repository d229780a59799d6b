/**
 * Commits of ours that are durable before they are signed. A stored commit then has zeros in place of its signature, which no key
 * makes; whoever takes one from the store gives it the signature first. [HI83]
 */

import { assert, ByteReader, equalBytes, varintSize } from "../base/index.ts";
import type { CommitSigner } from "./signer.ts";

/** What stands in place of a signature. Never written to. */
export const NO_SIGNATURE = new Uint8Array(64);

/** Field number and size, before each of a stored commit's first two fields. */
const HEADER_TAG = 0x0a;
const SIGNATURE_HEAD = 2;

/** Whether a stored commit has no signature yet. */
export function isUnsigned(signature: Uint8Array): boolean {
  // Of a signature hardly one in 256 gets further.
  return signature[0] === 0 && equalBytes(signature, NO_SIGNATURE);
}

/** Where a stored commit's signature begins, by the size of its header. */
export function placeOfSignature(headerSize: number): number {
  return 1 + varintSize(headerSize) + headerSize + SIGNATURE_HEAD;
}

/** A stored commit with its signature, in memory of its own. */
export function signedCopy(record: Uint8Array, at: number, signature: Uint8Array): Uint8Array {
  const signed = record.slice();
  signed.set(signature, at);
  return signed;
}

/** A stored commit as it is once it is signed: itself when it is, or is not ours to sign. */
export async function signedRecord(
  signer: Pick<CommitSigner, "isOurs" | "signatureOf">,
  record: Uint8Array,
): Promise<Uint8Array> {
  const header = headerOf(record);
  const at = placeOfSignature(header.length);
  const signature = record.subarray(at, at + NO_SIGNATURE.length);
  if (!isUnsigned(signature) || !signer.isOurs(header)) return record;
  return signedCopy(record, at, await signer.signatureOf({ header, signature }));
}

/** Whether a stored commit is this device's. */
export function isOurRecord(signer: Pick<CommitSigner, "isOurs">, record: Uint8Array): boolean {
  return signer.isOurs(headerOf(record));
}

function headerOf(record: Uint8Array): Uint8Array {
  const input = new ByteReader(record);
  const tag = input.u8();
  assert(tag === HEADER_TAG, "a stored commit begins with its header");
  return input.bytes(input.varint());
}
