import { expect, test } from "vitest";
import { formatPolicy, parsePolicy, PolicyTable } from "./index.ts";

const TEXTS = [
  "lastWriteWins",
  "keepAll",
  "counter",
  "set",
  "map",
  "appResolves",
  "merge:yjs",
  "merge:A.b-c_9",
  `merge:${"x".repeat(64)}`,
  "defer:writer",
  "defer:admin",
];

const WRONG = [
  "",
  "last-write",
  "LastWriteWins",
  " set",
  "set:",
  "counter:x",
  "merge",
  "merge:",
  "merge:a b",
  "merge:a:b",
  "merge:ü",
  `merge:${"x".repeat(65)}`,
  "defer",
  "defer:",
  "defer:reader",
  "defer:owner",
  "constructor",
  ":set",
];

test.each(TEXTS)("[CO1] %s is a policy, and has one text", (text) => {
  expect(formatPolicy(parsePolicy(text))).toBe(text);
});

test.each(WRONG)("[CO1] '%s' is no policy", (text) => {
  expect(() => parsePolicy(text)).toThrow(
    expect.objectContaining({ code: "CONFLICT_POLICY_INVALID" }),
  );
});

test("[CO2] the longest prefix wins, in whatever order they were set", () => {
  const texts: [string, string][] = [
    ["", "keepAll"],
    ["a", "counter"],
    ["a/b", "set"],
    ["x/", "map"],
    ["ü", "appResolves"],
  ];
  for (const table of [
    new PolicyTable(new Map(texts)),
    new PolicyTable(new Map(texts.toReversed())),
  ]) {
    const typeOf = (key: string): string => table.of(key).type;
    expect(["b", "a", "a/", "a/b", "a/bc", "x", "x/", "x/a", "über", "u"].map(typeOf)).toEqual([
      "keepAll",
      "counter",
      "counter",
      "set",
      "set",
      "keepAll",
      "map",
      "map",
      "appResolves",
      "keepAll",
    ]);
  }
  expect(new PolicyTable(new Map([["a", "set"]])).of("b").type).toBe("lastWriteWins");
  expect(new PolicyTable(new Map()).of("").type).toBe("lastWriteWins");
});

test("[CO1] a policy of a later version is last-write-wins here, and known to be unknown", () => {
  const table = new PolicyTable(
    new Map([
      ["", "set"],
      ["a", "quantum"],
    ]),
  );
  expect(table.of("a").type).toBe("lastWriteWins");
  expect(table.of("b").type).toBe("set");
  expect(table.unknown).toEqual(["quantum"]);
});

test("[CO2] two tables differ under the prefixes that were added, changed or taken away", () => {
  const of = (texts: Record<string, string>): PolicyTable =>
    new PolicyTable(new Map(Object.entries(texts)));
  const before = of({ "": "set", a: "map", b: "merge:x", c: "keepAll" });
  const after = of({ "": "set", a: "counter", b: "merge:y", d: "keepAll" });
  expect(before.differences(after)).toEqual(["a", "b", "c", "d"]);
  expect(before.differences(before)).toEqual([]);
});
