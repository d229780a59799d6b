import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  deviceIdOf,
  encodeValue,
  joinVectors,
  type LogKey,
  logKeyOf,
  type Value,
} from "../base/index.ts";
import {
  addToCounter,
  addToSet,
  type Content,
  contentOf,
  deleteField,
  deleteFromSet,
  type Head,
  type Kind,
  mergeableOf,
  Merges,
  setField,
  visibleOf,
} from "./index.ts";

const LOGS = [1, 2, 3, 4].map((n): LogKey =>
  logKeyOf({ device: deviceIdOf(new Uint8Array(32).fill(n)), incarnation: BigInt(n) }),
);
const merges = new Merges({ clock: { monotonic: () => 0 }, logger: () => {} });

/** What somebody did to the row, and which versions they had seen. */
interface Done {
  readonly op: Op;
  readonly version: Head;
  readonly past: ReadonlySet<Done>;
}

type Op =
  | { readonly do: "add"; readonly n: number }
  | { readonly do: "put" | "take"; readonly name: string; readonly n: number }
  | { readonly do: "delete" };

interface Step {
  readonly on: number;
  /** Learns first what this one knows. */
  readonly from: number;
  readonly op: Op;
  /** The clock is wrong by this. */
  readonly skew: number;
}

const names = fc.constantFrom("a", "b", "__proto__");
const opOf: Record<Kind, fc.Arbitrary<Op>> = {
  counter: fc.record({ do: fc.constant("add"), n: fc.integer({ min: -5, max: 9 }) }),
  set: fc.record({ do: fc.constantFrom("put", "take"), name: names, n: fc.constant(0) }),
  map: fc.record({ do: fc.constantFrom("put", "put", "take"), name: names, n: fc.nat(9) }),
};

function stepsOf(kind: Kind): fc.Arbitrary<Step[]> {
  const op = fc.oneof(
    { weight: 8, arbitrary: opOf[kind] },
    { weight: 1, arbitrary: fc.constant<Op>({ do: "delete" }) },
  );
  const who = fc.nat(LOGS.length - 1);
  const skew = fc.integer({ min: -50, max: 50 });
  return fc.array(fc.record({ on: who, from: who, op, skew }), { maxLength: 25 });
}

function headsOf(known: Iterable<Done>): Head[] {
  const all = Array.from(known, ({ version }) => version);
  return all.filter(
    ({ log, generation }) => !all.some(({ context }) => (context.get(log) ?? 0) >= generation),
  );
}

function edited(content: Content, log: LogKey, op: Op): Content | undefined {
  switch (op.do) {
    case "add":
      return addToCounter(content, log, op.n);
    case "put":
      return content.kind === "set" ? addToSet(content, op.name) : setField(content, op.name, op.n);
    case "take":
      return content.kind === "set"
        ? deleteFromSet(content, op.name)
        : deleteField(content, op.name);
    case "delete":
      return undefined;
  }
}

/** Runs the steps on devices that know what they were told, and answers all that was done. */
function run(kind: Kind, steps: readonly Step[]): Done[] {
  const known = LOGS.map(() => new Set<Done>());
  const generations = LOGS.map(() => 0);
  const all: Done[] = [];
  steps.forEach(({ on, from, op, skew }, at) => {
    const here = known[on] as Set<Done>;
    for (const one of known[from] as Set<Done>) here.add(one);
    const log = LOGS[on] as LogKey;
    const heads = headsOf(here);
    const content = edited(contentOf(kind, heads), log, op);
    if (content === undefined && (op.do !== "delete" || heads.length === 0)) return;
    const generation = (generations[on] = (generations[on] as number) + 1);
    let context: ReadonlyMap<LogKey, number> = new Map();
    for (const head of heads) {
      context = joinVectors(context, head.context);
      context = joinVectors(context, new Map([[head.log, head.generation]]));
    }
    const value = content === undefined ? undefined : encodeValue(mergeableOf(content));
    const timestamp = BigInt(100 + at + skew);
    const done = {
      op,
      version: { log, generation, timestamp, context, value },
      past: new Set(here),
    };
    here.add(done);
    all.push(done);
  });
  return all;
}

/** Whether somebody who knew `one` deleted the row, or did `op` to the same name. */
function isUndone(one: Done, all: readonly Done[], ops: readonly Op["do"][]): boolean {
  const name = "name" in one.op ? one.op.name : undefined;
  return all.some(
    ({ op, past }) =>
      past.has(one) &&
      (op.do === "delete" || ("name" in op && op.name === name && ops.includes(op.do))),
  );
}

function isAfter(a: Head, b: Head): boolean {
  return a.timestamp === b.timestamp ? a.log > b.log : a.timestamp > b.timestamp;
}

/** What must be shown, worked out from what was done and who knew what. */
const ORACLE: Record<Kind, (all: readonly Done[]) => Value> = {
  counter: (all) => {
    let total = 0;
    for (const log of LOGS) {
      const adds = all.filter(({ op, version }) => op.do === "add" && version.log === log);
      let own = 0;
      let before: Done | undefined;
      for (const add of [...adds, undefined]) {
        const deletions = all.filter(
          (one) => one.op.do === "delete" && (add === undefined || add.past.has(one)),
        );
        if (before !== undefined && deletions.some(({ past }) => past.has(before as Done))) own = 0;
        if (add?.op.do === "add") own += add.op.n;
        before = add;
      }
      total += own;
    }
    return total;
  },
  set: (all) => {
    const there = all.filter((one) => one.op.do === "put" && !isUndone(one, all, ["take"]));
    return [...new Set(there.map(({ op }) => ("name" in op ? op.name : "")))].sort((a, b) =>
      a.length === b.length ? (a < b ? -1 : 1) : a.length - b.length,
    );
  },
  map: (all) => {
    const fields = new Map<string, Done>();
    for (const one of all) {
      if (!("name" in one.op) || isUndone(one, all, ["put", "take"])) continue;
      const other = fields.get(one.op.name);
      if (other === undefined || isAfter(one.version, other.version)) fields.set(one.op.name, one);
    }
    const live = [...fields].filter(([, { op }]) => op.do === "put");
    return Object.fromEntries(live.map(([name, { op }]) => [name, "n" in op ? op.n : 0]));
  },
};

describe.each<Kind>(["counter", "set", "map"])("%s", (kind) => {
  const policy = { type: kind } as const;
  const shown = (heads: readonly Head[]): Value | undefined =>
    visibleOf(policy, heads, merges).value;

  test("[CO6] [CO7] [CO8] shows what was done, whoever knew what, wrote over what and deleted the row", () => {
    fc.assert(
      fc.property(stepsOf(kind), (steps) => {
        const all = run(kind, steps);
        const heads = headsOf(all);
        const isThere = heads.some(({ value }) => value !== undefined);
        expect(shown(heads)).toEqual(isThere ? ORACLE[kind](all) : undefined);
      }),
      { seed: 601, numRuns: 1500 },
    );
  });

  test("[CO6] the order of heads does not matter, nor which of them a write has brought together before", () => {
    fc.assert(
      fc.property(stepsOf(kind), fc.nat(), fc.nat(), (steps, a, b) => {
        const heads = headsOf(run(kind, steps));
        if (heads.length < 2) return;
        const whole = shown(heads);
        expect(shown(heads.toReversed())).toEqual(whole);
        expect(shown([...heads, ...heads])).toEqual(whole);
        // Two of them, brought together by somebody who changes nothing.
        const one = heads[a % heads.length] as Head;
        const two = heads[b % heads.length] as Head;
        if (one.value === undefined && two.value === undefined) return;
        const context = [one, two].reduce(
          (all, { log, generation, context: seen }) =>
            joinVectors(joinVectors(all, seen), new Map([[log, generation]])),
          new Map<LogKey, number>(),
        );
        const both: Head = {
          log: logKeyOf({ device: deviceIdOf(new Uint8Array(32).fill(9)), incarnation: 9n }),
          generation: 1,
          timestamp: 1000n,
          context,
          value: encodeValue(mergeableOf(contentOf(kind, [one, two]))),
        };
        const rest = heads.filter((head) => head !== one && head !== two);
        expect(shown([both, ...rest])).toEqual(whole);
      }),
      { seed: 602, numRuns: 1500 },
    );
  });
});
