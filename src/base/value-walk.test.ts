import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BlobRef,
  checkValue,
  codeOf,
  concatBytes,
  decodeValue,
  encodeValue,
  equalBytes,
  fromHex,
  ROW_VALUE_BYTES_MAX,
  toHex,
  utf8,
  VALUE_DEPTH_MAX,
  VALUE_NODES_MAX,
} from "./index.ts";
import { arbitraryValue } from "../testkit/value-arbitrary.ts";
import { seededRandom } from "../testkit/seeded-random.ts";

const hex = (text: string): Uint8Array =>
  fromHex(text.replaceAll(/\s/g, "")) ?? expect.unreachable();

const codeOfCheck = (check: () => unknown): string | undefined => {
  try {
    check();
    return undefined;
  } catch (error) {
    return codeOf(error) ?? String(error);
  }
};

/** What the walk says of bytes, which is the same of them among others. */
const codeOfWalk = (bytes: Uint8Array): string | undefined => {
  const code = codeOfCheck(() => checkValue(bytes));
  for (const around of [hex("61"), hex("00"), hex("ff")]) {
    const among = concatBytes(around, bytes, around, around);
    const end = around.length + bytes.length;
    expect(codeOfCheck(() => checkValue(among, around.length, end))).toBe(code);
  }
  return code;
};

const ROOT = "00".repeat(32);

describe("other forms", () => {
  test.each<[string, string]>([
    ["nothing", ""],
    ["two values", "0000"],
    ["a value that ends too early", "1a0000"],
    ["a text that ends too early", "6261"],
    ["bytes that end too early", "4301"],
    ["an array that ends too early", "8201"],
    ["an object that ends too early", "a16161"],
    ["a tag without content", "c2"],
    ["bytes without end", "5f420102ff"],
    ["text without end", "7f6161ff"],
    ["an array without end", "9f01ff"],
    ["an object without end", "bf616101ff"],
    ["a break alone", "ff"],
    ["a reserved head", "1c"],
    ["another reserved head", "fc"],
    ["a long nought", "1800"],
    ["a long 23", "1817"],
    ["a long 255", "1900ff"],
    ["a long 65535", "1a0000ffff"],
    ["a long 2^32 - 1", "1b00000000ffffffff"],
    ["a long size of a text", "780161"],
    ["a long size of bytes", "580100"],
    ["a long count", "980100"],
    ["a long tag", "d80240"],
    ["a whole number above 2^53 - 1", "1b0020000000000000"],
    ["a whole number below -2^53 + 1", "3b001fffffffffffff"],
    ["the greatest whole number of 64 bits", "1bffffffffffffffff"],
    ["half a float", "f93c00"],
    ["a half NaN", "f97e00"],
    ["a single float", "fa3fc00000"],
    ["a whole float", "fb3ff0000000000000"],
    ["a nought as a float", "fb0000000000000000"],
    ["the greatest whole number as a float", "fb433fffffffffffff"],
    ["a NaN with a payload", "fb7ff8000000000001"],
    ["a NaN with a sign", "fbfff8000000000000"],
    ["a signalling NaN", "fb7ff0000000000001"],
    ["undefined", "f7"],
    ["a simple value", "e0"],
    ["a long simple value", "f8ff"],
    ["a long false", "f814"],
    ["a text that is not UTF-8", "61ff"],
    ["a text with a surrogate", "63eda080"],
    ["a text with a long form of a character", "62c0af"],
    ["a key that is no text", "a10102"],
    ["a key of bytes", "a1416102"],
    ["keys out of order", "a2616201616102"],
    ["a longer key before a shorter one", "a262616101616102"],
    ["a key twice", "a2616101616102"],
    ["a key that is not UTF-8", "a161ff01"],
    ["an unknown tag", "c100"],
    ["a self-described value", "d9d9f7 00"],
    ["a bigint with a leading nought", "c2420001"],
    ["a bigint of a text", "c26101"],
    ["a bigint of an array", "c280"],
    ["a date as epoch seconds", "c100"],
    ["a date without milliseconds", "d903e9a10100"],
    ["a date with its keys turned", "d903e9a222000100"],
    ["a date with three fields", "d903e9a301002200 2100"],
    ["a date of a float", "d903e9a201fb3ff8000000000000 2200"],
    ["a date of a text", "d903e9a201616122 00"],
    ["a date with 1000 milliseconds", "d903e9a20100221903e8"],
    ["a date with fewer than no milliseconds", "d903e9a201002220"],
    ["a date after the last one", "d903e9a2011b000007dba8218000 2201"],
    ["a date before the first one", "d903e9a2013b000007dba8218000 2200"],
    ["a BlobRef with too few fields", `da726f6f6b835820${ROOT}0000`],
    ["a BlobRef with too many fields", `da726f6f6b865820${ROOT}000001616100`],
    ["a BlobRef with a short root", `da726f6f6b84581f${ROOT.slice(2)}000001`],
    ["a BlobRef of chunker 0", `da726f6f6b845820${ROOT}000000`],
    ["a BlobRef of chunker 256", `da726f6f6b845820${ROOT}0000190100`],
    ["a BlobRef of depth 8", `da726f6f6b845820${ROOT}000801`],
    ["a BlobRef with a size below nought", `da726f6f6b845820${ROOT}200001`],
    ["a BlobRef with an empty media type", `da726f6f6b855820${ROOT}00000160`],
    ["a BlobRef with a media type of two lines", `da726f6f6b855820${ROOT}00000163610a62`],
    ["a BlobRef with a long media type", `da726f6f6b855820${ROOT}000001790100${"61".repeat(256)}`],
    ["a BlobRef without fields", "da726f6f6b80"],
  ])("[VA6] %s is refused", (_, text) => {
    expect(codeOfWalk(hex(text))).toBe("DB_VALUE_MALFORMED");
    expect(() => decodeValue(hex(text))).toThrow(
      expect.objectContaining({ code: "DB_VALUE_MALFORMED" }) as Error,
    );
  });
});

describe("attacks", () => {
  test.each<[string, number]>([
    ["arrays", 0x81],
    ["tags of bigints", 0xc2],
    ["arrays without end", 0x9f],
  ])("[VA7] 200 000 levels of %s are refused without following them", (_, byte) => {
    expect(codeOfWalk(new Uint8Array(200_000).fill(byte))).toBe("DB_VALUE_MALFORMED");
  });

  test("[VA7] 100 000 levels of objects are refused without following them", () => {
    const bytes = concatBytes(...Array.from({ length: 100_000 }, () => hex("a16161")));
    expect(codeOfWalk(bytes)).toBe("DB_VALUE_MALFORMED");
  });

  test.each<[string, string]>([
    ["an array of 2^32 items", "9b0000000100000000"],
    ["an array of 2^53 - 1 items", "9b001fffffffffffff"],
    ["an object of 2^31 keys", "ba80000000"],
    ["bytes of 2^40", "5b0000010000000000"],
    ["a text of 2^53 - 1 bytes", "7b001fffffffffffff"],
    ["a bigint of 2^32 bytes", "c25b0000000100000000"],
    ["a text of 2^64 - 1 bytes", "7bffffffffffffffff"],
  ])("[VA7] %s that are only announced are refused", (_, text) => {
    expect(codeOfWalk(hex(text))).toBe("DB_VALUE_MALFORMED");
  });

  test("[VA7] the bounds of depth, parts and size hold for bytes as for values", () => {
    const deep = (levels: number): Uint8Array =>
      Uint8Array.from({ length: levels + 1 }, (_, i) => (i < levels ? 0x81 : 0xf6));
    expect(codeOfWalk(deep(VALUE_DEPTH_MAX))).toBeUndefined();
    expect(codeOfWalk(deep(VALUE_DEPTH_MAX + 1))).toBe("DB_VALUE_MALFORMED");
    const full = (items: number): Uint8Array => {
      const bytes = new Uint8Array(5 + items);
      bytes.set([0x9a]);
      new DataView(bytes.buffer).setUint32(1, items);
      return bytes;
    };
    expect(codeOfWalk(full(VALUE_NODES_MAX - 1))).toBeUndefined();
    expect(codeOfWalk(full(VALUE_NODES_MAX))).toBe("DB_VALUE_MALFORMED");
    const large = (size: number): Uint8Array => {
      const bytes = new Uint8Array(size);
      bytes.set([0x5a]);
      new DataView(bytes.buffer).setUint32(1, size - 5);
      return bytes;
    };
    expect(codeOfWalk(large(ROW_VALUE_BYTES_MAX))).toBeUndefined();
    expect(codeOfWalk(large(ROW_VALUE_BYTES_MAX + 1))).toBe("DB_VALUE_MALFORMED");
  });

  /** The one rule of the walk: what it accepts is what the encoder makes of what it stands for. */
  const isHandled = (bytes: Uint8Array): boolean => {
    const code = codeOfWalk(bytes);
    if (code === undefined) return equalBytes(encodeValue(decodeValue(bytes)), bytes);
    return code === "DB_VALUE_MALFORMED";
  };

  test("[VA6] 20 000 altered values are refused, or are what they would be encoded as", () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        arbitraryValue,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (value, changes) => {
          const bytes = encodeValue(value);
          for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
          expect(isHandled(bytes), toHex(bytes)).toBe(true);
          if (codeOfWalk(bytes) === undefined) accepted += 1;
        },
      ),
      { seed: 6, numRuns: 20_000 },
    );
    expect(accepted).toBeGreaterThan(1000);
  });

  test("[VA6] 20 000 runs of random bytes are refused, or are what they would be encoded as", () => {
    const random = seededRandom(20_261_124);
    const heads = [0x00, 0x20, 0x41, 0x61, 0x82, 0xa1, 0xc2, 0xf4, 0xfb, 0xd9, 0x18, 0x9f];
    for (let i = 0; i < 20_000; i++) {
      const bytes = random.bytes(1 + random.below(24));
      bytes[0] = random.pick(heads);
      expect(isHandled(bytes), `seed ${random.seed}: ${toHex(bytes)}`).toBe(true);
    }
  });

  test("[VA6] a cut value is refused wherever it is cut", () => {
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        const bytes = encodeValue(value);
        for (let end = 0; end < bytes.length; end++)
          expect(codeOfWalk(bytes.subarray(0, end))).toBe("DB_VALUE_MALFORMED");
      }),
      { seed: 66, numRuns: 200 },
    );
  });

  test("[VA6] bytes are read where they lie, not where their memory begins", () => {
    const inside = concatBytes(hex("ffff"), encodeValue([1.5, "text"]), hex("ff"));
    expect(decodeValue(inside.subarray(2, -1))).toStrictEqual([1.5, "text"]);
  });
});

test("[VA8] the walk tells which blobs a value names, wherever they stand", () => {
  const ref = (size: number): BlobRef =>
    new BlobRef({ root: new Uint8Array(32), size, depth: 0, chunker: 1, mediaType: "image/png" });
  const value = { a: ref(1), b: [ref(2), { c: ref(3) }], blob: utf8("no blob") };
  const { blobRefs } = checkValue(encodeValue(value));
  expect(blobRefs.map(({ size }) => size)).toEqual([1, 2, 3]);
  expect(blobRefs.every((found, i) => found.equals(ref(i + 1)))).toBe(true);
  expect(checkValue(encodeValue([1])).blobRefs).toEqual([]);
});
