/**
 * Who this device is: its key, its user's key and the user's word for it. Secrets are files of their own that only this
 * user may read, beside the store and not in it.
 */

import { DEVICE_NAME_BYTES_MAX, issueCertificate, verifyCertificate } from "../access/index.ts";
import {
  assert,
  type Clock,
  type Crypto,
  type DeviceId,
  deviceIdOf,
  fromHex,
  KEY_SIZE,
  type Random,
  toHex,
  userIdOf,
  utf8,
  fromUtf8,
  fromBase64Url,
  toBase64Url,
} from "../base/index.ts";
import type { Identity } from "../history/index.ts";
import { StoreError } from "../store/index.ts";
import { PeerError } from "./errors.ts";

/** Secret files by name, in the peer's folder or in memory. */
export interface Secrets {
  read(name: string): Promise<Uint8Array | undefined>;
  /** Durable when it resolves. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** In place of what is there: a crash leaves either. Durable when it resolves. */
  replace(name: string, bytes: Uint8Array): Promise<void>;
  /** Gives it another name, where there is one, which nothing reads. Durable when it resolves. */
  setAside(name: string): Promise<void>;
}

/** Who this device is, and the way to another user. Who holds it sees whose device it is now. */
export class OwnIdentity implements Identity {
  readonly device: Identity["device"];
  readonly deviceSeed: Uint8Array;
  readonly #crypto: Crypto;
  readonly #secrets: Secrets;
  #certified: Identity["certified"];

  constructor({ crypto }: Pick<IdentityDeps, "crypto">, secrets: Secrets, identity: Identity) {
    this.#crypto = crypto;
    this.#secrets = secrets;
    this.device = identity.device;
    this.deviceSeed = identity.deviceSeed;
    this.#certified = identity.certified;
  }

  get certified(): Identity["certified"] {
    return this.#certified;
  }

  /** The seed of our user's key, where it lies on this device. @throws {PeerError} `PEER_IDENTITY_INVALID`. */
  async userSeed(): Promise<Uint8Array | undefined> {
    const seed = await readSeed(this.#secrets, USER_KEY);
    if (seed === undefined) return undefined;
    return userIdOf(await this.#crypto.publicKey(seed)) === this.#certified.user ? seed : undefined;
  }

  /** Acts for another user from now on, by their word for this device. Our own user's key is put aside. */
  async adopt(certified: Identity["certified"]): Promise<void> {
    assert(certified.device === this.device, "a certificate of this device");
    await this.#secrets.replace(CERTIFICATE, utf8(toBase64Url(certified.bytes)));
    this.#certified = certified;
    await this.#secrets.setAside(USER_KEY);
  }
}

export interface IdentityDeps {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly clock: Clock;
}

/** The secret file of the device's key. */
export const DEVICE_KEY = "device.key";
const USER_KEY = "user.key";
const CERTIFICATE = "device.cert";
/** All that makes a device the one that it is. */
export const IDENTITY_FILES: readonly string[] = [DEVICE_KEY, USER_KEY, CERTIFICATE];

/**
 * The identity that the secrets hold, or a new one.
 *
 * @throws {PeerError} `PEER_IDENTITY_MISSING` when a store is there and its device key is not; `PEER_IDENTITY_INVALID` when a file is
 *   none of ours; {StoreError} `STORE_LOCKED` when another one makes an identity there at the same time.
 */
export async function openIdentity(
  deps: IdentityDeps,
  secrets: Secrets,
  options: { readonly name: string; readonly hasStore: boolean },
): Promise<OwnIdentity> {
  const { crypto } = deps;
  const { length } = utf8(options.name);
  if (length > DEVICE_NAME_BYTES_MAX || !options.name.isWellFormed()) {
    throw new PeerError(
      "PEER_NAME_INVALID",
      `Cannot open peer: its name has at most ${DEVICE_NAME_BYTES_MAX} bytes of UTF-8`,
    );
  }
  const known = await readSeed(secrets, DEVICE_KEY);
  if (known === undefined && options.hasStore) {
    throw new PeerError(
      "PEER_IDENTITY_MISSING",
      `Cannot open peer: its store is there, but not its key (${DEVICE_KEY}). Put it back from a backup`,
    );
  }
  const deviceSeed = known ?? (await makeSeed(deps, secrets, DEVICE_KEY));
  const device = deviceIdOf(await crypto.publicKey(deviceSeed));
  const text = await secrets.read(CERTIFICATE);
  if (text !== undefined) {
    const bytes = fromBase64Url((fromUtf8(text) ?? "").trim());
    const certified =
      bytes === undefined
        ? undefined
        : await verifyCertificate({ crypto }, bytes).catch(() => undefined);
    if (certified?.device !== device) throw invalid(CERTIFICATE);
    // Read when it is needed; where others may read it too, that is told at once.
    await secrets.read(USER_KEY);
    return new OwnIdentity(deps, secrets, { device, deviceSeed, certified });
  }
  const userSeed = (await readSeed(secrets, USER_KEY)) ?? (await makeSeed(deps, secrets, USER_KEY));
  const issued = Math.max(0, Math.floor(deps.clock.now()));
  const bytes = await issueCertificate({ crypto }, userSeed, {
    device,
    name: options.name,
    issued,
  });
  await writeNew(secrets, CERTIFICATE, utf8(toBase64Url(bytes)));
  const certified = await verifyCertificate({ crypto }, bytes);
  if (certified.user !== userIdOf(await crypto.publicKey(userSeed))) throw invalid(USER_KEY);
  return new OwnIdentity(deps, secrets, { device, deviceSeed, certified });
}

/** The device whose key the secrets hold; `undefined`: there is none. @throws {PeerError} `PEER_IDENTITY_INVALID`. */
export async function deviceOfKey(
  { crypto }: Pick<IdentityDeps, "crypto">,
  secrets: Pick<Secrets, "read">,
): Promise<DeviceId | undefined> {
  const seed = await readSeed(secrets, DEVICE_KEY);
  return seed && deviceIdOf(await crypto.publicKey(seed));
}

/** Secrets that end with the process: of a peer without a folder. */
export function memorySecrets(): Secrets {
  const files = new Map<string, Uint8Array>();
  return {
    read: (name) => Promise.resolve(files.get(name)),
    write: (name, bytes) => {
      files.set(name, bytes);
      return Promise.resolve();
    },
    replace: (name, bytes) => {
      files.set(name, bytes);
      return Promise.resolve();
    },
    setAside: (name) => {
      files.delete(name);
      return Promise.resolve();
    },
  };
}

async function makeSeed(
  { random }: IdentityDeps,
  secrets: Secrets,
  name: string,
): Promise<Uint8Array> {
  const seed = random.bytes(KEY_SIZE);
  await writeNew(secrets, name, utf8(toHex(seed)));
  return seed;
}

/** Writes a secret that was not there when we looked. Where it is there now, the folder is another peer's, which has only begun. */
async function writeNew(secrets: Secrets, name: string, bytes: Uint8Array): Promise<void> {
  try {
    await secrets.write(name, bytes);
  } catch (cause) {
    if ((await secrets.read(name)) === undefined) throw cause;
    throw new StoreError(
      "STORE_LOCKED",
      "Cannot open peer: it is being opened already, in this process or another one",
      { cause },
    );
  }
}

async function readSeed(
  secrets: Pick<Secrets, "read">,
  name: string,
): Promise<Uint8Array | undefined> {
  const text = await secrets.read(name);
  if (text === undefined) return undefined;
  const seed = fromHex((fromUtf8(text) ?? "").trim());
  if (seed?.length !== KEY_SIZE) throw invalid(name);
  return seed;
}

function invalid(name: string): PeerError {
  return new PeerError(
    "PEER_IDENTITY_INVALID",
    `Cannot open peer: ${name} is not the file that was written. Put it back from a backup`,
  );
}
