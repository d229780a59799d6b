import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../testkit/index.ts";
import { arbitraryBlobRef } from "../testkit/value-arbitrary.ts";
import { BlobRef, type BlobRefFields, formatBlobRef, parseBlobRef } from "./blob-ref.ts";

const ROOT = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
const FIELDS: BlobRefFields = { root: ROOT, size: 1234, depth: 1, chunker: 1 };

describe("a BlobRef", () => {
  test.for<[string, Partial<BlobRefFields>]>([
    ["a short root", { root: new Uint8Array(31) }],
    ["a long root", { root: new Uint8Array(33) }],
    ["a negative size", { size: -1 }],
    ["a broken size", { size: 0.5 }],
    ["a size over 2^53 - 1", { size: 2 ** 53 }],
    ["no size", { size: Number.NaN }],
    ["a depth of 8", { depth: 8 }],
    ["chunker 0", { chunker: 0 }],
    ["chunker 256", { chunker: 256 }],
    ["an empty media type", { mediaType: "" }],
    ["a media type of 256 characters", { mediaType: "a".repeat(256) }],
    ["a media type beyond ASCII", { mediaType: "image/é" }],
    ["a media type with a line end", { mediaType: "text/plain\r\nx: y" }],
    ["a media type that ends in a line end", { mediaType: "text/plain\n" }],
  ])("[VA11] is not made with %s", ([, change]) => {
    expect(() => new BlobRef({ ...FIELDS, ...change })).toThrow(RangeError);
  });

  test("[VA11] is made at its limits, and does not change with what it was made of", () => {
    const root = ROOT.slice();
    const ref = new BlobRef({
      root,
      size: Number.MAX_SAFE_INTEGER,
      depth: 7,
      chunker: 255,
      mediaType: "a".repeat(255),
    });
    root.fill(0);
    expect(ref.root).toEqual(ROOT);
    expect(() => Object.assign(ref, { size: 1 })).toThrow(TypeError);
    expect(parseBlobRef(formatBlobRef(ref))?.equals(ref)).toBe(true);
  });

  test("[VA11] equals another by all that it says", () => {
    const ref = new BlobRef(FIELDS);
    expect(ref.equals(new BlobRef({ ...FIELDS, root: ROOT.slice() }))).toBe(true);
    const others: Partial<BlobRefFields>[] = [
      { root: new Uint8Array(32) },
      { size: 1 },
      { depth: 0 },
      { chunker: 2 },
      { mediaType: "a/b" },
    ];
    for (const change of others)
      expect(ref.equals(new BlobRef({ ...FIELDS, ...change }))).toBe(false);
    expect(BlobRef.isBlobRef({ ...FIELDS, mediaType: undefined })).toBe(false);
  });
});

describe("its text", () => {
  test("[VA9] is read back as what it was made of", () => {
    fc.assert(
      fc.property(arbitraryBlobRef, (ref) => {
        const text = formatBlobRef(ref);
        expect(text).toMatch(/^blob:[\w-]+$/);
        expect(parseBlobRef(text)?.equals(ref)).toBe(true);
      }),
      { seed: 9 },
    );
  });

  test("[VA9] stays as it is", () => {
    expect(formatBlobRef(new BlobRef({ ...FIELDS, mediaType: "image/png" }))).toBe(
      "blob:AQHSCf_-_fz7-vn49_b19PPy8fDv7u3s6-rp6Ofm5eTj4uHgaW1hZ2UvcG5n7VrP5w",
    );
  });

  const seed = 4;
  test(`[VA9] is refused when it was cut or altered: seed ${seed}`, () => {
    const random = seededRandom(seed);
    const text = formatBlobRef(new BlobRef({ ...FIELDS, mediaType: "image/png" }));
    for (let cut = 0; cut < text.length; cut++)
      expect(parseBlobRef(text.slice(0, cut))).toBeUndefined();
    for (let round = 0; round < 2000; round++) {
      const at = random.below(text.length);
      const altered = `${text.slice(0, at)}${random.pick("A Z a z 0 9 - _ = . €".split(" "))}${text.slice(at + 1)}`;
      if (altered !== text) expect(parseBlobRef(altered)).toBeUndefined();
    }
  });

  test.for([
    "",
    "blob:",
    "blob",
    "BLOB:AQ",
    "blob:AQ==",
    `blob:${"A".repeat(10_000)}`,
    "https://example.org",
  ])("[VA9] is refused when it never was one: %s", (text) => {
    expect(parseBlobRef(text)).toBeUndefined();
  });
});
