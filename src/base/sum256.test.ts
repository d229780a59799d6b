import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AssertionError } from "./assert.ts";
import { fromHex, toHex } from "./bytes.ts";
import { Sum256 } from "./sum256.ts";

const MODULUS = 2n ** 256n;
const digest = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }),
  fc.constantFrom(
    new Uint8Array(32).fill(0xff),
    new Uint8Array(32),
    bytesOf(1n),
    bytesOf(2n ** 255n),
  ),
);

function bytesOf(value: bigint): Uint8Array {
  const positive = ((value % MODULUS) + MODULUS) % MODULUS;
  return fromHex(positive.toString(16).padStart(64, "0")) as Uint8Array;
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}

describe("256-bit sums", () => {
  test("[BA10] are those of whole numbers modulo 2^256", () => {
    const step = fc.tuple(digest, fc.boolean(), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const sum = Sum256.zero();
        let expected = 0n;
        for (const [bytes, isAdded, isRead] of steps) {
          if (isAdded) sum.add(bytes);
          else sum.subtract(bytes);
          expected += isAdded ? numberOf(bytes) : -numberOf(bytes);
          if (isRead) expect(toHex(sum.toBytes())).toBe(toHex(bytesOf(expected)));
        }
        expect(toHex(sum.toBytes())).toBe(toHex(bytesOf(expected)));
      }),
      { seed: 10, numRuns: 500 },
    );
  });

  test("[BA10] do not depend on order, and what is added and taken away is gone", () => {
    fc.assert(
      fc.property(fc.array(digest), fc.array(digest), (stay, go) => {
        const forth = Sum256.zero();
        const back = Sum256.zero();
        for (const bytes of [...stay, ...go]) forth.add(bytes);
        for (const bytes of go) forth.subtract(bytes);
        for (const bytes of stay.toReversed()) back.add(bytes);
        expect(forth.toBytes()).toEqual(back.toBytes());
      }),
      { seed: 100 },
    );
  });

  test("[BA10] stay exact over millions of additions", () => {
    const most = new Uint8Array(32).fill(0xff);
    const sum = Sum256.zero();
    const count = 2 ** 21 + 3;
    for (let i = 0; i < count; i++) sum.add(most);
    expect(toHex(sum.toBytes())).toBe(toHex(bytesOf(BigInt(-count))));
    for (let i = 0; i < count; i++) sum.subtract(most);
    expect(toHex(sum.toBytes())).toBe("00".repeat(32));
  });

  test("[BA10] are kept as bytes and go on from them; a copy goes its own way", () => {
    const sum = Sum256.fromBytes(bytesOf(-1n));
    const copy = sum.clone();
    copy.add(bytesOf(3n));
    expect(numberOf(copy.toBytes())).toBe(2n);
    expect(numberOf(sum.toBytes())).toBe(MODULUS - 1n);
    for (const size of [0, 31, 33])
      expect(() => Sum256.fromBytes(new Uint8Array(size))).toThrow(AssertionError);
  });
});
