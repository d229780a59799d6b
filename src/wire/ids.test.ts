import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deviceIdOf, type LogKey, logKeyOf, type ScopeId, userIdOf } from "../base/index.ts";
import { encode } from "./encode.ts";
import { create } from "@bufbuild/protobuf";
import {
  GenVectorSchema,
  LogIdSchema,
  ScopeIdSchema,
  ScopeKind,
} from "./generated/rookery/ids_pb.ts";
import {
  decodeScopeId,
  decodeVector,
  encodeScopeId,
  encodeVector,
  logFromWire,
  logToWire,
  scopeFromWire,
  scopeToWire,
  vectorFromWire,
  vectorToWire,
} from "./ids.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const name = fc
  .string({ unit: "binary", minLength: 1, maxLength: 30 })
  .filter((text) => text.isWellFormed());
const scope: fc.Arbitrary<ScopeId> = fc.record({
  database: name,
  kind: fc.constantFrom("collection", "syncgroup"),
  owner: key.map((bytes) => userIdOf(bytes)),
  name,
});
const log = fc
  .tuple(fc.constantFrom(1, 2, 3), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  .map(([n, incarnation]) =>
    logKeyOf({ device: deviceIdOf(new Uint8Array(32).fill(n)), incarnation }),
  );
const generation = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

const device = new Uint8Array(32).fill(1);
const code = (value: string): unknown => expect.objectContaining({ code: value });

describe("scopes and logs", () => {
  test("[WI14] a scope is read as it was written, and has one encoding", () => {
    fc.assert(
      fc.property(scope, (one) => {
        expect(decodeScopeId(encodeScopeId(one))).toEqual(one);
        expect(encodeScopeId(decodeScopeId(encodeScopeId(one)))).toEqual(encodeScopeId(one));
      }),
      { seed: 1 },
    );
  });

  test("[WI14] scopes that differ have different bytes", () => {
    fc.assert(
      fc.property(scope, scope, (a, b) => {
        const isSame = JSON.stringify(a) === JSON.stringify(b);
        expect(encodeScopeId(a).join() === encodeScopeId(b).join()).toBe(isSame);
      }),
      { seed: 2 },
    );
  });

  test("[WI7] a scope without a name, a key of another size and a kind of no meaning are refused", () => {
    const owner = new Uint8Array(32).fill(2);
    const whole = { database: "d", kind: ScopeKind.COLLECTION, owner, name: "n" };
    const bad = [
      [{ ...whole, database: "" }, "WIRE_MISSING"],
      [{ ...whole, name: "" }, "WIRE_MISSING"],
      [{ ...whole, owner: owner.subarray(1) }, "WIRE_MALFORMED"],
      [{ ...whole, kind: ScopeKind.UNSPECIFIED }, "WIRE_UNKNOWN_VALUE"],
    ] as const;
    for (const [message, refusal] of bad) {
      expect(() => scopeFromWire(create(ScopeIdSchema, message))).toThrow(code(refusal));
    }
    expect(scopeFromWire(create(ScopeIdSchema, whole)).kind).toBe("collection");
    expect(scopeToWire(scopeFromWire(create(ScopeIdSchema, whole)))).toEqual(
      create(ScopeIdSchema, whole),
    );
  });

  test("[WI14] a log is read as it was written", () => {
    fc.assert(
      fc.property(log, (one) => {
        expect(logFromWire(logToWire(one))).toBe(one);
      }),
      { seed: 3 },
    );
    const short = create(LogIdSchema, { device: device.subarray(1), incarnation: 1n });
    expect(() => logFromWire(short)).toThrow(code("WIRE_MALFORMED"));
  });
});

describe("generation vectors", () => {
  const entry = (
    incarnation: bigint,
    value: bigint,
  ): { log: { device: Uint8Array; incarnation: bigint }; generation: bigint } => ({
    log: { device, incarnation },
    generation: value,
  });

  test("[WI18] a vector is read as it was written, whatever the order of its map", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(log, generation), { maxLength: 12 }), (entries) => {
        const vector = new Map<LogKey, number>(entries);
        const reversed = new Map([...vector].reverse());
        expect(decodeVector(encodeVector(vector))).toEqual(vector);
        expect(encodeVector(reversed)).toEqual(encodeVector(vector));
      }),
      { seed: 4 },
    );
  });

  test("[WI18] entries at 0 are left out, and an absent vector is empty", () => {
    const one = logKeyOf({ device: deviceIdOf(device), incarnation: 1n });
    expect(encodeVector(new Map([[one, 0]]))).toEqual(new Uint8Array(0));
    expect(vectorFromWire(undefined)).toEqual(new Map());
    expect(vectorToWire(new Map()).entries).toEqual([]);
  });

  test("[WI18] entries out of order, twice the same log, and generations out of range are refused", () => {
    const bad = [
      [[entry(2n, 1n), entry(1n, 1n)], "WIRE_NOT_CANONICAL"],
      [[entry(1n, 1n), entry(1n, 2n)], "WIRE_NOT_CANONICAL"],
      [[entry(1n, 0n)], "WIRE_MISSING"],
      [[entry(1n, 2n ** 53n)], "WIRE_LIMIT"],
      [[{ generation: 1n }], "WIRE_MISSING"],
    ] as const;
    for (const [entries, refusal] of bad) {
      const message = create(GenVectorSchema, { entries: [...entries] });
      expect(() => vectorFromWire(message)).toThrow(code(refusal));
    }
    const unordered = create(GenVectorSchema, { entries: [entry(2n ** 63n, 1n), entry(1n, 1n)] });
    expect(() => decodeVector(encode(GenVectorSchema, unordered))).toThrow(
      code("WIRE_NOT_CANONICAL"),
    );
    expect(
      vectorFromWire(
        create(GenVectorSchema, { entries: [entry(1n, 1n), entry(2n ** 63n, 2n ** 53n - 1n)] }),
      ).size,
    ).toBe(2);
  });
});
