import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { settle } from "../testkit/index.ts";
import { Window } from "./window.ts";

describe("windows", () => {
  test("[EX10] who finds too little left waits, first come first served, however small the next", async () => {
    const window = new Window(10);
    const { signal } = new AbortController();
    const got: string[] = [];
    const take = (name: string, bytes: number): void =>
      void window.take(bytes, signal).then(() => got.push(name));
    for (const [name, bytes] of Object.entries({ a: 6, b: 6, c: 1, d: 100 })) take(name, bytes);
    await settle();
    expect(got).toEqual(["a"]);
    window.give(6);
    await settle();
    expect(got).toEqual(["a", "b", "c"]);
    window.give(6);
    await settle();
    expect(got).toEqual(["a", "b", "c"]);
    // What is larger than the window goes alone.
    window.give(1);
    await settle();
    expect([...got, window.taken]).toEqual(["a", "b", "c", "d", 10]);
    window.give(100);
    expect(window.taken).toBe(0);
  });

  test("[EX10] never more than the window is taken, and all is given back, whoever gives up", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ bytes: fc.nat(40), isGivenUp: fc.boolean() }), { maxLength: 30 }),
        async (takers) => {
          const window = new Window(25);
          let most = 0;
          const all = takers.map(async ({ bytes, isGivenUp }) => {
            const leaving = new AbortController();
            const taking = window.take(bytes, leaving.signal);
            if (isGivenUp) leaving.abort(new Error("given up"));
            const took = await taking.then(
              () => true,
              () => false,
            );
            most = Math.max(most, window.taken);
            await settle();
            if (took) window.give(bytes);
          });
          await Promise.all(all);
          expect(most).toBeLessThanOrEqual(25);
          expect(window.taken).toBe(0);
        },
      ),
      { seed: 20261127, numRuns: 50 },
    );
  });
});
