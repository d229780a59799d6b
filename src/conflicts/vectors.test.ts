import { describe, expect, test } from "vitest";
import {
  decodeValue,
  deviceIdOf,
  encodeValue,
  type LogKey,
  logKeyOf,
  type Value,
} from "../base/index.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs, twoWays } from "../testkit/golden.ts";
import { type Content, type Entry, makeMergeable, OWN_DOT, readMergeable } from "./content.ts";
import { formatPolicy, parsePolicy, type Policy, type PolicyText } from "./policy.ts";

const logOf = (n: number): LogKey =>
  logKeyOf({ device: deviceIdOf(new Uint8Array(32).fill(n)), incarnation: 256n * BigInt(n) });
const own = (name: string, value: Value | undefined): Entry => ({ ...OWN_DOT, name, value });
const held = (n: number, generation: number, name: string, value: Value | undefined): Entry => {
  return { log: logOf(n), generation, timestamp: 0n, name, value };
};
const stamped = (entry: Entry, timestamp: bigint): Entry => ({ ...entry, timestamp });

const CONTENTS: readonly (readonly [string, Content])[] = [
  ["empty counter", { kind: "counter", entries: [] }],
  ["own total", { kind: "counter", entries: [own("", -3)] }],
  [
    "totals of three logs",
    { kind: "counter", entries: [own("", 2 ** 40), held(1, 7, "", 5), held(200, 300, "", -5)] },
  ],
  [
    "elements",
    {
      kind: "set",
      entries: [
        own("6162", "b"),
        held(1, 7, "6161", "a"),
        held(2, 8, "6161", "a"),
        own("820102", [1, 2]),
      ],
    },
  ],
  [
    "fields",
    {
      kind: "map",
      entries: [
        own("a", null),
        own("c", undefined),
        stamped(held(1, 7, "b", { x: 1 }), 2n ** 60n),
        stamped(held(2, 8, "b", undefined), 0n),
      ],
    },
  ],
];

const POLICIES: readonly Policy[] = [
  { type: "lastWriteWins" },
  { type: "keepAll" },
  { type: "counter" },
  { type: "set" },
  { type: "map" },
  { type: "appResolves" },
  { type: "merge", name: "yjs" },
  { type: "defer", role: "writer" },
  { type: "defer", role: "admin" },
];

const inOrder = ({ kind, entries }: Content): Content => ({
  kind,
  entries: [...entries].sort((a, b) =>
    a.name === b.name ? (a.log < b.log ? -1 : 1) : a.name < b.name ? -1 : 1,
  ),
});

const CASES: readonly GoldenCase[] = [
  ...CONTENTS.map(([name, content]) =>
    twoWays(
      content.kind,
      name,
      inOrder(content),
      (value: Content) => encodeValue(makeMergeable(value)),
      (bytes: Uint8Array) => {
        const read = readMergeable(decodeValue(bytes), OWN_DOT);
        return read === undefined ? undefined : inOrder(read);
      },
    ),
  ),
  ...POLICIES.map((policy) =>
    twoWays("policy", formatPolicy(policy), policy, formatPolicy, (text: PolicyText) =>
      parsePolicy(text),
    ),
  ),
];

describe("[CO5] [FO3] policies and mergeable values are as they were committed", () => {
  test.for(goldenPairs("conflicts", CASES))("$name", ({ written, committed, readAgain }) => {
    expect(committed, FORMAT_CHANGED).toEqual(written);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  });
});
