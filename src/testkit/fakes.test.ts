import { describe, expect, test } from "vitest";
import { deepEqual, equal, FakeClock, rejects, rejectsNamed, seededRandom } from "./index.ts";

describe("fake clock", () => {
  test("wakes sleepers in the order of their times, then of their calls", async () => {
    const clock = new FakeClock(1_000);
    const woken: string[] = [];
    const sleeper = async (name: string, ms: number): Promise<void> => {
      await clock.sleep(ms);
      woken.push(`${name} ${clock.monotonic()}`);
    };
    const all = [sleeper("late", 20), sleeper("first", 10), sleeper("second", 10)];
    await clock.advance(9);
    expect(woken).toEqual([]);
    await clock.advance(100);
    expect(woken).toEqual(["first 10", "second 10", "late 20"]);
    expect([clock.now(), clock.monotonic(), clock.sleeperCount]).toEqual([1_109, 109, 0]);
    await Promise.all(all);
  });

  test("wakes those too who fall asleep again within the time that passes", async () => {
    const clock = new FakeClock();
    let ticks = 0;
    const ticking = (async () => {
      for (; ticks < 5; ticks++) await clock.sleep(10);
    })();
    await clock.advance(35);
    expect(ticks).toBe(3);
    expect(await clock.advanceToNext()).toBe(true);
    expect([ticks, clock.monotonic()]).toEqual([4, 40]);
    await clock.advance(10);
    await ticking;
    expect(await clock.advanceToNext()).toBe(false);
  });

  test("an aborted sleep rejects with the reason and is forgotten", async () => {
    const clock = new FakeClock();
    const ending = new AbortController();
    const sleeping = clock.sleep(10, ending.signal);
    ending.abort(new Error("enough"));
    await expect(sleeping).rejects.toThrow("enough");
    await expect(clock.sleep(10, ending.signal)).rejects.toThrow("enough");
    expect(clock.sleeperCount).toBe(0);
  });

  test("the wall clock may jump, monotonic time does not", () => {
    const clock = new FakeClock(5_000);
    clock.jump(-2_000);
    expect([clock.now(), clock.monotonic()]).toEqual([3_000, 0]);
  });
});

describe("seeded random", () => {
  test("a seed gives one sequence, another seed another", () => {
    const draw = (seed: number): unknown[] => {
      const random = seededRandom(seed);
      return [
        random.bytes(8),
        random.below(1000),
        random.chance(0.5),
        random.shuffled([1, 2, 3, 4, 5]),
      ];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(draw(7)).not.toEqual(draw(7 + 2 ** 32));
  });

  test("numbers stay below their limit and reach every value", () => {
    const random = seededRandom(1);
    const seen = new Set(Array.from({ length: 500 }, () => random.below(10)));
    expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(new Set(random.shuffled([1, 2, 3]))).toEqual(new Set([1, 2, 3]));
    expect([1, 2]).toContain(random.pick([1, 2]));
  });
});

describe("expectations of rules", () => {
  const bytes = Uint8Array.of(1, 2);

  test("equal content is equal, in every kind of container", () => {
    deepEqual(Buffer.of(1, 2), bytes);
    deepEqual([{ a: new Map([["k", [bytes]]]) }], [{ a: new Map([["k", [Uint8Array.of(1, 2)]]]) }]);
    deepEqual(new Set([1]), new Set([1]));
    equal(undefined, undefined);
  });

  test.for([
    [bytes, Uint8Array.of(1, 3)],
    [bytes, [1, 2]],
    [[1], [1, 2]],
    [{ a: 1 }, { a: 1, b: undefined }],
    [new Map([["k", 1]]), new Map([["k", 2]])],
    [new Set([1]), new Set([2])],
    [0, -0],
    [null, undefined],
  ])("different content is refused: %o", ([actual, expected]) => {
    expect(() => deepEqual(actual, expected)).toThrow("Expected value to be");
    expect(() => equal(actual, expected, "it")).toThrow("Expected it to be");
  });

  test("a rejection is told by code or name, and its absence is refused", async () => {
    const coded = Object.assign(new Error("x"), { code: "STORE_FULL" });
    expect(await rejects(Promise.reject(coded), "STORE_FULL")).toBe(coded);
    await rejectsNamed(Promise.reject(new RangeError("x")), "RangeError");
    await expect(rejects(Promise.reject(coded), "STORE_CLOSED")).rejects.toThrow("STORE_CLOSED");
    await expect(rejects(Promise.resolve(5), "STORE_CLOSED")).rejects.toThrow("got 5");
  });
});
