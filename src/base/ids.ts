/**
 * Who and what: devices, users, logs and scopes, each with one text form (used in memory, as map keys and for
 * people) and one byte form (used on disk and on the wire).
 */

import { base58btc } from "multiformats/bases/base58";
import { concatBytes } from "./bytes.ts";
import { NAMES_REMEMBERED_MAX } from "./limits.ts";
import type { Crypto } from "./ports.ts";
import { remembered } from "./remembered.ts";

/** Size in bytes of an Ed25519 public key, which is what devices and users are named by. */
export const KEY_SIZE = 32;

/**
 * A device, by its public key. The text form is the libp2p peer id of that key (`12D3Koo…`), so that addresses,
 * logs and the command line show one name.
 *
 * @see https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
 */
export type DeviceId = string & { readonly deviceId: unique symbol };

/**
 * A user (principal), by its public key. The text form is a `did:key` (`did:key:z6Mk…`).
 *
 * @see https://w3c-ccg.github.io/did-key-spec/
 */
export type UserId = string & { readonly userId: unique symbol };

/** Identity multihash of a libp2p Ed25519 public key message, up to the key itself. */
const PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
/** Multicodec ed25519-pub as a varint. */
const DID_KEY_PREFIX = Uint8Array.of(0xed, 0x01);
const DID_KEY_START = "did:key:";
/** Stands before the device at the end of a multiaddr. */
const DEVICE_PART = "/p2p/";

/** The device with this public key (32 bytes). */
export function deviceIdOf(publicKey: Uint8Array): DeviceId {
  return deviceOfText(textOf(publicKey));
}

/** The user with this public key (32 bytes). */
export function userIdOf(publicKey: Uint8Array): UserId {
  return userOfText(textOf(publicKey));
}

/** The 32-byte public key of a device. Several callers may get the same memory. */
export function deviceKeyOf(device: DeviceId): Uint8Array {
  const key = keyOfDevice(device);
  if (key === undefined) throw new TypeError(`Not a device id: ${device}`);
  return key;
}

/** The overlay of a device, 32 bytes: where it lies among chunk addresses. SHA-256 of its key. */
export function overlayOf(crypto: Pick<Crypto, "sha256">, device: DeviceId): Uint8Array {
  return crypto.sha256(deviceKeyOf(device));
}

/** The 32-byte public key of a user. Several callers may get the same memory. */
export function userKeyOf(user: UserId): Uint8Array {
  const key = keyOfUser(user);
  if (key === undefined) throw new TypeError(`Not a user id: ${user}`);
  return key;
}

/** `text` as a device id, or `undefined` when it is none. */
export function parseDeviceId(text: string): DeviceId | undefined {
  return keyOfDevice(text) === undefined ? undefined : (text as DeviceId);
}

/** The device that a multiaddr text ends with, or `undefined` when it ends with none. */
export function deviceInAddress(address: string): DeviceId | undefined {
  const at = address.lastIndexOf(DEVICE_PART);
  if (at < 0 || !address.startsWith("/")) return undefined;
  return parseDeviceId(address.slice(at + DEVICE_PART.length));
}

/** `text` as a user id, or `undefined` when it is none. */
export function parseUserId(text: string): UserId | undefined {
  return keyOfUser(text) === undefined ? undefined : (text as UserId);
}

/** Base58 takes the square of the length: names are asked for with each commit and record, and few of them again and again. */
const keyOfDevice = remembered(NAMES_REMEMBERED_MAX, (text: string) =>
  keyAfter(PEER_ID_PREFIX, `z${text}`),
);
const keyOfUser = remembered(NAMES_REMEMBERED_MAX, (text: string) =>
  text.startsWith(DID_KEY_START)
    ? keyAfter(DID_KEY_PREFIX, text.slice(DID_KEY_START.length))
    : undefined,
);
const deviceOfText = remembered(
  NAMES_REMEMBERED_MAX,
  (key: string) => withPrefix(PEER_ID_PREFIX, key).slice(1) as DeviceId,
);
const userOfText = remembered(
  NAMES_REMEMBERED_MAX,
  (key: string) => `${DID_KEY_START}${withPrefix(DID_KEY_PREFIX, key)}` as UserId,
);

/** A key as a text to be remembered by: a character a byte. */
function textOf(key: Uint8Array): string {
  if (key.length !== KEY_SIZE)
    throw new RangeError(`A public key has ${KEY_SIZE} bytes, not ${key.length}`);
  // Spread out, the same call takes seven times as long.
  return String.fromCharCode.apply(undefined, key as unknown as number[]);
}

function withPrefix(prefix: Uint8Array, text: string): string {
  const key = Uint8Array.from(text, (byte) => byte.charCodeAt(0));
  return base58btc.encode(concatBytes(prefix, key));
}

function keyAfter(prefix: Uint8Array, multibase: string): Uint8Array | undefined {
  // 64 characters hold every id with room; longer text is refused before the quadratic decoding.
  if (multibase.length > 64) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = base58btc.decode(multibase);
  } catch {
    return undefined;
  }
  if (bytes.length !== prefix.length + KEY_SIZE || !prefix.every((byte, i) => bytes[i] === byte))
    return undefined;
  return bytes.subarray(prefix.length);
}

/** One device's log of one database. A new incarnation begins when a store is born or found rolled back. */
export interface LogId {
  readonly device: DeviceId;
  /** 64 random bits. */
  readonly incarnation: bigint;
}

/** The text form of a `LogId`: device, a slash, 16 hexadecimal digits. */
export type LogKey = string & { readonly logKey: unique symbol };

/** The text form of a log's name. */
export function logKeyOf(log: LogId): LogKey {
  return `${log.device}/${log.incarnation.toString(16).padStart(16, "0")}` as LogKey;
}

/** The log that `logKeyOf` made this name of. Several callers may get the same object. */
export const logIdOf: (key: LogKey) => LogId = remembered(NAMES_REMEMBERED_MAX, (key) => {
  const slash = key.indexOf("/");
  return {
    device: key.slice(0, slash) as DeviceId,
    incarnation: BigInt(`0x${key.slice(slash + 1)}`),
  };
});

/** Whose log that is. */
export function deviceOfLog(key: LogKey): DeviceId {
  return key.slice(0, key.indexOf("/")) as DeviceId;
}

/** What knowledge is kept for: a collection (its rows and its access list) or a syncgroup (its metadata). */
export type ScopeKind = "collection" | "syncgroup";

export interface ScopeId {
  /** The name that all members share: the app. */
  readonly database: string;
  readonly kind: ScopeKind;
  /** Who made it; the root of its access list. */
  readonly owner: UserId;
  readonly name: string;
}

/** The text form of a `ScopeId`, for maps and logs. Injective: names are quoted as JSON. */
export type ScopeKey = string & { readonly scopeKey: unique symbol };

/** Text forms that have been made: one object names a scope again and again, in each read of a row. */
const scopeKeys = new WeakMap<ScopeId, ScopeKey>();

/** The text form of a scope's name. */
export function scopeKeyOf(scope: ScopeId): ScopeKey {
  const known = scopeKeys.get(scope);
  if (known !== undefined) return known;
  const { kind, owner, database, name } = scope;
  const key = `${kind}:${owner}:${JSON.stringify([database, name])}` as ScopeKey;
  scopeKeys.set(scope, key);
  return key;
}
