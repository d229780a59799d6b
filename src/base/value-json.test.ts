import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryValue, isSameValue, nestedValue } from "../testkit/value-arbitrary.ts";
import { BlobRef } from "./blob-ref.ts";
import { codeOf } from "./errors.ts";
import { VALUE_DEPTH_MAX } from "./limits.ts";
import type { Value } from "./value.ts";
import { fromJson, parseJson, toJson } from "./value-json.ts";

const REF = new BlobRef({ root: new Uint8Array(32), size: 5, depth: 0, chunker: 1 });

describe("JSON form", () => {
  const throughText = (value: Value): Value =>
    fromJson(JSON.parse(JSON.stringify(toJson(value))) as unknown);

  test("[VA10] loses nothing, through text and back", () => {
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        expect(isSameValue(throughText(value), value)).toBe(true);
      }),
      { seed: 10, numRuns: 2000 },
    );
  });

  test('[VA10] is plain JSON where JSON has the words, and "$" where it has not', () => {
    expect(toJson({ a: [1, "x", null, true], $b: -0, $$: 1n })).toEqual({
      a: [1, "x", null, true],
      $$b: { $number: "-0" },
      $$$: { $bigint: "1" },
    });
    expect(toJson([Number.NaN, Infinity, -Infinity])).toEqual([
      { $number: "NaN" },
      { $number: "Infinity" },
      { $number: "-Infinity" },
    ]);
    expect(toJson(Uint8Array.of(251, 255))).toEqual({ $bytes: "-_8" });
    expect(toJson(new Date(0))).toEqual({ $date: "1970-01-01T00:00:00.000Z" });
    expect(toJson(REF)).toEqual({ $blob: REF.toString() });
    expect(toJson({ $bytes: "x" })).toEqual({ $$bytes: "x" });
  });

  test("[VA13] a number that would be another one is refused, and what is written of a number is that number", () => {
    for (const text of [
      "9007199254740993",
      "-9007199254740993",
      "9007199254740993.0",
      '{"a":[1,18446744073709551615]}',
      "1e400",
      '{"a":[1,-1e999]}',
    ])
      expect(() => parseJson(text), text).toThrow(
        expect.objectContaining({ code: "DB_VALUE_MALFORMED" }),
      );
    const numbers = [
      "9007199254740992",
      "1152921504606846976",
      "1152921504606847000",
      "1e30",
      "0.1",
    ];
    for (const text of numbers) expect(parseJson(text)).toBe(Number(text));
    expect(parseJson('["-0",-0,-0.0,0]')).toEqual(["-0", { $number: "-0" }, { $number: "-0" }, 0]);
    expect(fromJson(parseJson('{"$bigint":"9007199254740993"}'))).toBe(9007199254740993n);
    expect(() => parseJson("{")).toThrow(SyntaxError);
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        const text = JSON.stringify(toJson(value));
        expect(isSameValue(fromJson(parseJson(text)), value)).toBe(true);
      }),
      { seed: 13, numRuns: 500 },
    );
  });

  test.for<[string, unknown]>([
    ["an unknown word", { $what: "x" }],
    ["a word that objects have", { $number: "constructor" }],
    ["a word and another key", { $bytes: "AA", a: 1 }],
    ["a bare $", { $: 1 }],
    ["bytes that are no base64url", { $bytes: "A+==" }],
    ["bytes with bits that would be lost", { $bytes: "AB" }],
    ["bytes that are no text", { $bytes: 1 }],
    ["a bigint with a zero in front", { $bigint: "01" }],
    ["a bigint in hexadecimal", { $bigint: "0x10" }],
    ["minus nothing", { $bigint: "-0" }],
    ["a bigint with blanks", { $bigint: " 1" }],
    ["a date without milliseconds", { $date: "1970-01-01T00:00:00Z" }],
    ["a date that is none", { $date: "1970-02-30T00:00:00.000Z" }],
    ["a blob that is none", { $blob: "blob:AAAA" }],
    ["a number that JSON has words for", { $number: "1" }],
    ["a number too great for JSON", JSON.parse("1e400")],
    ["nesting over the limit", nestedValue(VALUE_DEPTH_MAX + 1)],
    ["no JSON", undefined],
  ])("[VA10] is refused with %s", ([, json]) => {
    let code: string | undefined;
    try {
      fromJson([json]);
    } catch (error) {
      code = codeOf(error);
    }
    expect(code).toBe("DB_VALUE_MALFORMED");
  });

  test("[VA10] that is nested without end is refused, not followed", () => {
    const json = JSON.parse(`${"[".repeat(5000)}${"]".repeat(5000)}`) as unknown;
    expect(() => fromJson(json)).toThrow(expect.objectContaining({ code: "DB_VALUE_MALFORMED" }));
  });
});
