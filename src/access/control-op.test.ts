import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf, concatBytes, deviceIdOf, logKeyOf, userIdOf } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { rejects } from "../testkit/index.ts";
import { arbitraryMessage } from "../testkit/wire/wire-arbitrary.ts";
import { rawNumber, rawSized, rawTag, rawVarint } from "../testkit/wire/wire-raw.ts";
import { ControlOpSchema, encode } from "../wire/index.ts";
import { issueCertificate } from "./certificate.ts";
import { type ControlOp, decodeControlOp, encodeControlOp } from "./control-op.ts";
import { CONTROL_OP_BYTES_MAX } from "./limits.ts";
import { canReduce, trustControlOp, verifyControlOp } from "./verified-op.ts";

const deps = { crypto: nodeCrypto() };
const key = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const user = userIdOf(key(1));
const device = deviceIdOf(key(2));
const signature = new Uint8Array(64).fill(3);
const freeze = new Map([
  [logKeyOf({ device, incarnation: 7n }), 5],
  [logKeyOf({ device, incarnation: 9n }), 1],
]);
const certificate = await issueCertificate(deps, key(9), { device, name: "phone", issued: 1 });
const spec = {
  type: "spec",
  description: "Chess",
  collections: [
    { owner: user, name: "moves" },
    { owner: user, name: "games" },
  ],
  publishPeer: device,
  rendezvous: ["/dns4/example.org/tcp/4001"],
  isPrivate: true,
} as const;

/** One op of each kind, some with all that is optional and some without. */
const OPS: readonly ControlOp[] = [
  { type: "grant", user, tags: 3, invite: key(4) },
  { type: "grant", user, tags: 1, invite: undefined },
  { type: "revoke", user, freeze },
  { type: "revoke", user, freeze: new Map() },
  { type: "device", certificate },
  { type: "revokeDevice", device, freeze },
  { type: "revokeOwnDevice", user, device, freeze, signature },
  { type: "revokeOwnDevice", user, device, freeze: new Map(), signature },
  {
    type: "forkProof",
    headerA: key(5),
    signatureA: signature,
    headerB: key(6),
    signatureB: signature,
  },
  { type: "policy", prefix: "", policy: "keepAll" },
  { type: "policy", prefix: "todo/", policy: "counter" },
  { type: "destroy" },
  spec,
  { ...spec, description: "", publishPeer: undefined, rendezvous: [], isPrivate: false },
  { type: "invite", publicKey: key(4), tags: 3, uses: 0, notAfter: undefined },
  { type: "invite", publicKey: key(4), tags: 3, uses: 12, notAfter: 0 },
  { type: "status", state: "publishPending" },
  { type: "status", state: "publishRejected" },
  { type: "status", state: "running" },
  { type: "unknown", bytes: rawSized(12, "what a later version says") },
  { type: "unknown", bytes: rawSized(5000, new Uint8Array(0)) },
];

const scope = { database: "notes", kind: "collection", owner: user, name: "games" } as const;

/** Refused as an op. */
const malformed = expect.objectContaining({ code: "ACCESS_CONTROL_MALFORMED" });

describe("encoding", () => {
  test.for(OPS)("[AC5] an op of type $type is read as it was written", (op) => {
    const bytes = encodeControlOp(op);
    expect(decodeControlOp(bytes)).toEqual(op);
    expect(encodeControlOp(decodeControlOp(bytes))).toEqual(bytes);
  });

  test("[AC5] whatever message there is: it is an op with exactly these bytes, or malformed", () => {
    let read = 0;
    fc.assert(
      fc.property(arbitraryMessage(ControlOpSchema), (message) => {
        const bytes = encode(ControlOpSchema, message);
        let op: ControlOp;
        try {
          op = decodeControlOp(bytes);
        } catch (error) {
          expect(codeOf(error)).toBe("ACCESS_CONTROL_MALFORMED");
          return;
        }
        // A device op's certificate is looked at by verifyControlOp.
        if (op.type !== "device") expect(encodeControlOp(op)).toEqual(bytes);
        read += 1;
      }),
      { seed: 2, numRuns: 1000 },
    );
    expect(read).toBeGreaterThan(300);
  });

  test("[AC5] whatever bytes there are: an op with exactly these bytes, or malformed", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...OPS),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (op, at, flip) => {
          const bytes = encodeControlOp(op).slice();
          const place = at % bytes.length;
          bytes[place] = (bytes[place] as number) ^ flip;
          try {
            const read = decodeControlOp(bytes);
            if (read.type !== "device") expect(encodeControlOp(read)).toEqual(bytes);
          } catch (error) {
            expect(codeOf(error)).toBe("ACCESS_CONTROL_MALFORMED");
          }
        },
      ),
      { seed: 3, numRuns: 2000 },
    );
  });

  test("[AC5] an op is one field and nothing else", () => {
    const destroy = encodeControlOp({ type: "destroy" });
    const status = encodeControlOp({ type: "status", state: "running" });
    const bad: readonly Uint8Array[] = [
      new Uint8Array(0),
      concatBytes(destroy, destroy),
      concatBytes(destroy, status),
      concatBytes(status, destroy),
      concatBytes(destroy, rawNumber(12, 1)),
      concatBytes(destroy, rawSized(12, "")),
      rawNumber(7, 0),
      rawNumber(12, 0),
      rawSized(0, ""),
      rawTag(7, 2),
      concatBytes(rawTag(7, 2), rawVarint(0, 2)),
      concatBytes(rawVarint(0x3a, 2), rawVarint(0)),
      concatBytes(rawTag(7, 2), rawVarint(2 ** 32)),
      concatBytes(rawVarint((1n << 35n) | 2n), rawVarint(0)),
      concatBytes(rawTag(7, 2), Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x00)),
      rawSized(7, rawNumber(1, 1)),
      concatBytes(rawSized(10, rawNumber(1, 4)), destroy),
    ];
    for (const bytes of bad) expect(() => decodeControlOp(bytes)).toThrow(malformed);
  });

  test("[AC5] cut anywhere an op is none", () => {
    for (const op of OPS) {
      const bytes = encodeControlOp(op);
      for (let size = 0; size < bytes.length; size++)
        expect(() => decodeControlOp(bytes.subarray(0, size))).toThrow(malformed);
    }
  });

  test("[AC5] what nobody could read is not written", () => {
    const bad: readonly ControlOp[] = [
      { type: "grant", user, tags: 0 },
      { type: "grant", user, tags: 16 },
      { type: "grant", user, tags: 1, invite: new Uint8Array(31) },
      { type: "policy", prefix: "", policy: "" },
      { type: "policy", prefix: "x".repeat(1025), policy: "keepAll" },
      { type: "policy", prefix: "\udc00", policy: "keepAll" },
      { type: "invite", publicKey: new Uint8Array(0), tags: 1, uses: 0 },
      { ...spec, description: "x".repeat(4097) },
      { ...spec, description: "\ud800" },
      { ...spec, rendezvous: ["\ud800"] },
      { ...spec, collections: [{ owner: user, name: "\ud800" }] },
      { ...spec, collections: [{ owner: user, name: "" }] },
      {
        ...spec,
        collections: Array.from({ length: 257 }, (_, i) => ({ owner: user, name: `${i}` })),
      },
      { ...spec, rendezvous: Array.from({ length: 17 }, () => "/ip4/127.0.0.1") },
    ];
    for (const op of bad) expect(() => encodeControlOp(op)).toThrow(malformed);
    expect(() => encodeControlOp({ type: "device", certificate: new Uint8Array(9) })).toThrow(
      expect.objectContaining({ code: "ACCESS_CERTIFICATE_INVALID" }),
    );
  });

  test("[AC5] the largest spec, of which each part is at its limit, is an op; a larger one is not", () => {
    const name = "n".repeat(1024);
    const sized = (count: number): ControlOp => ({
      ...spec,
      description: "x".repeat(4096),
      collections: Array.from({ length: count }, (_, i) => ({ owner: userIdOf(key(i)), name })),
    });
    expect(decodeControlOp(encodeControlOp(sized(57)))).toEqual(sized(57));
    expect(() => encodeControlOp(sized(58))).toThrow(malformed);
  });

  test("[AC5] a decoded op shares no memory with the bytes", () => {
    for (const op of OPS) {
      const bytes = encodeControlOp(op).slice();
      const read = decodeControlOp(bytes);
      bytes.fill(0xff);
      expect(read).toEqual(op);
    }
  });

  test("[AC6] a spec names at least one collection, each once; a freeze without logs is left out", () => {
    const [collection] = spec.collections;
    expect(() => encodeControlOp({ ...spec, collections: [] })).toThrow(malformed);
    expect(() => encodeControlOp({ ...spec, collections: [collection, collection] })).toThrow(
      malformed,
    );
    const withFreeze = rawSized(2, concatBytes(rawSized(1, key(1)), rawSized(2, "")));
    expect(() => decodeControlOp(withFreeze)).toThrow(malformed);
    expect(decodeControlOp(rawSized(2, rawSized(1, key(1))))).toEqual({
      type: "revoke",
      user,
      freeze: new Map(),
    });
  });
});

describe("later versions", () => {
  test("[AC7] a kind and a status that this version does not know keep their bytes", () => {
    const status = rawSized(10, rawNumber(1, 4));
    expect(decodeControlOp(status)).toEqual({ type: "unknown", bytes: status });
    const largest = rawSized(12, new Uint8Array(CONTROL_OP_BYTES_MAX - 4));
    expect(largest.length).toBe(CONTROL_OP_BYTES_MAX);
    expect(decodeControlOp(largest)).toEqual({ type: "unknown", bytes: largest });
    expect(() => decodeControlOp(rawSized(12, new Uint8Array(CONTROL_OP_BYTES_MAX - 3)))).toThrow(
      malformed,
    );
  });

  test("[AC8] what is not known cannot be reduced by this version, all else can", () => {
    for (const op of OPS) expect(canReduce(op)).toBe(op.type !== "unknown");
  });
});

test("[AC2] a device op is verified by its certificate, any other as it is", async () => {
  const op = decodeControlOp(encodeControlOp({ type: "device", certificate }));
  const certified = {
    user: userIdOf(await deps.crypto.publicKey(key(9))),
    device,
    name: "phone",
    issued: 1,
    notAfter: undefined,
  };
  expect(await verifyControlOp(deps, scope, op)).toEqual({
    ...op,
    certified: { ...certified, bytes: certificate },
  });
  expect(trustControlOp(op)).toEqual(await verifyControlOp(deps, scope, op));
  const forged = certificate.slice();
  forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
  await rejects(
    verifyControlOp(deps, scope, { type: "device", certificate: forged }),
    "ACCESS_CERTIFICATE_INVALID",
  );
  expect(await verifyControlOp(deps, scope, spec)).toBe(spec);
  expect(trustControlOp(spec)).toBe(spec);
});
