import {
  createPrivateKey,
  createPublicKey,
  hash,
  hkdf,
  type KeyObject,
  randomBytes,
  randomFillSync,
  sign,
  verify,
} from "node:crypto";
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { uptime } from "node:os";
import { crc32 } from "node:zlib";
import {
  assert,
  type Clock,
  type Crypto,
  KEY_SIZE,
  type Random,
  type SignatureCheck,
} from "../base/index.ts";
import type { Datagrams } from "../time/index.ts";
import {
  KEY_OBJECTS_MAX,
  RANDOM_DRAWN_BYTES,
  RANDOM_FEW_BYTES,
  TIMER_MS_MAX,
  VERIFY_CONCURRENT_MAX,
} from "./limits.ts";

/** The machine's clocks and timers. */
export function nodeClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    // Not the one of `node:timers/promises`: it makes an error with a stack for each sleep that is called off, as most are.
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason as Error);
        let left = ms;
        let timer: NodeJS.Timeout | undefined;
        const abort = (): void => {
          clearTimeout(timer);
          reject(signal?.reason as Error);
        };
        const wait = (): void => {
          const next = Math.min(left, TIMER_MS_MAX);
          left -= next;
          timer = setTimeout(left > 0 ? wait : end, next);
        };
        const end = (): void => {
          signal?.removeEventListener("abort", abort);
          resolve();
        };
        signal?.addEventListener("abort", abort, { once: true });
        wait();
      }),
  };
}

/** Milliseconds since the machine was started, the time that it slept included. */
export function nodeUptime(): number {
  return uptime() * 1000;
}

/**
 * The operating system's random bytes. A few are cut from more that were drawn at once, since a call takes as long as hashing
 * twenty rows; what has been handed out is not kept.
 */
export function nodeRandom(): Random {
  const drawn = new Uint8Array(RANDOM_DRAWN_BYTES);
  let used = drawn.length;
  return {
    bytes(length) {
      if (length > RANDOM_FEW_BYTES) return plain(randomBytes(length));
      if (length > drawn.length - used) {
        randomFillSync(drawn);
        used = 0;
      }
      const bytes = drawn.slice(used, used + length);
      drawn.fill(0, used, used + length);
      used += length;
      return bytes;
    },
  };
}

/** UDP by the system, a socket of its own for each question: its port is then hard to guess, and nobody else's answer arrives. */
export function nodeDatagrams(): Datagrams {
  return {
    async ask({ host, port }, request, signal) {
      signal.throwIfAborted();
      const { address, family } = await lookup(host);
      signal.throwIfAborted();
      const socket = createSocket(family === 6 ? "udp6" : "udp4");
      const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
      const abort = (): void => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      try {
        socket.once("message", (bytes) => resolve(new Uint8Array(bytes)));
        socket.once("error", reject);
        // Connected: datagrams from elsewhere are dropped, and a closed port is told.
        socket.connect(port, address, () => socket.send(request));
        return await promise;
      } finally {
        signal.removeEventListener("abort", abort);
        socket.close();
      }
    },
  };
}

/** Hashing and Ed25519 by the OpenSSL in Node.js. */
export function nodeCrypto(): Crypto {
  const publicKeys = new KeyCache((key) =>
    createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: "der", type: "spki" }),
  );
  // Few devices and users sign here, so that few secrets stay in memory.
  const privateKeys = new KeyCache((seed) =>
    createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" }),
  );
  const privateKey = (seed: Uint8Array): KeyObject => {
    assert(seed.length === KEY_SIZE, "an Ed25519 seed has 32 bytes");
    return privateKeys.get(seed);
  };

  return {
    sha256(bytes) {
      const digest = new Uint8Array(SHA256_SIZE);
      sha256Into(bytes, digest, 0);
      return digest;
    },
    sha256Into,
    crc32: (bytes) => crc32(bytes),

    async publicKey(seed) {
      const spki = createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" });
      return plain(spki.subarray(SPKI_PREFIX.length));
    },

    async sign(seed, message) {
      const key = privateKey(seed);
      // On a thread: here it would hold up the word that the disk is done, in whose time a commit is signed. [HI83]
      return new Promise((resolve, reject) => {
        sign(null, message, key, (error, signature) => {
          if (error === null) resolve(plain(signature));
          else reject(error);
        });
      });
    },

    async verify(checks) {
      // A single check is over before a thread has taken it up; many would hold up everything else.
      if (checks.length === 1) return checks.map((check) => isSignedBy(check, publicKeys));
      const answers: boolean[] = Array.from(checks, () => false);
      const rest = checks.entries();
      const work = async (): Promise<void> => {
        for (const [i, check] of rest) answers[i] = await isSignedByOnThread(check, publicKeys);
      };
      await Promise.all(Array.from({ length: VERIFY_CONCURRENT_MAX }, work));
      return answers;
    },

    hkdf(secret, info, length) {
      return new Promise((resolve, reject) => {
        hkdf("sha256", secret, NO_SALT, info, length, (error, key) => {
          if (error) reject(error);
          else resolve(new Uint8Array(key));
        });
      });
    },
  };
}

/** What stands before the 32 bytes of an Ed25519 seed in PKCS#8, RFC 8410. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
/** What stands before the 32 bytes of an Ed25519 public key in SubjectPublicKeyInfo, RFC 8410. */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const SHA256_SIZE = 32;
const SIGNATURE_SIZE = 64;
const NO_SALT = new Uint8Array(0);

function isSignedBy(
  { publicKey, message, signature }: SignatureCheck,
  publicKeys: KeyCache,
): boolean {
  if (publicKey.length !== KEY_SIZE || signature.length !== SIGNATURE_SIZE) return false;
  try {
    return verify(null, message, publicKeys.get(publicKey), signature);
  } catch {
    // OpenSSL throws on bytes that are no key: for us a signature that does not hold.
    return false;
  }
}

function isSignedByOnThread(
  { publicKey, message, signature }: SignatureCheck,
  publicKeys: KeyCache,
): Promise<boolean> {
  return new Promise((resolve) => {
    if (publicKey.length !== KEY_SIZE || signature.length !== SIGNATURE_SIZE) return resolve(false);
    try {
      verify(null, message, publicKeys.get(publicKey), signature, (error, isSigned) =>
        resolve(error === null && isSigned),
      );
    } catch {
      resolve(false);
    }
  });
}

/** Key objects by their bytes, the least recently used forgotten first. Parsing a key costs as much as half a check. */
class KeyCache {
  readonly #parse: (bytes: Uint8Array) => KeyObject;
  readonly #keysByText = new Map<string, KeyObject>();

  constructor(parse: (bytes: Uint8Array) => KeyObject) {
    this.#parse = parse;
  }

  get(bytes: Uint8Array): KeyObject {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    const known = this.#keysByText.get(text);
    const key = known ?? this.#parse(bytes);
    if (known !== undefined) this.#keysByText.delete(text);
    this.#keysByText.set(text, key);
    if (this.#keysByText.size > KEY_OBJECTS_MAX) {
      for (const oldest of this.#keysByText.keys()) {
        this.#keysByText.delete(oldest);
        break;
      }
    }
    return key;
  }
}

/** SHA-256 of `bytes`, into `into` from `at` on. It comes as a text of its bytes in a third of the time that a Buffer of its own takes. */
function sha256Into(bytes: Uint8Array, into: Uint8Array, at: number): void {
  const digest = hash("sha256", bytes, "binary");
  for (let i = 0; i < digest.length; i++) into[at + i] = digest.charCodeAt(i);
}

/** The same memory as a plain `Uint8Array`: a Buffer's `slice` shares where everyone expects a copy. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
