import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ABSENT_ROW,
  compareHeads,
  type Context,
  contextOf,
  joinContexts,
  mergeVersion,
  type Row,
  seenIn,
  type Version,
} from "./version.ts";

/** Names of logs in an order of their own: log 1 is not the least. */
const NAMES = ["", "delta", "alpha", "echo", "bravo", "charlie"];
const order = (a: number, b: number): number =>
  (NAMES[a] as string) < (NAMES[b] as string) ? -1 : a === b ? 0 : 1;

const merge = (row: Row, version: Version): Row => mergeVersion(row, version, order).row;
const mergeAll = (versions: Iterable<Version>, row = ABSENT_ROW): Row => {
  for (const version of versions) row = merge(row, version);
  return row;
};
const dotOf = ({ log, generation }: Version): string => `${log}.${generation}`;

/** What a row must be, straight from the definition: nothing of how the merge goes about it. */
function rowByDefinition(versions: readonly Version[]): { heads: string[]; seen: string[] } {
  const heads = versions.filter(
    (one) =>
      !versions.some(({ context }) =>
        context.some(({ log, generation }) => log === one.log && generation >= one.generation),
      ),
  );
  const seen = new Map<number, number>();
  for (const { context } of versions)
    for (const { log, generation } of context)
      seen.set(log, Math.max(generation, seen.get(log) ?? 0));
  return {
    heads: heads
      .toSorted((a, b) =>
        a.timestamp !== b.timestamp
          ? Number(b.timestamp - a.timestamp)
          : a.log !== b.log
            ? -order(a.log, b.log)
            : b.generation - a.generation,
      )
      .map(dotOf),
    seen: [...seen].toSorted(([a], [b]) => a - b).map(([log, at]) => `${log}.${at}`),
  };
}

const shown = (row: Row): { heads: string[]; seen: string[] } => ({
  heads: row.heads.map(dotOf),
  seen: row.seen.map(({ log, generation }) => `${log}.${generation}`),
});

interface Step {
  readonly log: number;
  readonly timestamp: number;
  readonly isDeletion: boolean;
  readonly exchanges: readonly (readonly [number, number])[];
}

/** What devices come to write: each sees its own row, and now and then takes over all that another holds. */
function written(steps: readonly Step[]): Version[] {
  const held = NAMES.map(() => new Map<string, Version>());
  const generations = NAMES.map(() => 0);
  const versions: Version[] = [];
  for (const { log, timestamp, isDeletion, exchanges } of steps) {
    for (const [from, to] of exchanges)
      for (const [dot, version] of held[from] ?? []) held[to]?.set(dot, version);
    const mine = held[log] as Map<string, Version>;
    const generation = (generations[log] as number) + 1;
    generations[log] = generation;
    const version: Version = {
      log,
      generation,
      timestamp: BigInt(timestamp),
      salt: new Uint8Array(16),
      digest: new Uint8Array(32),
      context: contextOf(mergeAll(mine.values())),
      value: isDeletion ? undefined : Uint8Array.of(1),
    };
    mine.set(dotOf(version), version);
    versions.push(version);
  }
  return versions;
}

const aLog = fc.integer({ min: 1, max: NAMES.length - 1 });
const step: fc.Arbitrary<Step> = fc.record({
  log: aLog,
  timestamp: fc.nat(4),
  isDeletion: fc.boolean(),
  exchanges: fc.array(fc.tuple(aLog, aLog), { maxLength: 2 }),
});
const honest = fc.array(step, { maxLength: 12 }).map(written);

/** Contexts that name anything, also what nobody has written: a hostile writer's, within what the receipt lets through. */
const hostile = fc
  .uniqueArray(
    fc.record({
      log: aLog,
      generation: fc.integer({ min: 1, max: 4 }),
      timestamp: fc.bigInt({ min: 0n, max: 3n }),
      salt: fc.constant(new Uint8Array(16)),
      digest: fc.constant(new Uint8Array(32)),
      context: fc.uniqueArray(
        fc.record({ log: aLog, generation: fc.integer({ min: 1, max: 5 }) }),
        { selector: ({ log }) => log, maxLength: 3 },
      ),
      value: fc.constant(Uint8Array.of(1)),
    }),
    { selector: dotOf, maxLength: 8 },
  )
  .map((versions) =>
    versions.map((version) => ({
      ...version,
      context: version.context.filter(
        ({ log, generation }) => log !== version.log || generation < version.generation,
      ),
    })),
  );
const versions = fc.oneof(honest, hostile);
const shuffledTwice = versions.chain((set) =>
  fc.tuple(
    fc.constant(set),
    fc.shuffledSubarray(set, { minLength: set.length }),
    fc.array(fc.nat(), { maxLength: 6 }),
  ),
);

describe("merge", () => {
  test("[HI6] the heads are the versions that no context covers, whatever the order", () => {
    fc.assert(
      fc.property(shuffledTwice, ([set, shuffled]) => {
        expect(shown(mergeAll(shuffled))).toEqual(rowByDefinition(set));
      }),
      { numRuns: 3000 },
    );
  });

  test("[HI7] order, repetition and grouping of deliveries change nothing", () => {
    fc.assert(
      fc.property(shuffledTwice, ([set, shuffled, again]) => {
        const once = mergeAll(set);
        // A head that comes again changes nothing. What was superseded is known by its place and is not merged again.
        let row = ABSENT_ROW;
        for (const version of shuffled) {
          row = merge(row, version);
          for (const i of again) {
            const head = row.heads[i % (row.heads.length || 1)];
            if (head !== undefined) {
              const { row: same, superseded } = mergeVersion(row, head, order);
              expect(same).toBe(row);
              expect(superseded).toEqual([]);
            }
          }
        }
        expect(shown(row)).toEqual(shown(once));
        // Even one that was superseded would add nothing to the row.
        for (const version of set) expect(shown(merge(row, version))).toEqual(shown(once));
      }),
      { numRuns: 2000 },
    );
  });

  test("[HI7] each version is a head or was reported as superseded, once", () => {
    fc.assert(
      fc.property(versions, (set) => {
        const superseded: string[] = [];
        let row = ABSENT_ROW;
        for (const version of set) {
          const merged = mergeVersion(row, version, order);
          superseded.push(...merged.superseded.map(dotOf));
          row = merged.row;
        }
        expect([...superseded, ...row.heads.map(dotOf)].toSorted()).toEqual(
          set.map(dotOf).toSorted(),
        );
      }),
    );
  });

  test("[HI8] a local write covers all that the row held, and is its only head", () => {
    fc.assert(
      fc.property(versions, aLog, (set, log) => {
        const row = mergeAll(set);
        const context = contextOf(row);
        for (const version of set)
          expect(seenIn(context, version.log)).toBeGreaterThanOrEqual(
            row.heads.includes(version) ? version.generation : 0,
          );
        const version: Version = {
          log,
          generation: 100,
          timestamp: 0n,
          salt: new Uint8Array(16),
          digest: new Uint8Array(32),
          context,
          value: undefined,
        };
        expect(merge(row, version).heads).toEqual([version]);
      }),
    );
  });

  test("[HI8] two writes without knowledge of each other are both heads", () => {
    const base = written([{ log: 1, timestamp: 0, isDeletion: false, exchanges: [] }]);
    const context = contextOf(mergeAll(base));
    const [left, right] = [2, 3].map((log) => ({ ...(base[0] as Version), log, context }));
    expect(mergeAll([...base, left as Version, right as Version]).heads).toHaveLength(2);
  });

  test("[HI9] heads stand by time, then by their logs' names, the greatest first", () => {
    const version = (log: number, timestamp: bigint, generation = 1): Version => ({
      log,
      generation,
      timestamp,
      salt: new Uint8Array(16),
      digest: new Uint8Array(32),
      context: [],
      value: undefined,
    });
    const [late, echo, delta, alpha] = [
      version(2, 9n),
      version(3, 5n),
      version(1, 5n),
      version(2, 5n, 2),
    ];
    const row = mergeAll([alpha, late, delta, echo] as Version[]);
    expect(row.heads).toEqual([late, echo, delta, alpha]);
    fc.assert(
      fc.property(versions, (set) => {
        for (const a of set) {
          for (const b of set) {
            expect(
              Math.sign(compareHeads(a, b, order)) + Math.sign(compareHeads(b, a, order)),
            ).toBe(0);
            if (a !== b) expect(compareHeads(a, b, order)).not.toBe(0);
          }
        }
      }),
    );
  });
});

test("[HI6] the join of contexts names each log once, the greater generation, in order", () => {
  const context: fc.Arbitrary<Context> = fc.uniqueArray(
    fc.record({ log: aLog, generation: fc.integer({ min: 1, max: 5 }) }),
    { selector: ({ log }) => log },
  );
  fc.assert(
    fc.property(context, context, context, (a, b, c) => {
      const join = joinContexts(a, b);
      expect(join).toEqual(joinContexts(b, a));
      expect(joinContexts(join, c)).toEqual(joinContexts(a, joinContexts(b, c)));
      expect(joinContexts(join, join)).toEqual(join);
      for (let log = 0; log < NAMES.length; log++)
        expect(seenIn(join, log)).toBe(Math.max(seenIn(a, log), seenIn(b, log)));
      expect(join.map(({ log }) => log)).toEqual(
        [...new Set(join.map(({ log }) => log))].toSorted((one, other) => one - other),
      );
    }),
  );
});
