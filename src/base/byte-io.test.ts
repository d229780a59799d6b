import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../testkit/index.ts";
import { ByteReader, ByteWriter } from "./byte-io.ts";
import { compareBytes, fromHex, toHex } from "./bytes.ts";
import { codeOf } from "./errors.ts";
import { varintSize, writeVarint } from "./varint.ts";

function codeFrom(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return codeOf(error) ?? String(error);
  }
  return undefined;
}

const edges = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(...Array.from({ length: 53 }, (_, bit) => [2 ** bit, 2 ** bit - 1]).flat()),
);

describe("varints", () => {
  test("[BA3] are as protobuf writes them", () => {
    const written: [number, string][] = [
      [0, "00"],
      [127, "7f"],
      [128, "8001"],
      [300, "ac02"],
      [2 ** 31, "8080808008"],
      [2 ** 32, "8080808010"],
      [Number.MAX_SAFE_INTEGER, "ffffffffffffff0f"],
    ];
    for (const [value, hex] of written) {
      const out = new ByteWriter(0);
      out.varint(value);
      expect(toHex(out.finish())).toBe(hex);
    }
  });

  test("[BA3] are read back, in as many bytes as were reckoned", () => {
    fc.assert(
      fc.property(edges, (value) => {
        const bytes = new Uint8Array(10);
        const end = writeVarint(bytes, 1, value);
        expect(end - 1).toBe(varintSize(value));
        expect(new ByteReader(bytes.subarray(1, end)).varint()).toBe(value);
      }),
      { seed: 3, numRuns: 1000 },
    );
  });

  test.for<[string, string, string]>([
    ["longer than it need be", "8000", "BYTES_MALFORMED"],
    ["longer than it need be, with a value", "ac8200", "BYTES_MALFORMED"],
    ["2^53", "8080808080808010", "BYTES_MALFORMED"],
    ["of 64 bits", "ffffffffffffffffff01", "BYTES_MALFORMED"],
    ["without an end", "80808080808080808080808080", "BYTES_MALFORMED"],
    ["cut", "8080", "BYTES_TRUNCATED"],
    ["nothing", "", "BYTES_TRUNCATED"],
  ])("[BA3] are refused when one is %s", ([, hex, code]) => {
    expect(codeFrom(() => new ByteReader(fromHex(hex) as Uint8Array).varint())).toBe(code);
  });

  test("[BA3] are not written for what is no whole number from 0 to 2^53 - 1", () => {
    for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Infinity])
      expect(() => writeVarint(new Uint8Array(16), 0, value)).toThrow(RangeError);
  });
});

describe("bytes written and read", () => {
  type Step =
    | { readonly kind: "u8" | "u32" | "varint"; readonly value: number }
    | { readonly kind: "u64"; readonly value: bigint }
    | { readonly kind: "bytes"; readonly value: Uint8Array };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ kind: fc.constant("u8" as const), value: fc.nat({ max: 255 }) }),
    fc.record({ kind: fc.constant("u32" as const), value: fc.nat({ max: 0xffff_ffff }) }),
    fc.record({ kind: fc.constant("varint" as const), value: edges }),
    fc.record({
      kind: fc.constant("u64" as const),
      value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    }),
    fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 200 }) }),
  );

  test("[BA4] are the same, whatever room was reckoned with", () => {
    fc.assert(
      fc.property(fc.array(step), fc.nat({ max: 300 }), (steps, room) => {
        const out = new ByteWriter(room);
        for (const { kind, value } of steps) {
          if (kind === "u64") out.u64(value);
          else if (kind === "bytes") out.bytes(value);
          else out[kind](value);
        }
        const { length } = out;
        const bytes = out.finish();
        expect(bytes.length).toBe(length);
        // At an offset, as from a store.
        const shifted = new Uint8Array(length + 3);
        shifted.set(bytes, 3);
        const input = new ByteReader(shifted.subarray(3));
        for (const { kind, value } of steps) {
          if (kind === "bytes") expect(input.bytes(value.length)).toEqual(value);
          else expect(input[kind]()).toBe(value);
        }
        expect(input.remaining).toBe(0);
      }),
      { seed: 4 },
    );
  });

  test("[BA4] sort as their numbers do, when big-endian", () => {
    const u32 = (value: number): Uint8Array => {
      const out = new ByteWriter();
      out.u32(value);
      return out.finish();
    };
    const u64 = (value: bigint): Uint8Array => {
      const out = new ByteWriter();
      out.u64(value);
      return out.finish();
    };
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        expect(Math.sign(compareBytes(u32(a), u32(b)))).toBe(Math.sign(a - b));
        expect(Math.sign(compareBytes(u64(BigInt(a) << 30n), u64(BigInt(b) << 30n)))).toBe(
          Math.sign(a - b),
        );
      }),
      { seed: 44 },
    );
  });

  test("[BA4] that end too early are refused, by every read", () => {
    const two = new ByteReader(Uint8Array.of(1, 2));
    expect(codeFrom(() => two.u32())).toBe("BYTES_TRUNCATED");
    expect(codeFrom(() => two.u64())).toBe("BYTES_TRUNCATED");
    expect(codeFrom(() => two.bytes(3))).toBe("BYTES_TRUNCATED");
    for (const size of [-1, 0.5, Number.NaN]) expect(() => two.bytes(size)).toThrow(RangeError);
    expect([two.u8(), two.u8(), two.remaining]).toEqual([1, 2, 0]);
    expect(codeFrom(() => two.u8())).toBe("BYTES_TRUNCATED");
  });

  const seed = 20_000;
  test("[BA4] that announce more elements than they have room for are refused before any is made", () => {
    const out = new ByteWriter(16);
    out.varint(2 ** 32 - 1);
    out.bytes(new Uint8Array(64));
    expect(() => new ByteReader(out.finish()).count(1)).toThrow("they end too early");
    expect(new ByteReader(Uint8Array.of(2, 0, 0)).count(1)).toBe(2);
    expect(() => new ByteReader(Uint8Array.of(2, 0, 0)).count(2)).toThrow("end too early");
  });

  test(`[BA4] that are hostile do no more than a coded error: seed ${seed}`, () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 20_000; round++) {
      const input = new ByteReader(random.bytes(random.below(20)));
      const code = codeFrom(() => {
        while (input.remaining > 0) {
          const kind = random.pick(["u8", "u32", "u64", "varint", "bytes"] as const);
          if (kind === "bytes") input.bytes(input.varint());
          else input[kind]();
        }
      });
      if (code !== undefined) expect(code).toMatch(/^BYTES_(MALFORMED|TRUNCATED)$/);
    }
  });
});
