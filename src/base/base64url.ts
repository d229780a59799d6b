import { base64url } from "multiformats/bases/base64";

/** Base64 with the URL alphabet and without padding (RFC 4648 §5). */
export function toBase64Url(bytes: Uint8Array): string {
  return base64url.baseEncode(bytes);
}

/** The bytes of base64url text, or `undefined` when it is none: wrong characters, padding, or bits that would be lost. */
export function fromBase64Url(text: string): Uint8Array | undefined {
  try {
    const bytes = base64url.baseDecode(text);
    return base64url.baseEncode(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
