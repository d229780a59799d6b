import { ADDRESS_SIZE, type Crypto, equalBytes } from "../base/index.ts";
import { CHUNK_BYTES_MAX } from "./limits.ts";

/** What the second `put` of an address does with its bytes. */
export type SecondPut =
  /** The bytes are the same, or do not count. */
  | "duplicate"
  /** They are older than those that are here. */
  | "stale"
  /** They take the place of those that are here. */
  | "replace";

/**
 * A scheme of addresses. One store serves several: the key of a chunk is its kind and its address. Another kind is added by
 * another of these, not by a change of the store.
 */
export interface ChunkKind {
  /** First byte of its keys on disk, for ever: 1 to 255. */
  readonly code: number;
  readonly name: string;
  /** Bytes of a chunk at most. */
  readonly bytesMax: number;
  /** Whether `address` (32 bytes) is that of `bytes`, whose length is 1 to `bytesMax`. */
  verify(crypto: Crypto, address: Uint8Array, bytes: Uint8Array): boolean;
  /**
   * The rule for a second `put` of an address: always a duplicate, without a look at what is here, or what the function says
   * of both; each was verified.
   */
  readonly secondPut: "duplicate" | ((here: Uint8Array, offered: Uint8Array) => SecondPut);
}

/** What our blobs are made of: the address is the SHA-256 of the bytes, so a second one has nothing new. [CH1] */
export const CONTENT: ChunkKind = {
  code: 1,
  name: "content",
  bytesMax: CHUNK_BYTES_MAX,
  verify: (crypto, address, bytes) => equalBytes(crypto.sha256(bytes), address),
  secondPut: "duplicate",
};

/** A chunk by its key. */
export interface ChunkName {
  readonly kind: ChunkKind;
  /** 32 bytes. */
  readonly address: Uint8Array;
}

/**
 * A chunk whose bytes were held against its address: all that a store takes. Made by `contentChunk` or `verifyChunk`, so
 * that the compiler knows who has looked. [CH2]
 */
export class VerifiedChunk implements ChunkName {
  readonly kind: ChunkKind;
  readonly address: Uint8Array;
  readonly bytes: Uint8Array;
  /** Keeps a plain object from being taken for one. */
  readonly #isVerified = true;

  private constructor({ kind, address }: ChunkName, bytes: Uint8Array) {
    this.kind = kind;
    this.address = address;
    this.bytes = bytes;
  }

  /** See `contentChunk`. */
  static content(crypto: Crypto, bytes: Uint8Array): VerifiedChunk {
    if (bytes.length === 0 || bytes.length > CHUNK_BYTES_MAX)
      throw new RangeError(`A chunk has 1 to ${CHUNK_BYTES_MAX} bytes, not ${bytes.length}`);
    return new VerifiedChunk({ kind: CONTENT, address: crypto.sha256(bytes) }, bytes);
  }

  /** See `verifyChunk`. */
  static verify(crypto: Crypto, name: ChunkName, bytes: Uint8Array): VerifiedChunk | undefined {
    const { kind, address } = name;
    if (bytes.length === 0 || bytes.length > kind.bytesMax) return undefined;
    if (address.length !== ADDRESS_SIZE || !kind.verify(crypto, address, bytes)) return undefined;
    return new VerifiedChunk(name, bytes);
  }

  /** Whether `value` was made by this class. */
  static isVerified(value: object): boolean {
    return #isVerified in value && value.#isVerified;
  }
}

/** A content chunk of our own bytes, with the address that is theirs. @throws {RangeError} unless they are 1 to 128 KiB. */
export function contentChunk(crypto: Crypto, bytes: Uint8Array): VerifiedChunk {
  return VerifiedChunk.content(crypto, bytes);
}

/** A chunk of somebody else's bytes; `undefined` when they are not those of the address, or too many or none. */
export function verifyChunk(
  crypto: Crypto,
  name: ChunkName,
  bytes: Uint8Array,
): VerifiedChunk | undefined {
  return VerifiedChunk.verify(crypto, name, bytes);
}
