import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  deviceIdOf,
  encodeValue,
  type LogKey,
  logKeyOf,
  Mergeable,
  type Value,
} from "../base/index.ts";
import { arbitraryValue } from "../testkit/value-arbitrary.ts";
import {
  addToCounter,
  addToSet,
  contentOf,
  type Head,
  type Kind,
  mergeableOf,
  type MergeFunction,
  Merges,
  parsePolicy,
  pendingContent,
  setField,
  type Visible,
  visibleOf,
} from "./index.ts";
import { MERGE_MS_MAX } from "./limits.ts";

const logOf = (n: number): LogKey =>
  logKeyOf({ device: deviceIdOf(new Uint8Array(32).fill(n)), incarnation: BigInt(n) });

/** Heads of as many logs, concurrent to each other; `undefined` deletes. The first is the latest. */
function headsOf(...values: (Value | undefined)[]): Head[] {
  return values.map((value, i) => ({
    log: logOf(i + 1),
    generation: 5,
    timestamp: BigInt(1000 - i),
    context: new Map(),
    value: value === undefined ? undefined : encodeValue(value),
  }));
}

interface Reported {
  readonly event: string;
  readonly fields: unknown;
}

function makeMerges(): { merges: Merges; reports: Reported[]; clock: { now: number } } {
  const reports: Reported[] = [];
  const clock = { now: 0 };
  const merges = new Merges({
    clock: { monotonic: () => clock.now },
    logger: (_level, event, fields) => void reports.push({ event, fields }),
  });
  return { merges, reports, clock };
}

const { merges } = makeMerges();
const shown = (policy: string, heads: readonly Head[], by = merges): Visible =>
  visibleOf(parsePolicy(policy), heads, by);

const counter = (n: number): Mergeable =>
  mergeableOf(addToCounter(pendingContent("counter", undefined), logOf(1), n));
const set = (...elements: Value[]): Mergeable =>
  mergeableOf(elements.reduce(addToSet, pendingContent("set", undefined)));
const map = (name: string, value: Value): Mergeable =>
  mergeableOf(setField(pendingContent("map", undefined), name, value));

describe.each(["lastWriteWins", "keepAll", "appResolves", "defer:admin"])("%s", (policy) => {
  test("[CO3] shows the latest head, whatever their order, and says when they differ", () => {
    const heads = headsOf("b", "a", undefined);
    for (const some of [heads, heads.toReversed()])
      expect(shown(policy, some)).toEqual({ value: "b", conflict: true });
    expect(shown(policy, headsOf(undefined, "a"))).toEqual({ value: undefined, conflict: true });
    expect(shown(policy, headsOf("a"))).toEqual({ value: "a", conflict: false });
    expect(shown(policy, [])).toEqual({ value: undefined, conflict: false });
  });

  test("[CO3] equal values are no conflict, nor are equal deletions", () => {
    expect(shown(policy, headsOf({ a: 1 }, { a: 1 }))).toEqual({
      value: { a: 1 },
      conflict: false,
    });
    expect(shown(policy, headsOf(undefined, undefined))).toEqual({
      value: undefined,
      conflict: false,
    });
  });

  test("[CO4] shows a value that merges as what it comes to by itself", () => {
    expect(shown(policy, headsOf(counter(3), counter(4)))).toEqual({ value: 3, conflict: true });
    expect(shown(policy, headsOf(set("b", "a", "b")))).toEqual({
      value: ["a", "b"],
      conflict: false,
    });
    expect(shown(policy, headsOf(map("a", 1)))).toEqual({ value: { a: 1 }, conflict: false });
  });
});

test("[CO3] of equal timestamps the greater log is shown, of one log the greater generation", () => {
  const [a, b] = headsOf("a", "b") as [Head, Head];
  expect(shown("keepAll", [a, { ...b, timestamp: a.timestamp }]).value).toBe("b");
  expect(
    shown("keepAll", [a, { ...b, log: a.log, timestamp: a.timestamp, generation: 6 }]).value,
  ).toBe("b");
});

test("[CO4] under their policy concurrent counters, sets and maps are shown merged", () => {
  expect(shown("counter", headsOf(counter(3), counter(4), undefined))).toEqual({
    value: 7,
    conflict: false,
  });
  expect(shown("set", headsOf(set("a"), set("b")))).toEqual({ value: ["a", "b"], conflict: false });
  expect(shown("map", headsOf(map("a", 1), map("b", 2), map("a", 3)))).toEqual({
    value: { a: 1, b: 2 },
    conflict: false,
  });
  expect(shown("set", headsOf(undefined, undefined))).toEqual({
    value: undefined,
    conflict: false,
  });
});

const KIND_POLICIES: Kind[] = ["counter", "set", "map"];

test.each(KIND_POLICIES)(
  "[CO9] under %s something else among the heads leaves the latest",
  (kind) => {
    const own = { counter: counter(1), set: set("x"), map: map("x", 1) }[kind];
    for (const other of [
      5,
      "text",
      null,
      [1],
      { a: 1 },
      new Mergeable(null),
      new Mergeable([9, [], [], []]),
    ]) {
      const heads = headsOf(other, own);
      expect(shown(kind, heads)).toEqual({ value: other, conflict: true, fallback: "kind" });
      expect(shown(kind, heads.toReversed())).toEqual(shown(kind, heads));
    }
    const foreign = kind === "set" ? counter(2) : set("y");
    expect(shown(kind, headsOf(own, foreign))).toMatchObject({ conflict: true, fallback: "kind" });
  },
);

test("[CO9] whatever stands in a mergeable value, no read and no write breaks", () => {
  const piece = fc.oneof(
    fc.nat(4),
    fc.constantFrom<Value>([], [[]], [1], [0, 5, 1], [0, 5, 7n, "a", 1], ["a"], ["a", 1], "a", 1n),
    fc.array(fc.oneof(fc.nat(3), fc.constant(new Uint8Array(40)), arbitraryValue), {
      maxLength: 3,
    }),
    arbitraryValue,
  );
  const content = fc.oneof(
    fc.tuple(
      fc.nat(4),
      piece,
      fc.array(piece, { maxLength: 3 }),
      fc.array(piece, { maxLength: 3 }),
    ),
    arbitraryValue,
  );
  fc.assert(
    fc.property(content, content, fc.constantFrom(...KIND_POLICIES), (a, b, kind) => {
      const heads = headsOf(new Mergeable(a), new Mergeable(b));
      const before = shown(kind, heads);
      expect(shown(kind, heads.toReversed())).toEqual(before);
      let code: unknown;
      try {
        encodeValue(mergeableOf(contentOf(kind, heads)));
      } catch (error) {
        code = (error as { code?: unknown }).code;
      }
      expect([undefined, "CONFLICT_KIND_MISMATCH"]).toContain(code);
    }),
    { seed: 9, numRuns: 3000 },
  );
});

test("[CO3] [CO9] heads that say different things of one dot are read alike in any order", () => {
  const device = new Uint8Array(40).fill(9);
  const own = logKeyOf({
    device: deviceIdOf(device.subarray(0, 32)),
    incarnation: 0x0909090909090909n,
  });
  const says = (total: number): Value => new Mergeable([1, [device], [[0, 1, total]], [0]]);
  const heads = headsOf(says(5), says(999)).map((head) => ({
    ...head,
    context: new Map([[own, 1]]),
  }));
  const first = shown("counter", heads);
  expect(first.conflict).toBe(false);
  expect(shown("counter", heads.toReversed())).toEqual(first);
});

test("[CO9] a contribution that its own writer cannot have seen counts for nothing", () => {
  const forged = { log: logOf(3), generation: 2 ** 50, timestamp: 0n, name: "", value: 1_000_000 };
  const value = mergeableOf({ kind: "counter", entries: [forged] });
  expect(shown("counter", headsOf(value, counter(1)))).toEqual({ value: 1, conflict: false });
  expect(shown("counter", headsOf(value))).toEqual({ value: 0, conflict: false });
});

test("[CO10] a write goes on from the latest head where they are not all of its kind", () => {
  const after = (kind: Kind, ...values: (Value | undefined)[]): Value | undefined => {
    const content = contentOf(kind, headsOf(...values));
    const [head] = headsOf(mergeableOf(content)) as [Head];
    const seen = new Map(headsOf(...values).map(({ log, generation }) => [log, generation]));
    return shown(kind, [{ ...head, context: seen }]).value;
  };
  expect(after("counter", 5, counter(2))).toBe(5);
  expect(after("counter", counter(2), 5)).toBe(2);
  expect(after("set", ["b", "a", "b"], 5)).toEqual(["a", "b"]);
  expect(after("map", { b: 1, __proto__x: 2 })).toEqual({ b: 1, __proto__x: 2 });
  expect(after("counter", undefined, "text")).toBe(0);
  for (const wrong of ["text", 1.5, null, [1], { a: 1 }, set("a"), new Date(0)])
    expect(() => contentOf("counter", headsOf(wrong))).toThrow(
      expect.objectContaining({ code: "CONFLICT_KIND_MISMATCH" }),
    );
});

test("[CO10] a total that no number holds is refused", () => {
  const full = addToCounter(
    pendingContent("counter", undefined),
    logOf(1),
    Number.MAX_SAFE_INTEGER,
  );
  expect(() => addToCounter(full, logOf(1), 1)).toThrow(
    expect.objectContaining({ code: "CONFLICT_TOTAL_TOO_LARGE" }),
  );
});

describe("merge:NAME", () => {
  const union: MergeFunction = (values) => values.flatMap((value) => value as readonly Value[]);

  test("[CO11] shows what the function makes of the values, in an order that is the same everywhere", () => {
    const { merges: own } = makeMerges();
    own.register("union", union);
    const heads = headsOf([1], [2], undefined, [3]);
    for (const some of [heads, heads.toReversed()])
      expect(shown("merge:union", some, own)).toEqual({ value: [1, 2, 3], conflict: false });
  });

  test("[CO11] is not asked where there is nothing to merge", () => {
    const { merges: own, reports } = makeMerges();
    expect(shown("merge:union", headsOf([1]), own).value).toEqual([1]);
    expect(shown("merge:union", headsOf([1], [1]), own)).toEqual({ value: [1], conflict: false });
    expect(shown("merge:union", headsOf(undefined, [1]), own)).toEqual({
      value: [1],
      conflict: false,
    });
    expect(shown("merge:union", headsOf(undefined, undefined), own).value).toBe(undefined);
    expect(reports).toEqual([]);
  });

  test.each<[string, MergeFunction | undefined, string]>([
    [
      "throws",
      () => {
        throw new TypeError("the row holds a secret");
      },
      "failed",
    ],
    ["answers no row value", () => (() => 1) as never, "failed"],
    ["answers a promise", () => Promise.resolve(1) as never, "failed"],
    ["is not registered", undefined, "unregistered"],
  ])("[CO12] one that %s leaves the latest, and is reported once", (_, merge, failure) => {
    const { merges: own, reports } = makeMerges();
    if (merge !== undefined) own.register("m", merge);
    for (let i = 0; i < 3; i++)
      expect(shown("merge:m", headsOf("b", "a"), own)).toEqual({
        value: "b",
        conflict: true,
        fallback: failure,
      });
    expect(reports.map(({ event }) => event)).toEqual([`conflicts.merge.${failure}`]);
    expect(JSON.stringify(reports)).not.toContain("secret");
  });

  test("[CO12] one that was slow is not called again until it is registered anew", () => {
    const { merges: own, reports, clock } = makeMerges();
    let calls = 0;
    let tookMs = MERGE_MS_MAX + 1;
    const merge: MergeFunction = () => {
      calls += 1;
      clock.now += tookMs;
      return "merged";
    };
    own.register("m", merge);
    const slow = { value: "b", conflict: true, fallback: "slow" };
    expect(shown("merge:m", headsOf("b", "a"), own)).toEqual(slow);
    expect(shown("merge:m", headsOf("b", "a"), own)).toEqual(slow);
    expect(calls).toBe(1);
    expect(reports).toEqual([
      { event: "conflicts.merge.slow", fields: { name: "m", tookMs: MERGE_MS_MAX + 1 } },
    ]);
    tookMs = MERGE_MS_MAX;
    own.register("m", merge);
    expect(shown("merge:m", headsOf("b", "a"), own).value).toBe("merged");
  });

  test("[CO12] nor is one that took as long to throw", () => {
    const { merges: own, clock } = makeMerges();
    let calls = 0;
    own.register("m", () => {
      calls += 1;
      clock.now += MERGE_MS_MAX + 1;
      throw new Error("no document");
    });
    for (let i = 0; i < 3; i++)
      expect(shown("merge:m", headsOf("b", "a"), own)).toMatchObject({
        value: "b",
        conflict: true,
      });
    expect(calls).toBe(1);
  });

  test("[CO12] a name that no policy can have is refused", () => {
    expect(() => makeMerges().merges.register("a b", union)).toThrow(
      expect.objectContaining({ code: "CONFLICT_MERGE_INVALID" }),
    );
  });
});
