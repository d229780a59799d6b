import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assert, AssertionError } from "./assert.ts";
import { fromBase64Url, toBase64Url } from "./bytes.ts";
import { compareBytes, concatBytes, equalBytes, fromHex, fromUtf8, toHex, utf8 } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import { BytesError, codeOf, CodedError } from "./errors.ts";

const bytes = fc.uint8Array({ maxLength: 60 });

describe("bytes", () => {
  test("[BA2] have a hexadecimal form", () => {
    fc.assert(
      fc.property(bytes, (some) => {
        expect(toHex(some)).toBe(Buffer.from(some).toString("hex"));
        expect(fromHex(toHex(some))).toEqual(some);
        expect(fromHex(toHex(some).toUpperCase())).toEqual(some);
      }),
      { seed: 2 },
    );
    for (const text of ["0", "0g", " 00", "0x00", "00\n", "é0"])
      expect(fromHex(text)).toBeUndefined();
  });

  test("[BA2] have a base64url form, and only one", () => {
    fc.assert(
      fc.property(bytes, (some) => {
        expect(toBase64Url(some)).toBe(Buffer.from(some).toString("base64url"));
        expect(fromBase64Url(toBase64Url(some))).toEqual(some);
      }),
      { seed: 22 },
    );
    fc.assert(
      fc.property(fc.stringMatching(/^[\w=+/ -]{0,12}$/), (text) => {
        const read = fromBase64Url(text);
        if (read !== undefined) expect(toBase64Url(read)).toBe(text);
      }),
      { seed: 23, numRuns: 1000 },
    );
    for (const text of ["A", "AA==", "AB", "AAA=", "A+/A", "AA A", "AAAA\n", "é"])
      expect(fromBase64Url(text)).toBeUndefined();
  });

  test("[BA2] are text only when they are valid UTF-8, of which nothing is dropped", () => {
    expect(fromUtf8(utf8("\u{feff}ü€𐀀"))).toBe("\u{feff}ü€𐀀");
    for (const hex of ["ff", "c080", "eda080", "f4908080", "e282"])
      expect(fromUtf8(fromHex(hex) as Uint8Array)).toBeUndefined();
  });

  test("[BA2] are put together, compared and ordered", () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(toHex(concatBytes(a, b))).toBe(toHex(a) + toHex(b));
        expect(equalBytes(a, b)).toBe(toHex(a) === toHex(b));
        expect(equalBytes(a, a.slice())).toBe(true);
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
      }),
      { seed: 24 },
    );
    expect(concatBytes()).toEqual(new Uint8Array());
    expect(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBeLessThan(0);
  });

  test("[BA11] have the checksum that zip has", () => {
    expect(crc32(utf8("123456789"))).toBe(0xcbf4_3926);
    expect(crc32(new Uint8Array())).toBe(0);
    expect(crc32(Uint8Array.of(0, 0))).not.toBe(crc32(Uint8Array.of(0)));
  });
});

describe("errors", () => {
  test("[BA14] carry a code that is read from any copy of this package", () => {
    const error = new BytesError("BYTES_TRUNCATED", "Cannot read bytes: they end too early");
    expect(error).toBeInstanceOf(CodedError);
    expect([error.code, error.name, codeOf(error)]).toEqual([
      "BYTES_TRUNCATED",
      "BytesError",
      "BYTES_TRUNCATED",
    ]);
    expect(codeOf({ code: "STORE_FULL" })).toBe("STORE_FULL");
    expect(codeOf({ code: 7 })).toBeUndefined();
    for (const other of [null, undefined, "STORE_FULL", new Error("x")])
      expect(codeOf(other)).toBeUndefined();
  });

  test("[BA14] are not what a broken promise of our own is", () => {
    expect(() => {
      assert(false, "it must hold");
    }).toThrow(AssertionError);
    assert(true, "it holds");
    expect(codeOf(new AssertionError("x"))).toBeUndefined();
  });
});
