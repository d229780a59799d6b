import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlobRef, type BlobRefFields, formatBlobRef, parseBlobRef } from "./index.ts";
import { arbitraryBlobRef } from "../testkit/value-arbitrary.ts";

const FIELDS: BlobRefFields = {
  root: Uint8Array.from({ length: 32 }, (_, i) => i),
  size: 1000,
  depth: 1,
  chunker: 1,
  mediaType: "image/png",
};

describe("fields", () => {
  test.each<[string, Partial<BlobRefFields>]>([
    ["a root of 31 bytes", { root: new Uint8Array(31) }],
    ["a root of 33 bytes", { root: new Uint8Array(33) }],
    ["a size below nought", { size: -1 }],
    ["a size of 2^53", { size: 2 ** 53 }],
    ["a size with a fraction", { size: 1.5 }],
    ["a size that is no number", { size: Number.NaN }],
    ["a depth of 8", { depth: 8 }],
    ["a depth below nought", { depth: -1 }],
    ["a chunker of 0", { chunker: 0 }],
    ["a chunker of 256", { chunker: 256 }],
    ["an empty media type", { mediaType: "" }],
    ["a media type of 256 characters", { mediaType: "a".repeat(256) }],
    ["a media type that begins another header", { mediaType: "text/html\r\nX: y" }],
    ["a media type that is not ASCII", { mediaType: "text/é" }],
  ])("[VA8] %s is refused", (_, fields) => {
    expect(() => new BlobRef({ ...FIELDS, ...fields })).toThrow(RangeError);
  });

  test("[VA8] a BlobRef does not change, whatever becomes of what it was made of", () => {
    const root = FIELDS.root.slice();
    const ref = new BlobRef({ ...FIELDS, root });
    root.fill(0xff);
    expect(ref.root).toEqual(FIELDS.root);
    expect(() => Object.assign(ref, { size: 1 })).toThrow(TypeError);
  });

  test("[VA8] two are equal when every field is", () => {
    const ref = new BlobRef(FIELDS);
    expect(ref.equals(new BlobRef(FIELDS))).toBe(true);
    const others: Partial<BlobRefFields>[] = [
      { root: new Uint8Array(32) },
      { size: 1 },
      { depth: 0 },
      { chunker: 2 },
      { mediaType: undefined },
    ];
    for (const fields of others)
      expect(ref.equals(new BlobRef({ ...FIELDS, ...fields }))).toBe(false);
  });
});

describe("text form", () => {
  test("[VA9] the text form is parsed to what it was made of", () => {
    fc.assert(
      fc.property(arbitraryBlobRef, (ref) => {
        const back = parseBlobRef(formatBlobRef(ref));
        expect(back?.equals(ref)).toBe(true);
        expect(String(ref)).toBe(formatBlobRef(ref));
      }),
    );
  });

  test("[VA9] a known BlobRef has a known text form", () => {
    expect(formatBlobRef(new BlobRef(FIELDS))).toBe(
      "blob:AQHoBwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4faW1hZ2UvcG5nP-NJHg",
    );
  });

  test("[VA9] a slip of any one character is noticed, and so is a cut", () => {
    const text = formatBlobRef(new BlobRef(FIELDS));
    for (let i = 0; i < text.length; i++) {
      for (const slip of ["A", "a", "0", "-", "~"]) {
        if (text[i] === slip) continue;
        const altered = text.slice(0, i) + slip + text.slice(i + 1);
        expect(parseBlobRef(altered), altered).toBeUndefined();
      }
      expect(parseBlobRef(text.slice(0, i))).toBeUndefined();
    }
  });

  const text = formatBlobRef(new BlobRef(FIELDS));
  test.each([
    ["nothing", ""],
    ["the beginning alone", "blob:"],
    ["a few bytes", "blob:AA"],
    ["another beginning", text.replace("blob:", "BLOB:")],
    ["a space before it", ` ${text}`],
    ["padding", `${text}=`],
    ["one character more", `${text}A`],
    ["far too much", `blob:${"A".repeat(100_000)}`],
  ])("[VA9] %s makes no BlobRef", (_, text) => {
    expect(parseBlobRef(text)).toBeUndefined();
  });

  test("[VA9] whatever text is given, an answer is", () => {
    fc.assert(
      fc.property(fc.base64String({ maxLength: 120 }), (text) => {
        const ref = parseBlobRef(`blob:${text.replaceAll("=", "")}`);
        if (ref !== undefined) expect(formatBlobRef(ref)).toBe(`blob:${text}`);
      }),
    );
  });
});
