import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf, concatBytes, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { commitDigest } from "../wire/index.ts";
import { controlIdBytes, elideOps, type ElidedOps, opDigest, opsRoot } from "./digest.ts";
import { partDigest } from "./index.ts";

const crypto = nodeCrypto();
const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};
const byte = (value: number): Uint8Array => Uint8Array.of(value);

/** RFC 6962 §2.1 as written there, with "16 branches" for "two". */
function rootByDefinition(digests: readonly Uint8Array[]): Uint8Array {
  if (digests.length === 1) return digests[0] as Uint8Array;
  let width = 1;
  while (16 * width < digests.length) width *= 16;
  const children: Uint8Array[] = [];
  for (let at = 0; at < digests.length; at += width)
    children.push(rootByDefinition(digests.slice(at, at + width)));
  return sha256(byte(1), ...children);
}

const digestsOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => opDigest(crypto, Uint8Array.of(i >> 8, i)));

/** What is sent when `isElided` holds for some ops. */
function cut(
  digests: readonly Uint8Array[],
  isElided: (index: number) => boolean,
): { leaves: Uint8Array[]; elided: ElidedOps[] } {
  return {
    leaves: digests.filter((_, i) => !isElided(i)),
    elided: elideOps(crypto, digests, isElided),
  };
}

const codeOfRoot = (
  count: number,
  leaves: readonly Uint8Array[],
  elided: readonly ElidedOps[],
): string | undefined => {
  try {
    opsRoot(crypto, count, concatBytes(...leaves), elided);
    return undefined;
  } catch (error) {
    return codeOf(error) ?? String(error);
  }
};

const someElided = fc
  .array(fc.boolean(), { minLength: 1, maxLength: 300 })
  .map((isElided) => ({ digests: digestsOf(isElided.length), isElided }));

describe("tree", () => {
  test("[HI15] digests are told apart by their first bytes", () => {
    const op = utf8("op");
    expect(opDigest(crypto, op)).toEqual(sha256(byte(0), op));
    const [a, b] = digestsOf(2) as [Uint8Array, Uint8Array];
    expect(opsRoot(crypto, 2, concatBytes(a, b))).toEqual(sha256(byte(1), a, b));
    expect(partDigest(crypto, utf8("header"), a)).toEqual(sha256(byte(2), a, utf8("header")));
    expect(controlIdBytes(crypto, a, 0x01020304)).toEqual(
      sha256(byte(3), a, Uint8Array.of(1, 2, 3, 4)),
    );
    expect(commitDigest(crypto, utf8("header"))).toEqual(
      sha256(utf8("rookery commit 1\n"), utf8("header")),
    );
  });

  test("[HI15] the tree has 16 branches where that of RFC 6962 has two", () => {
    for (let count = 1; count <= 300; count++) {
      const digests = digestsOf(count);
      expect(opsRoot(crypto, count, concatBytes(...digests))).toEqual(rootByDefinition(digests));
    }
  });
});

describe("elision", () => {
  test("[HI16] a tree with any subtrees left out has the same root", () => {
    fc.assert(
      fc.property(someElided, ({ digests, isElided }) => {
        const { leaves, elided } = cut(digests, (i) => isElided[i] === true);
        const root = opsRoot(crypto, digests.length, concatBytes(...leaves), elided);
        expect(root).toEqual(rootByDefinition(digests));
      }),
      { numRuns: 1000 },
    );
  });

  test("[HI16] neighbours are left out by their common parent", () => {
    const digests = digestsOf(40);
    expect(cut(digests, () => true).elided).toEqual([
      { first: 0, count: 40, digest: rootByDefinition(digests) },
    ]);
    const places = cut(digests, (i) => i !== 34 && i !== 37).elided;
    expect(places.map(({ first, count }) => [first, count])).toEqual([
      [0, 16],
      [16, 16],
      [32, 1],
      [33, 1],
      [35, 1],
      [36, 1],
      [38, 1],
      [39, 1],
    ]);
    expect(cut(digests, () => false).elided).toEqual([]);
  });

  test("[HI16] what is cut or claimed otherwise is refused or has another root", () => {
    fc.assert(
      fc.property(someElided, fc.nat(), fc.nat(5), ({ digests, isElided }, at, kind) => {
        const { leaves, elided } = cut(digests, (i) => isElided[i] === true);
        const leaf = at % (leaves.length || 1);
        const hole = at % (elided.length || 1);
        const changed = {
          leaves: leaves.slice(),
          elided: elided.map((one) => ({ ...one, digest: one.digest.slice() })),
          count: digests.length,
        };
        if (kind === 0) changed.leaves.splice(leaf, 1);
        if (kind === 1) changed.leaves.splice(leaf, 0, sha256(byte(9)));
        if (kind === 2) changed.elided.splice(hole, 1);
        const one = changed.elided[hole];
        if (kind === 3 && one !== undefined)
          changed.elided[hole] = { ...one, first: one.first + 1 };
        if (kind === 4 && one !== undefined)
          changed.elided[hole] = { ...one, count: one.count + 1 };
        if (kind === 5) changed.count += 1;
        const isSame =
          changed.count === digests.length &&
          changed.leaves.length === leaves.length &&
          changed.elided.every(
            (now, i) => now.first === elided[i]?.first && now.count === elided[i].count,
          ) &&
          changed.elided.length === elided.length;
        if (isSame) return;
        const code = codeOfRoot(changed.count, changed.leaves, changed.elided);
        if (code === undefined)
          expect(
            opsRoot(crypto, changed.count, concatBytes(...changed.leaves), changed.elided),
          ).not.toEqual(rootByDefinition(digests));
        else expect(code).toBe("HISTORY_MALFORMED");
      }),
      { numRuns: 1000 },
    );
  });

  test("[HI16] elided subtrees that overlap, lie out of order or are no subtrees are refused", () => {
    const digests = digestsOf(8);
    const [hash] = digests as [Uint8Array];
    const refused: ElidedOps[][] = [
      [{ first: 1, count: 2, digest: hash }],
      [{ first: 0, count: 3, digest: hash }],
      [
        { first: 4, count: 4, digest: hash },
        { first: 0, count: 4, digest: hash },
      ],
      [
        { first: 0, count: 4, digest: hash },
        { first: 0, count: 2, digest: hash },
      ],
      [{ first: 0, count: 0, digest: hash }],
      [{ first: 8, count: 1, digest: hash }],
      [{ first: 0, count: 16, digest: hash }],
    ];
    for (const elided of refused) {
      for (let leaves = 0; leaves <= 8; leaves++)
        expect(codeOfRoot(8, digests.slice(0, leaves), elided)).toBe("HISTORY_MALFORMED");
    }
  });

  test("[HI16] a count of ops that is only announced costs nothing", () => {
    expect(codeOfRoot(2 ** 31, digestsOf(2), [])).toBe("HISTORY_MALFORMED");
    expect(codeOfRoot(10_000, [], [])).toBe("HISTORY_MALFORMED");
  });
});
