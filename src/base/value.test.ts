import { decode as decodeCbor, Tagged } from "cborg";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryValue, isSameValue, nestedValue } from "../testkit/value-arbitrary.ts";
import { BlobRef } from "./blob-ref.ts";
import { fromHex, toHex, utf8 } from "./bytes.ts";
import { codeOf } from "./errors.ts";
import { VALUE_DEPTH_MAX, VALUE_NODES_MAX } from "./limits.ts";
import { Mergeable } from "./mergeable.ts";
import type { Value } from "./value.ts";
import { decodeValue } from "./value-decode.ts";
import { encodeValue, equalValues } from "./value-encode.ts";
import { fromJson, toJson } from "./value-json.ts";
import { checkValue } from "./value-walk.ts";

const ROOT = Uint8Array.from({ length: 32 }, (_, i) => i);
const REF = new BlobRef({ root: ROOT, size: 5, depth: 0, chunker: 1 });
const MIB = 1024 * 1024;

function shuffledKeys(value: Value): Value {
  if (Array.isArray(value)) return (value as readonly Value[]).map(shuffledKeys);
  if (typeof value !== "object" || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries: [string, Value][] = Object.entries(value);
  return Object.fromEntries(entries.toReversed().map(([name, one]) => [name, shuffledKeys(one)]));
}

function codeFrom(value: unknown): string | undefined {
  try {
    encodeValue(value);
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
}

describe("row values", () => {
  test("[VA1] come back type for type, and the guard lets them through", () => {
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        const bytes = encodeValue(value);
        expect(isSameValue(decodeValue(bytes), value)).toBe(true);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  test.for<[string, Value]>([
    ["-0", -0],
    ["NaN", Number.NaN],
    ["Infinity", Infinity],
    ["-Infinity", -Infinity],
    ["the greatest whole number", Number.MAX_SAFE_INTEGER],
    ["the least whole number", Number.MIN_SAFE_INTEGER],
    ["2^53", 2 ** 53],
    ["-2^53", -(2 ** 53)],
    ["the least positive number", Number.MIN_VALUE],
    ["the greatest number", Number.MAX_VALUE],
    ["0n", 0n],
    ["-1n", -1n],
    ["2^64 as bigint", 2n ** 64n],
    ["a text that begins with U+FEFF", "\u{feff}text"],
    ["a long text that begins with U+FEFF", `\u{feff}${"text".repeat(20)}`],
    ["NUL", "\0"],
    ["a text of 160 characters", "é".repeat(160)],
    ["a text whose bytes need a longer head", "é".repeat(240)],
    ["the first date", new Date(-8.64e15)],
    ["the last date", new Date(8.64e15)],
    ["a date just before 1970", new Date(-1)],
  ])("[VA1] include %s", ([, value]) => {
    expect(isSameValue(decodeValue(encodeValue(value)), value)).toBe(true);
  });

  test("[VA1] keep 42 and 42n apart, and 0 and -0", () => {
    expect(decodeValue(encodeValue(42))).toBe(42);
    expect(decodeValue(encodeValue(42n))).toBe(42n);
    expect(decodeValue(encodeValue(0))).toBe(0);
    expect(decodeValue(encodeValue(-0))).toBe(-0);
  });

  test("[VA1] have __proto__ as a key like any other", () => {
    const value = JSON.parse('{"__proto__":{"admin":true},"a":1}') as Value;
    const back = decodeValue(encodeValue(value)) as Record<string, Value>;
    expect(Object.keys(back).toSorted()).toEqual(["__proto__", "a"]);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(back["admin"]).toBeUndefined();
  });

  test("[VA1] are copies: neither side sees later changes of the other", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const encoded = encodeValue({ bytes, ref: REF });
    const before = encoded.slice();
    bytes[0] = 9;
    const back = decodeValue(encoded) as { bytes: Uint8Array };
    encoded.fill(0);
    expect(back.bytes).toEqual(Uint8Array.of(1, 2, 3));
    expect(encodeValue(decodeValue(before))).toEqual(before);
  });

  test("[VA1] take any Uint8Array, and objects without a prototype", () => {
    expect(decodeValue(encodeValue(Buffer.from("abc")))).toEqual(utf8("abc"));
    const bare = Object.assign(Object.create(null) as Record<string, Value>, { a: 1 });
    expect(decodeValue(encodeValue(bare))).toEqual({ a: 1 });
    const view = new Uint8Array(new ArrayBuffer(10), 3, 2);
    expect(encodeValue(view)).toEqual(Uint8Array.of(0x42, 0, 0));
  });
});

describe("what is no row value", () => {
  class Point {
    x = 1;
  }
  const cycle: unknown[] = [1];
  cycle.push({ again: cycle });
  const sparse = [1, 2];
  sparse[3] = 4;
  const hidden = Object.defineProperty({ a: 1 }, "b", { value: 2, enumerable: false });
  const accessor = Object.defineProperty({}, "a", { get: () => 1, enumerable: true });

  test.for<[string, unknown]>([
    ["undefined", undefined],
    ["a function", () => 1],
    ["a symbol", Symbol("s")],
    ["undefined within an object", { a: undefined }],
    ["undefined within an array", [undefined]],
    ["an instance of a class", new Point()],
    ["an instance of a class of arrays", new (class extends Array<number> {})()],
    ["a Map", new Map()],
    ["an ArrayBuffer", new ArrayBuffer(4)],
    ["another typed array", new Float32Array(2)],
    ["a boxed number", Object(1)],
    ["a promise", Promise.resolve(1)],
    ["a sparse array", sparse],
    ["an array with a hole at its end", Array.from<number>({ length: 0 }).concat(Array(2))],
    ["an array with other properties", Object.assign([1], { more: 2 })],
    ["an array with a symbol", Object.assign([1], { [Symbol("s")]: 2 })],
    ["the answer of a regular expression", /a/.exec("a")],
    ["a lone surrogate", "a\u{d800}"],
    ["a lone surrogate in a long text", `${"a".repeat(100)}\u{dc00}`],
    ["a lone surrogate in a key", { "\u{d800}": 1 }],
    ["an invalid date", new Date(Number.NaN)],
    ["what only looks like a date", Object.create(Date.prototype)],
    ["what only looks like bytes", Object.create(Uint8Array.prototype)],
    ["what only looks like a BlobRef", Object.create(BlobRef.prototype)],
    ["an accessor", accessor],
    ["a hidden property", hidden],
    ["a symbol as key", { [Symbol("s")]: 1 }],
    ["a cycle", cycle],
    ["nesting over the limit", nestedValue(VALUE_DEPTH_MAX + 1)],
    ["too many parts", Array<null>(VALUE_NODES_MAX).fill(null)],
    ["an array with a length and nothing else", Array(2 ** 32 - 1)],
  ])("[VA2] is refused: %s", ([, value]) => {
    expect(codeFrom(value)).toBe("DB_VALUE_UNSUPPORTED");
    expect(codeFrom([{ within: value }])).toBe("DB_VALUE_UNSUPPORTED");
  });

  test("[VA2] is told from what is just within: depth and parts at their limit", () => {
    expect(codeFrom(nestedValue(VALUE_DEPTH_MAX))).toBeUndefined();
    const full = Array<null>(VALUE_NODES_MAX - 1).fill(null);
    const bytes = encodeValue(full);
    expect(decodeValue(bytes)).toEqual(full);
  });

  test("[VA2] is refused when a proxy shows different things at each look", () => {
    const property = { value: 1, enumerable: true, configurable: true };
    const proxy = new Proxy(
      {},
      {
        ownKeys: () => ["a"],
        getOwnPropertyDescriptor: () => undefined,
      },
    );
    expect(codeFrom(proxy)).toBe("DB_VALUE_UNSUPPORTED");
    let looks = 0;
    const lookedAt = new Proxy(
      {},
      {
        ownKeys: () => ["a"],
        getOwnPropertyDescriptor: () => {
          looks += 1;
          // Encoding in the middle of encoding.
          return { ...property, value: decodeValue(encodeValue(looks)) };
        },
      },
    );
    expect(decodeValue(encodeValue([lookedAt]))).toEqual([{ a: 1 }]);
  });

  test("[VA2] leaves nothing behind for the next", () => {
    expect(codeFrom(["long enough to be written".repeat(10), undefined])).toBeDefined();
    expect(encodeValue("a")).toEqual(Uint8Array.of(0x61, 0x61));
  });
});

describe("size", () => {
  test.for<[string, (bytes: number) => Value, number]>([
    ["text", (size) => "a".repeat(size), 5],
    ["text of three bytes a character", (size) => "€".repeat(Math.floor(size / 3)), 6],
    ["bytes", (size) => new Uint8Array(size), 5],
    ["a bigint", (size) => 1n << BigInt(8 * size - 1), 6],
    ["texts together", (size) => ["a".repeat(size - MIB / 2 - 5), "b".repeat(MIB / 2)], 6],
  ])("[VA5] has its limit to the byte: %s", ([, make, heads]) => {
    const most = encodeValue(make(MIB - heads));
    expect(most.length).toBeGreaterThan(MIB - 4);
    expect(checkValue(most).blobRefs).toEqual([]);
    expect(codeFrom(make(MIB + 3 - heads))).toBe("DB_VALUE_TOO_LARGE");
  });

  test("[VA5] is refused before it is in memory: many mentions of one large thing", () => {
    const large = new Uint8Array(MIB - 100);
    expect(codeFrom(Array(50_000).fill(large))).toBe("DB_VALUE_TOO_LARGE");
    expect(codeFrom(Array(50_000).fill("a".repeat(MIB - 100)))).toBe("DB_VALUE_TOO_LARGE");
    expect(codeFrom("a".repeat(2 ** 28))).toBe("DB_VALUE_TOO_LARGE");
    expect(codeFrom(-(1n << 30_000_000n))).toBe("DB_VALUE_TOO_LARGE");
    const name = "k".repeat(MIB / 2);
    expect(codeFrom(Array(1000).fill({ [name]: 1 }))).toBe("DB_VALUE_TOO_LARGE");
  });
});

describe("encoding", () => {
  test.for<[Value, string]>([
    [null, "f6"],
    [true, "f5"],
    [false, "f4"],
    [0, "00"],
    [23, "17"],
    [24, "1818"],
    [256, "190100"],
    [65_536, "1a00010000"],
    [2 ** 32, "1b0000000100000000"],
    [Number.MAX_SAFE_INTEGER, "1b001fffffffffffff"],
    [-1, "20"],
    [Number.MIN_SAFE_INTEGER, "3b001ffffffffffffe"],
    [2 ** 53, "fb4340000000000000"],
    [-0, "fb8000000000000000"],
    [1.5, "fb3ff8000000000000"],
    [Number.NaN, "fb7ff8000000000000"],
    [-Infinity, "fbfff0000000000000"],
    [0n, "c240"],
    [1n, "c24101"],
    [-1n, "c340"],
    [-257n, "c3420100"],
    [2n ** 64n, "c249010000000000000000"],
    ["", "60"],
    ["ü€", "65c3bce282ac"],
    [Uint8Array.of(1, 2), "420102"],
    [new Date(1500), "d903e9a20101221901f4"],
    [new Date(-1), "d903e9a20120221903e7"],
    [[1, [2]], "82018102"],
    // Shorter keys first, then by bytes: UTF-8, not UTF-16, decides between U+FFFF and U+10000 (one unit, three bytes first).
    [{ b: 1, aa: 2, "": 3, a: 4 }, "a46003616104616201626161 02".replace(" ", "")],
    [{ 𐀀: 1, "\u{ffff}\u{7f}": 2 }, "a264efbfbf7f0264f090808001"],
    [new Mergeable([1, "a"]), "da726f6f6e82016161"],
    [REF, `da726f6f6b845820${toHex(ROOT)}050001`],
  ])("[VA3] of %o is one sequence of bytes", ([value, hex]) => {
    expect(toHex(encodeValue(value))).toBe(hex);
    expect(isSameValue(decodeValue(fromHex(hex) as Uint8Array), value)).toBe(true);
  });

  test("[VA3] does not depend on the order in which keys were set", () => {
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        expect(encodeValue(shuffledKeys(value))).toEqual(encodeValue(value));
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  test("[VA3] is the same for every NaN an engine may hold", () => {
    const odd = new Float64Array(new BigUint64Array([0xfff8_0000_0000_0001n]).buffer)[0] as number;
    expect(encodeValue([odd])).toEqual(encodeValue([Number.NaN]));
  });

  test("[VA3] is CBOR that another reader understands", () => {
    const tags = Tagged.preserve(2, 3, 0x726f6f6b);
    const read = (value: Value): unknown =>
      decodeCbor(encodeValue(value), {
        strict: true,
        rejectDuplicateMapKeys: true,
        allowIndefinite: false,
        tags: { ...tags, 1001: (content) => Object.fromEntries(content.entries()) as unknown },
      });
    expect(read({ a: [1, -1.5, "x", null], b: Uint8Array.of(7) })).toEqual({
      a: [1, -1.5, "x", null],
      b: Uint8Array.of(7),
    });
    expect(read(new Date(1234))).toEqual({ 1: 1, "-3": 234 });
    expect(read(-300n)).toEqual(new Tagged(3, Uint8Array.of(1, 0x2b)));
    expect(read(REF)).toEqual(new Tagged(0x726f6f6b, [ROOT, 5, 0, 1]));
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        read(value);
      }),
      { seed: 33, numRuns: 500 },
    );
  });

  test("[VA4] decides what is equal", () => {
    expect(equalValues({ a: 1, b: [Number.NaN] }, { b: [Number.NaN], a: 1 })).toBe(true);
    expect(equalValues(0, -0)).toBe(false);
    expect(equalValues(1, 1n)).toBe(false);
    expect(equalValues("é", "e\u{301}")).toBe(false);
    expect(equalValues(new Date(0), new Date(1))).toBe(false);
    fc.assert(
      fc.property(arbitraryValue, arbitraryValue, (a, b) => {
        expect(equalValues(a, b)).toBe(isSameValue(a, b));
        expect(equalValues(a, shuffledKeys(a))).toBe(true);
      }),
      { seed: 4, numRuns: 500 },
    );
  });
});

describe("mergeable values", () => {
  test("[VA12] a mergeable value is told from all that an application puts, and comes back through bytes and JSON", () => {
    fc.assert(
      fc.property(arbitraryValue, (content) => {
        const value = new Mergeable([content]);
        const back = decodeValue(encodeValue(value)) as Mergeable;
        expect(back).toBeInstanceOf(Mergeable);
        expect(isSameValue(back.content, value.content)).toBe(true);
        expect(
          isSameValue(
            (fromJson(JSON.parse(JSON.stringify(toJson(value)))) as Mergeable).content,
            value.content,
          ),
        ).toBe(true);
        expect(equalValues(value, [content])).toBe(false);
      }),
      { seed: 12, numRuns: 500 },
    );
    const ref = new Mergeable([REF]);
    expect(checkValue(encodeValue(ref)).blobRefs).toEqual([REF]);
  });

  test("[VA12] a mergeable value is a whole row value, never a part of another", () => {
    const inner = new Mergeable(1);
    expect(codeFrom([inner])).toBe("DB_VALUE_UNSUPPORTED");
    expect(codeFrom({ a: inner })).toBe("DB_VALUE_UNSUPPORTED");
    expect(codeFrom(new Mergeable(inner))).toBe("DB_VALUE_UNSUPPORTED");
    for (const hex of ["81da726f6f6e01", "da726f6f6eda726f6f6e01", "da726f6f6e"])
      expect(() => decodeValue(fromHex(hex) as Uint8Array)).toThrow(
        expect.objectContaining({ code: "DB_VALUE_MALFORMED" }),
      );
  });
});
