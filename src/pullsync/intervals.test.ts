import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Intervals } from "./intervals.ts";
import { INTERVALS_MAX } from "./limits.ts";
import { decodeIntervals, encodeIntervals } from "./records.ts";

type Pair = readonly [number, number];

const setOf = (pairs: readonly Pair[], lowest = 0n): Intervals =>
  Intervals.of(
    pairs.map(([first, last]) => ({ first: BigInt(first), last: BigInt(last) })),
    lowest,
  );
const pairsOf = ({ ranges }: Intervals): Pair[] =>
  ranges.map(({ first, last }) => [Number(first), Number(last)]);

/** What there was, what is added, what there is then. */
const ADDED: readonly [lowest: number, before: Pair[], added: Pair, after: Pair[]][] = [
  [0, [], [0, 0], [[0, 0]]],
  [0, [], [0, 10], [[0, 10]]],
  [0, [], [5, 15], [[5, 15]]],
  [0, [[0, 0]], [0, 0], [[0, 0]]],
  [
    0,
    [[0, 0]],
    [5, 10],
    [
      [0, 0],
      [5, 10],
    ],
  ],
  [0, [[5, 15]], [2, 4], [[2, 15]]],
  [
    0,
    [[5, 15]],
    [2, 3],
    [
      [2, 3],
      [5, 15],
    ],
  ],
  [0, [[5, 15]], [16, 20], [[5, 20]]],
  [
    0,
    [[5, 15]],
    [17, 20],
    [
      [5, 15],
      [17, 20],
    ],
  ],
  [0, [[5, 15]], [10, 20], [[5, 20]]],
  [0, [[5, 15]], [0, 100], [[0, 100]]],
  [0, [[5, 15]], [6, 14], [[5, 15]]],
  [
    0,
    [
      [0, 5],
      [15, 20],
    ],
    [6, 14],
    [[0, 20]],
  ],
  [
    0,
    [
      [0, 5],
      [15, 20],
    ],
    [6, 10],
    [
      [0, 10],
      [15, 20],
    ],
  ],
  [
    0,
    [
      [0, 5],
      [15, 20],
    ],
    [10, 14],
    [
      [0, 5],
      [10, 20],
    ],
  ],
  [
    0,
    [
      [0, 5],
      [15, 20],
    ],
    [3, 16],
    [[0, 20]],
  ],
  [
    0,
    [
      [0, 5],
      [10, 15],
      [20, 25],
    ],
    [6, 19],
    [[0, 25]],
  ],
  [
    0,
    [
      [0, 5],
      [10, 15],
      [20, 25],
    ],
    [7, 18],
    [
      [0, 5],
      [7, 18],
      [20, 25],
    ],
  ],
  [
    0,
    [
      [0, 5],
      [10, 15],
      [20, 25],
      [30, 35],
    ],
    [12, 26],
    [
      [0, 5],
      [10, 26],
      [30, 35],
    ],
  ],
  [100, [], [0, 0], []],
  [100, [], [20, 30], []],
  [100, [], [20, 99], []],
  [100, [], [20, 100], [[100, 100]]],
  [100, [], [20, 110], [[100, 110]]],
  [100, [[100, 110]], [50, 120], [[100, 120]]],
  [1, [], [0, 3], [[1, 3]]],
  [0, [[5, 15]], [9, 8], [[5, 15]]],
];

test.for(ADDED)("[PS30] from %i: %j and %j are %j", ([lowest, before, [first, last], after]) => {
  const set = setOf(before, BigInt(lowest)).with(BigInt(first), BigInt(last));
  expect(pairsOf(set)).toEqual(after);
  expect(set.last).toBe(BigInt(after.at(-1)?.[1] ?? 0));
});

/** A set, a ceiling, and the first gap up to there. */
const GAPS: readonly [lowest: number, set: Pair[], ceiling: number | undefined, gap: string][] = [
  [1, [], undefined, "1-"],
  [1, [], 10, "1-10"],
  [1, [], 0, "none"],
  [1, [[1, 10]], undefined, "11-"],
  [1, [[1, 10]], 10, "none"],
  [1, [[1, 10]], 5, "none"],
  [1, [[1, 10]], 12, "11-12"],
  [1, [[5, 10]], undefined, "1-4"],
  [1, [[5, 10]], 3, "1-3"],
  [
    1,
    [
      [1, 10],
      [20, 30],
    ],
    undefined,
    "11-19",
  ],
  [
    1,
    [
      [1, 10],
      [20, 30],
    ],
    15,
    "11-15",
  ],
  [
    1,
    [
      [1, 10],
      [20, 30],
    ],
    100,
    "11-19",
  ],
  [
    1,
    [
      [2, 3],
      [20, 30],
    ],
    100,
    "1-1",
  ],
  [100, [[100, 110]], 105, "none"],
  [100, [], undefined, "100-"],
];

test.for(GAPS)("[PS30] from %i: %j up to %s has the gap %s", ([lowest, pairs, ceiling, due]) => {
  const gap = setOf(pairs, BigInt(lowest)).gap(ceiling === undefined ? undefined : BigInt(ceiling));
  expect(gap === undefined ? "none" : `${gap.first}-${gap.last ?? ""}`).toBe(due);
});

test("[PS30] two sets become one", () => {
  const one = setOf(
    [
      [1, 5],
      [10, 15],
    ],
    1n,
  );
  const other = setOf(
    [
      [4, 9],
      [30, 35],
    ],
    1n,
  );
  expect(pairsOf(one.union(other))).toEqual([
    [1, 15],
    [30, 35],
  ]);
  expect(pairsOf(one)).toEqual([
    [1, 5],
    [10, 15],
  ]);
});

test("[PS30] what is beyond the greatest number of intervals is not done", () => {
  let set = Intervals.empty();
  for (let i = 0; i <= INTERVALS_MAX; i++) set = set.with(BigInt(2 * i + 1), BigInt(2 * i + 1));
  expect(set.ranges).toHaveLength(INTERVALS_MAX);
  expect(set.has(BigInt(2 * INTERVALS_MAX + 1))).toBe(false);
  expect(set.with(2n, 2n).has(1n)).toBe(true);
});

const INTERVAL = fc
  .tuple(fc.nat(60), fc.nat(12))
  .map(([first, more]): Pair => [first + 1, first + 1 + more]);

describe("against a plain set of numbers", () => {
  test("[PS30] every question has the answer of the numbers", () => {
    fc.assert(
      fc.property(fc.array(INTERVAL, { maxLength: 30 }), fc.nat(80), (pairs, ceiling) => {
        const numbers = new Set<number>();
        for (const [first, last] of pairs) for (let n = first; n <= last; n++) numbers.add(n);
        const set = setOf(pairs, 1n);
        for (let n = 0; n <= 90; n++) expect(set.has(BigInt(n))).toBe(numbers.has(n));
        for (let i = 1; i < set.ranges.length; i++)
          expect(set.ranges[i]!.first).toBeGreaterThan(set.ranges[i - 1]!.last + 1n);
        const below = [...numbers].filter((n) => n <= ceiling).length;
        expect(set.countTo(BigInt(ceiling))).toBe(BigInt(below));
        const lacking = Array.from({ length: 100 }, (_, i) => i + 1).filter((n) => !numbers.has(n));
        expect(set.gap()?.first).toBe(BigInt(lacking[0]!));
        const gap = set.gap(BigInt(ceiling));
        const first = lacking.find((n) => n <= ceiling);
        expect(gap?.first).toBe(first === undefined ? undefined : BigInt(first));
        if (gap !== undefined)
          for (let n = gap.first; n <= gap.last!; n++) expect(numbers.has(Number(n))).toBe(false);
      }),
      { seed: 30, numRuns: 500 },
    );
  });

  test("[PS31] what was written is read again", () => {
    fc.assert(
      fc.property(fc.array(INTERVAL, { maxLength: 30 }), (pairs) => {
        const set = setOf(pairs, 1n);
        expect(pairsOf(decodeIntervals(encodeIntervals(set)))).toEqual(pairsOf(set));
      }),
      { seed: 31, numRuns: 300 },
    );
  });
});

test("[PS31] a record that makes no sense is refused", () => {
  for (const bytes of [[], [1], [1, 1], [0, 0], [2, 1, 1, 1], [0x80]])
    expect(() => decodeIntervals(Uint8Array.from(bytes))).toThrow("its bytes make no sense");
});
