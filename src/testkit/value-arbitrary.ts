/** Arbitrary row values, of every type there is. */

import fc, { type Arbitrary } from "fast-check";
import { BlobRef, type Value } from "../base/index.ts";

/** Names of blobs, with and without media types. */
export const arbitraryBlobRef: Arbitrary<BlobRef> = fc
  .record({
    root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    size: fc.maxSafeNat(),
    depth: fc.nat(7),
    chunker: fc.integer({ min: 1, max: 255 }),
    mediaType: fc.option(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 }), {
      nil: undefined,
    }),
  })
  .map((fields) => new BlobRef(fields));

/** Row values, most of them small. */
export const arbitraryValue: Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.float(),
    fc.maxSafeInteger(),
    fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY, 23, 24, 255, 256, 2 ** 53),
    fc.bigInt(),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary", maxLength: 80 }),
    fc.uint8Array(),
    fc.date({ noInvalidDate: true }),
    arbitraryBlobRef,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(
      fc.oneof(fc.string({ unit: "grapheme" }), fc.constant("__proto__")),
      tie("value"),
      {
        maxKeys: 5,
        noNullPrototype: true,
      },
    ),
  ),
})).value;
