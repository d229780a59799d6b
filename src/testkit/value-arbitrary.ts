/** Arbitrary row values, of every type there is. */

import fc, { type Arbitrary } from "fast-check";
import { BlobRef, equalBytes, type Value } from "../base/index.ts";

/** Names of blobs, with and without media types. */
export const arbitraryBlobRef: Arbitrary<BlobRef> = fc
  .record({
    root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    size: fc.maxSafeNat(),
    depth: fc.nat(7),
    chunker: fc.integer({ min: 1, max: 255 }),
    mediaType: fc.option(fc.stringMatching(/^[ -~]{1,255}$/), { nil: undefined }),
  })
  .map((fields) => new BlobRef(fields));

/** Keys that have gone wrong somewhere: of prototypes, of the JSON form, of orders by number and by UTF-16. */
const TRICKY_KEYS = [
  "__proto__",
  "constructor",
  "$bytes",
  "$",
  "$$x",
  "",
  "10",
  "9",
  "\u{ffff}",
  "\u{10000}",
];
const arbitraryKey = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 4 }),
  fc.constantFrom(...TRICKY_KEYS),
);

/** Row values, most of them small, some nested. */
export const arbitraryValue: Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    fc.constantFrom<Value>(null, true, false, -0, Number.NaN, Infinity, -Infinity, "\u{feff}bom"),
    fc.constantFrom<Value>(23, 24, 255, 256, 65_535, 65_536, 2 ** 32, 2 ** 53, -(2 ** 53)),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.float(),
    fc.bigInt(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.string({ unit: "grapheme", maxLength: 60 }),
    fc.string({ unit: "binary", minLength: 30, maxLength: 400 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.date({ noInvalidDate: true }),
    arbitraryBlobRef,
    fc.array(tie("value"), { maxLength: 30 }),
    // Through entries, so that `__proto__` becomes a key like any other.
    fc
      .uniqueArray(fc.tuple(arbitraryKey, tie("value")), {
        selector: ([name]) => name,
        maxLength: 30,
      })
      .map((entries): Value => Object.fromEntries(entries)),
  ),
})).value;

/** Type for type, and to the last bit of a number; keys of objects in any order. */
export function isSameValue(a: Value, b: Value): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null)
    return Object.is(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Uint8Array) return equalBytes(a, b as Uint8Array);
  if (a instanceof Date) return a.getTime() === (b as Date).getTime();
  if (a instanceof BlobRef) return a.equals(b as BlobRef);
  const names = Object.keys(a);
  const [left, right] = [a, b] as Record<string, Value>[];
  return (
    names.length === Object.keys(b).length &&
    names.every(
      (name) =>
        Object.hasOwn(b, name) && isSameValue(left?.[name] as Value, right?.[name] as Value),
    )
  );
}

/** Arrays and objects in turn, so many levels deep. */
export function nestedValue(levels: number): Value {
  let value: Value = [];
  for (let level = 1; level < levels; level++)
    value = level % 2 === 0 ? [value] : { deeper: value };
  return value;
}
