import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { settle } from "../testkit/index.ts";
import { Budget } from "./budget.ts";

describe("budgets", () => {
  test("[EX10] who finds too little left waits, first come first served, however small the next", async () => {
    const budget = new Budget(10);
    const { signal } = new AbortController();
    const got: string[] = [];
    const take = (name: string, amount: number): void =>
      void budget.take(amount, signal).then(() => got.push(name));
    for (const [name, amount] of Object.entries({ a: 6, b: 6, c: 1, d: 100 })) take(name, amount);
    await settle();
    expect(got).toEqual(["a"]);
    budget.give(6);
    await settle();
    expect(got).toEqual(["a", "b", "c"]);
    budget.give(6);
    await settle();
    expect(got).toEqual(["a", "b", "c"]);
    // What is larger than the whole goes alone.
    budget.give(1);
    await settle();
    expect([...got, budget.taken]).toEqual(["a", "b", "c", "d", 10]);
    budget.give(100);
    expect(budget.taken).toBe(0);
  });

  test("[EX10] never more than the whole is taken, and all is given back, whoever gives up", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ bytes: fc.nat(40), isGivenUp: fc.boolean() }), { maxLength: 30 }),
        async (takers) => {
          const budget = new Budget(25);
          let most = 0;
          const all = takers.map(async ({ bytes, isGivenUp }) => {
            const leaving = new AbortController();
            const taking = budget.take(bytes, leaving.signal);
            if (isGivenUp) leaving.abort(new Error("given up"));
            const took = await taking.then(
              () => true,
              () => false,
            );
            most = Math.max(most, budget.taken);
            await settle();
            if (took) budget.give(bytes);
          });
          await Promise.all(all);
          expect(most).toBeLessThanOrEqual(25);
          expect(budget.taken).toBe(0);
        },
      ),
      { seed: 20261127, numRuns: 50 },
    );
  });

  test("[PS19] [SY16] who is aborted while waiting takes nothing and holds nobody back", async () => {
    const budget = new Budget(10);
    await budget.take(8);
    const stop = new AbortController();
    const large = budget.take(6, stop.signal);
    const small = budget.take(2);
    expect([budget.taken, budget.has(1), budget.tryTake(1)]).toEqual([8, false, false]);
    stop.abort(new RangeError("enough"));
    await expect(large).rejects.toThrow("enough");
    await small;
    expect(budget.taken).toBe(10);
    await expect(budget.take(1, AbortSignal.abort(new RangeError("late")))).rejects.toThrow("late");
  });

  test("[PS19] who holds some is told when others wait, and may give back at once", async () => {
    const budget = new Budget(10);
    await budget.take(8);
    let told = 0;
    const end = budget.onShort(() => {
      told += 1;
      budget.give(8);
    });
    await budget.take(6);
    expect([told, budget.taken]).toEqual([1, 6]);
    end();
    const waiting = budget.take(6);
    await settle();
    expect([told, budget.taken]).toEqual([1, 6]);
    budget.give(6);
    await waiting;
  });
});
