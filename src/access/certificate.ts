/**
 * Certificates: a user's word that a device acts for them. The bytes travel and are kept as issued.
 */

import {
  concatBytes,
  type Crypto,
  type DeviceId,
  deviceIdOf,
  deviceKeyOf,
  type UserId,
  userIdOf,
  userKeyOf,
  utf8,
} from "../base/index.ts";
import {
  CertificateSchema,
  create,
  decodeCanonical,
  encode,
  SignedCertificateSchema,
} from "../wire/index.ts";
import { AccessError } from "./errors.ts";
import { DEVICE_NAME_BYTES_MAX } from "./limits.ts";

/** What the user key signs begins with this, so that no other signature of theirs can pass for a certificate. */
const CERTIFICATE_CONTEXT = utf8("rookery certificate 1\n");

/** A certificate whose signature has been checked. */
export interface Certified {
  readonly user: UserId;
  readonly device: DeviceId;
  /** The device's name, for people. */
  readonly name: string;
  /** Milliseconds since 1970 by the issuer's clock. Advisory: clocks lie. */
  readonly issued: number;
  /** As `issued`; absent: no end. */
  readonly notAfter?: number | undefined;
  /** The encoded SignedCertificate. */
  readonly bytes: Uint8Array;
}

/** What a user says of a device. */
export interface CertificateRequest {
  readonly device: DeviceId;
  /** For people; at most `DEVICE_NAME_BYTES_MAX` bytes. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly issued: number;
  /** Milliseconds since 1970; absent: no end. */
  readonly notAfter?: number | undefined;
}

export interface CertificateDeps {
  readonly crypto: Crypto;
}

/**
 * A certificate for a device by the user of `userSeed`, encoded. The same request has the same bytes. [AC1] [AC3]
 *
 * @throws {RangeError} for a name that is too long or not well-formed, or a time that is not a count of milliseconds.
 */
export async function issueCertificate(
  { crypto }: CertificateDeps,
  userSeed: Uint8Array,
  request: CertificateRequest,
): Promise<Uint8Array> {
  if (!request.name.isWellFormed() || utf8(request.name).length > DEVICE_NAME_BYTES_MAX) {
    throw new RangeError(`A device's name is text of at most ${DEVICE_NAME_BYTES_MAX} bytes`);
  }
  const user = await crypto.publicKey(userSeed);
  const certificate = encode(
    CertificateSchema,
    create(CertificateSchema, {
      user,
      device: deviceKeyOf(request.device),
      name: request.name,
      issued: milliseconds(request.issued),
      ...(request.notAfter === undefined ? {} : { notAfter: milliseconds(request.notAfter) }),
    }),
  );
  const signature = await crypto.sign(userSeed, concatBytes(CERTIFICATE_CONTEXT, certificate));
  return encode(
    SignedCertificateSchema,
    create(SignedCertificateSchema, { certificate, signature }),
  );
}

/**
 * The certificate that `bytes` encode, its signature checked. Time is not looked at: see `checkNotAfter`. [AC2]
 *
 * @throws {AccessError} `ACCESS_CERTIFICATE_INVALID` for bytes that are not exactly one certificate in its canonical
 *   encoding, or not signed by the user it names.
 */
export async function verifyCertificate(
  { crypto }: CertificateDeps,
  bytes: Uint8Array,
): Promise<Certified> {
  const { certified, certificate, signature } = parse(bytes);
  const publicKey = userKeyOf(certified.user);
  const message = concatBytes(CERTIFICATE_CONTEXT, certificate);
  const [valid] = await crypto.verify([{ publicKey, message, signature }]);
  if (valid !== true) {
    throw new AccessError(
      "ACCESS_CERTIFICATE_INVALID",
      "Cannot accept certificate: not signed by the user it names",
    );
  }
  return certified;
}

/**
 * The certificate that `bytes` encode, its signature *not* checked: for bytes of our own store, which were checked
 * before they came there.
 *
 * @throws {AccessError} `ACCESS_CERTIFICATE_INVALID` as `verifyCertificate`, but for the signature.
 */
export function readCertificate(bytes: Uint8Array): Certified {
  return parse(bytes).certified;
}

/**
 * Refuses a certificate whose end has passed by the given clock. Advisory, for those who hand out access anew: nothing
 * that is reduced from control ops depends on it, since clocks differ. [AC4]
 *
 * @throws {AccessError} `ACCESS_CERTIFICATE_EXPIRED`.
 */
export function checkNotAfter(certified: Certified, nowMs: number): void {
  if (certified.notAfter !== undefined && nowMs > certified.notAfter) {
    throw new AccessError(
      "ACCESS_CERTIFICATE_EXPIRED",
      "Cannot accept certificate: its end has passed",
    );
  }
}

interface Parsed {
  readonly certified: Certified;
  /** What the signature covers, after the context. */
  readonly certificate: Uint8Array;
  readonly signature: Uint8Array;
}

function parse(bytes: Uint8Array): Parsed {
  try {
    // A copy of our own: what is decoded points into the bytes, and those are often a part of a whole frame.
    const own = bytes.slice();
    const { certificate, signature } = decodeCanonical(SignedCertificateSchema, own);
    const { user, device, name, issued, notAfter } = decodeCanonical(
      CertificateSchema,
      certificate,
    );
    const certified = {
      user: userIdOf(user),
      device: deviceIdOf(device),
      name,
      issued: Number(issued),
      notAfter: notAfter === undefined ? undefined : Number(notAfter),
      bytes: own,
    };
    return { certified, certificate, signature };
  } catch (cause) {
    throw new AccessError(
      "ACCESS_CERTIFICATE_INVALID",
      "Cannot read certificate: it is malformed or over a limit",
      {
        cause,
      },
    );
  }
}

function milliseconds(time: number): bigint {
  if (!Number.isSafeInteger(time) || time < 0)
    throw new RangeError("A time is a whole number of milliseconds since 1970");
  return BigInt(time);
}
