/**
 * What the core needs from the world and never reaches for by itself. Handed in as `deps`, so that the same
 * code runs on Node.js, in a browser and in the simulator.
 */

/** Time. Nothing in the core reads another clock or sets another timer. */
export interface Clock {
  /** Wall clock in milliseconds since 1970. May jump either way and be years wrong. */
  now(): number;
  /** Milliseconds since an arbitrary start of this process's choosing. Never decreases. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds. Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/**
 * The reason with which a sleep is called off that nobody waits for any more. One for all: `abort()` without a reason makes an error
 * with a stack each time, which takes longer than all else about a short sleep.
 */
export const CALLED_OFF = new Error("Called off");

/** Chance, good enough for keys. */
export interface Random {
  /** `length` fresh random bytes. */
  bytes(length: number): Uint8Array;
}

/** One Ed25519 signature to be checked. */
export interface SignatureCheck {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/**
 * Hashing and signing by a library or the platform. `sha256` answers at once everywhere, so that merge, digests
 * and sessions stay plain functions; signatures may take a worker or WebCrypto, so they are awaited.
 */
export interface Crypto {
  /** SHA-256 of `bytes`: 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array;
  /** The same, into 32 bytes of memory that is there already: of many digests each would be an object of its own. */
  sha256Into(bytes: Uint8Array, into: Uint8Array, at: number): void;
  /** CRC-32 of `bytes`, as `crc32` of base: by the platform where it is faster, for what is large. */
  crc32(bytes: Uint8Array): number;
  /** The Ed25519 public key (32 bytes) of a 32-byte seed. */
  publicKey(seed: Uint8Array): Promise<Uint8Array>;
  /** An Ed25519 signature, 64 bytes, by the key of a 32-byte seed. */
  sign(seed: Uint8Array, message: Uint8Array): Promise<Uint8Array>;
  /** One answer per check, in order. A malformed key or signature is `false`, never an error. */
  verify(checks: readonly SignatureCheck[]): Promise<readonly boolean[]>;
  /** HKDF-SHA-256 (RFC 5869) without salt; `info` separates uses; `length` in bytes, at most 255 × 32. */
  hkdf(secret: Uint8Array, info: string, length: number): Promise<Uint8Array>;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * What the program tells its operator. `event` is a fixed dotted name (`net.peer.connected`); `fields` are plain
 * values. Never a secret, a row key or a row value.
 */
export type Logger = (
  level: LogLevel,
  event: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;
