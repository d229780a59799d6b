import { describe, expect, test } from "vitest";
import { concatBytes, deviceIdOf, deviceKeyOf, userIdOf, userKeyOf, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { rejects, rejectsNamed } from "../testkit/index.ts";
import {
  CertificateSchema,
  create,
  decode,
  encode,
  limitsOf,
  type MessageInitShape,
  SignedCertificateSchema,
} from "../wire/index.ts";
import {
  type CertificateRequest,
  checkNotAfter,
  issueCertificate,
  readCertificate,
  verifyCertificate,
} from "./certificate.ts";
import { DEVICE_NAME_BYTES_MAX } from "./limits.ts";

const deps = { crypto: nodeCrypto() };
const seed = new Uint8Array(32).fill(1);
const user = userIdOf(await deps.crypto.publicKey(seed));
const device = deviceIdOf(await deps.crypto.publicKey(new Uint8Array(32).fill(2)));
const request = {
  device,
  name: "Ada's laptop",
  issued: 1_700_000_000_000,
  notAfter: 1_800_000_000_000,
};
const certificate = await issueCertificate(deps, seed, request);

describe("issuing", () => {
  test("[AC1] a certificate says what was asked, signed by the user key over its context and bytes", async () => {
    const certified = await verifyCertificate(deps, certificate);
    expect(certified).toEqual({ user, ...request, bytes: certificate });
    const signed = decode(SignedCertificateSchema, certificate);
    const message = concatBytes(utf8("rookery certificate 1\n"), signed.certificate);
    expect(
      await deps.crypto.verify([
        { publicKey: userKeyOf(user), message, signature: signed.signature },
      ]),
    ).toEqual([true]);
    expect(decode(CertificateSchema, signed.certificate)).toEqual(
      create(CertificateSchema, {
        user: userKeyOf(user),
        device: deviceKeyOf(device),
        name: request.name,
        issued: BigInt(request.issued),
        notAfter: BigInt(request.notAfter),
      }),
    );
  });

  test("[AC1] the same request has the same bytes; without end and name too", async () => {
    expect(await issueCertificate(deps, seed, request)).toEqual(certificate);
    const bare = await issueCertificate(deps, seed, { device, name: "", issued: 0 });
    expect(await verifyCertificate(deps, bare)).toEqual({
      user,
      device,
      name: "",
      issued: 0,
      notAfter: undefined,
      bytes: bare,
    });
  });

  test("[AC3] names and times have bounds, and what is exactly at them passes", async () => {
    expect(limitsOf(CertificateSchema.field.name).maxBytes).toBe(DEVICE_NAME_BYTES_MAX);
    const longest = {
      ...request,
      name: "é".repeat(DEVICE_NAME_BYTES_MAX / 2),
      issued: Number.MAX_SAFE_INTEGER,
      notAfter: 0,
    };
    const bytes = await issueCertificate(deps, seed, longest);
    expect(await verifyCertificate(deps, bytes)).toEqual({ user, ...longest, bytes });
    const bad: readonly Partial<CertificateRequest>[] = [
      { name: `${longest.name}x` },
      { name: "\ud800" },
      { issued: -1 },
      { issued: 1.5 },
      { issued: Number.MAX_SAFE_INTEGER + 1 },
      { notAfter: Number.NaN },
    ];
    for (const one of bad)
      await rejectsNamed(issueCertificate(deps, seed, { ...request, ...one }), "RangeError");
  });
});

describe("verifying", () => {
  test("[AC2] every bit that is changed is found", async () => {
    for (let bit = 0; bit < certificate.length * 8; bit++) {
      const bytes = certificate.slice();
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      await rejects(verifyCertificate(deps, bytes), "ACCESS_CERTIFICATE_INVALID");
    }
  });

  test("[AC2] cut anywhere or with a byte more, it is none", async () => {
    for (let size = 0; size < certificate.length; size++) {
      await rejects(
        verifyCertificate(deps, certificate.subarray(0, size)),
        "ACCESS_CERTIFICATE_INVALID",
      );
    }
    await rejects(
      verifyCertificate(deps, concatBytes(certificate, Uint8Array.of(0))),
      "ACCESS_CERTIFICATE_INVALID",
    );
  });

  test("[AC2] no field can be exchanged under the signature", async () => {
    const signed = decode(SignedCertificateSchema, certificate);
    const honest = decode(CertificateSchema, signed.certificate);
    const changes: readonly MessageInitShape<typeof CertificateSchema>[] = [
      { user: deviceKeyOf(device) },
      { device: userKeyOf(user) },
      { name: "Eve's laptop" },
      { issued: honest.issued + 1n },
      { notAfter: 1_900_000_000_000n },
      { notAfter: undefined },
    ];
    for (const change of changes) {
      const forged = encode(CertificateSchema, create(CertificateSchema, { ...honest, ...change }));
      const bytes = encode(
        SignedCertificateSchema,
        create(SignedCertificateSchema, { ...signed, certificate: forged }),
      );
      const error = await rejects(verifyCertificate(deps, bytes), "ACCESS_CERTIFICATE_INVALID");
      expect(error.message).toContain("not signed");
      // Unlike a reader of the own store, which takes shape only.
      expect(readCertificate(bytes).bytes).toEqual(bytes);
    }
  });

  test("[AC2] signed by another user, or without the context, it is none", async () => {
    const signed = decode(SignedCertificateSchema, certificate);
    const eve = new Uint8Array(32).fill(3);
    for (const signature of [
      await deps.crypto.sign(eve, concatBytes(utf8("rookery certificate 1\n"), signed.certificate)),
      await deps.crypto.sign(seed, signed.certificate),
      new Uint8Array(64),
    ]) {
      const bytes = encode(
        SignedCertificateSchema,
        create(SignedCertificateSchema, { ...signed, signature }),
      );
      await rejects(verifyCertificate(deps, bytes), "ACCESS_CERTIFICATE_INVALID");
    }
  });

  test("[AC2] another encoding of a signed certificate is refused, though its user signed it", async () => {
    const { certificate: inner } = decode(SignedCertificateSchema, certificate);
    // An unknown field behind the known ones, signed as it stands.
    const padded = concatBytes(inner, Uint8Array.of(0x78, 0x01));
    const signature = await deps.crypto.sign(
      seed,
      concatBytes(utf8("rookery certificate 1\n"), padded),
    );
    const bytes = encode(
      SignedCertificateSchema,
      create(SignedCertificateSchema, { certificate: padded, signature }),
    );
    await rejects(verifyCertificate(deps, bytes), "ACCESS_CERTIFICATE_INVALID");
  });

  test("[AC2] what is accepted shares no memory with the frame it came in", async () => {
    const frame = concatBytes(Uint8Array.of(1, 2, 3), certificate);
    const certified = await verifyCertificate(deps, frame.subarray(3));
    frame.fill(0);
    expect(certified.bytes).toEqual(certificate);
  });
});

test("[AC4] the end is asked by a given clock, and only where it is asked", async () => {
  const certified = await verifyCertificate(deps, certificate);
  expect(() => checkNotAfter(certified, request.notAfter)).not.toThrow();
  expect(() => checkNotAfter(certified, request.notAfter + 1)).toThrow(
    expect.objectContaining({ code: "ACCESS_CERTIFICATE_EXPIRED" }),
  );
  expect(() =>
    checkNotAfter({ ...certified, notAfter: undefined }, Number.MAX_SAFE_INTEGER),
  ).not.toThrow();
});
