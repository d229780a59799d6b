import { describe, expect, test } from "vitest";
import { deviceIdOf, logKeyOf, type ScopeId, userIdOf } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs, twoWays } from "../testkit/golden.ts";
import { type CertificateRequest, issueCertificate, verifyCertificate } from "./certificate.ts";
import { type ControlOp, decodeControlOp, encodeControlOp } from "./control-op.ts";
import { signDeviceRevocation } from "./device-revocation.ts";
import { createInviteKeys, proveInvite, verifyInviteProof } from "./invite.ts";
import { formatTicket, parseTicket } from "./ticket.ts";

const deps = { crypto: nodeCrypto() };
const filled = (value: number, size = 32): Uint8Array => new Uint8Array(size).fill(value);

const userSeed = filled(0x51);
const user = userIdOf(await deps.crypto.publicKey(userSeed));
const device = deviceIdOf(await deps.crypto.publicKey(filled(0x52)));
const admin = deviceIdOf(await deps.crypto.publicKey(filled(0x53)));
const group: ScopeId = { database: "notes", kind: "syncgroup", owner: user, name: "club" };
const secret = filled(0x54);
const invite = await createInviteKeys(deps, secret);
const nonce = filled(0x55);
const freeze = new Map([[logKeyOf({ device, incarnation: 0x0102030405060708n }), 300]]);

const REQUESTS: readonly (readonly [string, CertificateRequest])[] = [
  ["least", { device, name: "", issued: 0 }],
  ["with end", { device, name: "Ada's Rechner – 1", issued: 1_767_225_600_000, notAfter: 0 }],
  [
    "greatest times",
    { device, name: "x", issued: Number.MAX_SAFE_INTEGER, notAfter: Number.MAX_SAFE_INTEGER },
  ],
];
const certificates = await Promise.all(
  REQUESTS.map(([, request]) => issueCertificate(deps, userSeed, request)),
);
const certificate = certificates[0] as Uint8Array;

const scope = { ...group, kind: "collection" } as const;
const revocations = await Promise.all(
  [freeze, new Map()].map((of) =>
    signDeviceRevocation(deps, userSeed, { scope, device, freeze: of }),
  ),
);

const CONTROL_OPS: readonly (readonly [string, ControlOp])[] = [
  ["grant", { type: "grant", user, tags: 3 }],
  ["grant by an invite", { type: "grant", user, tags: 7, invite: invite.publicKey }],
  ["revoke", { type: "revoke", user, freeze }],
  ["revoke at 0", { type: "revoke", user, freeze: new Map() }],
  ["device", { type: "device", certificate }],
  ["revoke of a device", { type: "revokeDevice", device, freeze }],
  ["revoke of an own device", revocations[0] as ControlOp],
  ["revoke of an own device at 0", revocations[1] as ControlOp],
  [
    "fork proof",
    {
      type: "forkProof",
      headerA: filled(1, 5),
      signatureA: filled(2, 64),
      headerB: filled(3, 6),
      signatureB: filled(4, 64),
    },
  ],
  [
    "fork proof by two parts",
    {
      type: "forkProof",
      headerA: filled(1, 5),
      signatureA: filled(2, 64),
      headerB: filled(3, 6),
      signatureB: filled(4, 64),
      parts: [
        { index: 0, root: filled(5, 32), header: filled(6, 7) },
        { index: 255, root: filled(7, 32), header: filled(8, 9) },
      ],
    },
  ],
  ["policy", { type: "policy", prefix: "trips/", policy: "last-write" }],
  ["destroy", { type: "destroy" }],
  [
    "least spec",
    {
      type: "spec",
      description: "",
      collections: [{ owner: user, name: "c" }],
      rendezvous: [],
      isPrivate: false,
    },
  ],
  [
    "spec",
    {
      type: "spec",
      description: "Bergverein",
      collections: [
        { owner: user, name: "hütte" },
        { owner: user, name: "trips" },
      ],
      publishPeer: admin,
      rendezvous: ["/ip4/192.0.2.1/tcp/4001"],
      isPrivate: true,
    },
  ],
  ["invite", { type: "invite", publicKey: invite.publicKey, tags: 3, uses: 0 }],
  [
    "invite with bounds",
    {
      type: "invite",
      publicKey: invite.publicKey,
      tags: 1,
      uses: 2 ** 32 - 1,
      notAfter: Number.MAX_SAFE_INTEGER,
    },
  ],
  ["status", { type: "status", state: "running" }],
];

const TICKETS = [
  { group, addresses: [], secret },
  {
    group,
    addresses: [`/ip4/192.0.2.1/tcp/4001/p2p/${admin}`, `/ip6/2001:db8::1/tcp/4001/p2p/${admin}`],
    secret,
  },
];

const binding = { nonce, joiner: device, admin, group };
const proof = await proveInvite(deps, { secret, ...binding });

const CASES: readonly GoldenCase[] = [
  ...REQUESTS.map(([name, request], i) => ({
    record: "certificate",
    name,
    value: { userSeed, ...request },
    output: certificates[i] as Uint8Array,
  })),
  ...CONTROL_OPS.map(([name, op]) =>
    twoWays<ControlOp, Uint8Array>("control op", name, op, encodeControlOp, decodeControlOp),
  ),
  ...TICKETS.map((ticket) =>
    twoWays(
      "ticket",
      `${ticket.addresses.length} addresses`,
      ticket,
      (it) => formatTicket(it, deps),
      (text: string) => parseTicket(text, deps),
    ),
  ),
  { record: "invite key seed", name: "of a secret", value: { secret }, output: invite.seed },
  {
    record: "invite public key",
    name: "of a secret",
    value: { secret },
    output: invite.publicKey,
  },
  {
    record: "invite proof",
    name: "signature",
    value: { secret, ...binding },
    output: proof.signature,
  },
];

describe("what access signs, keeps and hands out", () => {
  test.for(goldenPairs("access", CASES))("[FO3] $name", ({ written, committed, readAgain }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  });

  test("[FO3] the certificates and the proof of the vectors are good", async () => {
    for (const [i, [, request]] of REQUESTS.entries()) {
      const bytes = certificates[i] as Uint8Array;
      expect(await verifyCertificate(deps, bytes)).toEqual({
        user,
        notAfter: undefined,
        ...request,
        bytes,
      });
    }
    await expect(verifyInviteProof(deps, { ...proof, ...binding })).resolves.toBeUndefined();
  });
});
