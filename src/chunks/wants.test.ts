import { describe, expect, test } from "vitest";
import { FakeClock, settle } from "../testkit/index.ts";
import { type ChunkName, CONTENT, Wants } from "./index.ts";
import { WANTS_MAX } from "./limits.ts";

const LATE_MS = 1_000;

function chunk(number: number): ChunkName {
  const address = new Uint8Array(32);
  new DataView(address.buffer).setUint32(0, number);
  return { kind: CONTENT, address };
}

interface Fixture {
  readonly clock: FakeClock;
  readonly wants: Wants;
  readonly a: object;
  readonly b: object;
}

function setUp(): Fixture {
  const clock = new FakeClock();
  return { clock, wants: new Wants({ clock }), a: {}, b: {} };
}

/** What a promise has come to by now. */
async function stateOf(promise: Promise<void>): Promise<string> {
  let state = "waiting";
  promise.then(
    () => (state = "freed"),
    (error: unknown) => (state = String(error)),
  );
  await settle();
  return state;
}

describe("claims", () => {
  test("[CH28] a chunk has one claim, until it is stored, released or late", async () => {
    const { clock, wants, a, b } = setUp();
    expect(wants.claim(chunk(1), a, LATE_MS)).toBe(true);
    expect(wants.claim(chunk(1), b, LATE_MS)).toBe(false);
    expect(wants.claim({ ...chunk(1), kind: { ...CONTENT, code: 9 } }, b, LATE_MS)).toBe(true);
    wants.release(b, chunk(1));
    expect(wants.claim(chunk(1), b, LATE_MS)).toBe(false);
    wants.release(a, chunk(1));
    expect(wants.claim(chunk(1), b, LATE_MS)).toBe(true);
    wants.stored(chunk(1));
    expect(wants.claim(chunk(1), a, LATE_MS)).toBe(true);
    await clock.advance(LATE_MS - 1);
    expect(wants.claim(chunk(1), b, LATE_MS)).toBe(false);
    await clock.advance(1);
    expect(wants.claim(chunk(1), b, LATE_MS)).toBe(true);
    expect([wants.isClaimedBy(chunk(1), a), wants.isClaimedBy(chunk(1), b)]).toEqual([false, true]);
  });

  test("[CH28] who claims again has as much time again, and a source that ends gives up all its claims", async () => {
    const { clock, wants, a, b } = setUp();
    for (let i = 0; i < 10; i++) wants.claim(chunk(i), i % 2 === 0 ? a : b, LATE_MS);
    await clock.advance(LATE_MS - 1);
    expect(wants.claim(chunk(0), a, LATE_MS)).toBe(true);
    await clock.advance(LATE_MS - 1);
    expect(wants.claim(chunk(0), b, LATE_MS)).toBe(false);
    wants.release(a);
    wants.release(a);
    expect(wants.size).toBe(5);
    expect(wants.claim(chunk(0), b, LATE_MS)).toBe(true);
  });
});

describe("waiting", () => {
  test("[CH29] it ends when the claim does, whatever ends it, and leaves no timer", async () => {
    const { clock, wants, a, b } = setUp();
    await wants.freed(chunk(1));
    const ends = [
      async (): Promise<void> => wants.stored(chunk(1)),
      async (): Promise<void> => wants.release(a, chunk(1)),
      async (): Promise<void> => wants.release(a),
      (): Promise<void> => clock.advance(LATE_MS),
    ];
    for (const end of ends) {
      wants.claim(chunk(1), a, LATE_MS);
      const freed = wants.freed(chunk(1));
      const other = wants.freed(chunk(1));
      expect(await stateOf(freed)).toBe("waiting");
      await end();
      expect([await stateOf(freed), await stateOf(other)]).toEqual(["freed", "freed"]);
      expect(clock.sleeperCount).toBe(0);
      expect(wants.claim(chunk(1), b, LATE_MS)).toBe(true);
      wants.release(b);
    }
  });

  test("[CH29] a claim that is renewed or taken over is waited for again", async () => {
    const { clock, wants, a, b } = setUp();
    wants.claim(chunk(1), a, LATE_MS);
    const freed = wants.freed(chunk(1));
    await clock.advance(LATE_MS / 2);
    wants.claim(chunk(1), a, LATE_MS);
    await clock.advance(LATE_MS / 2);
    expect(await stateOf(freed)).toBe("waiting");
    wants.release(a);
    wants.claim(chunk(1), b, LATE_MS);
    expect(await stateOf(freed)).toBe("waiting");
    wants.stored(chunk(1));
    expect(await stateOf(freed)).toBe("freed");
  });

  test("[CH29] it ends with the reason of its signal", async () => {
    const { clock, wants, a } = setUp();
    wants.claim(chunk(1), a, LATE_MS);
    const aborting = new AbortController();
    const freed = wants.freed(chunk(1), aborting.signal);
    expect(await stateOf(freed)).toBe("waiting");
    aborting.abort("enough");
    expect(await stateOf(freed)).toBe("enough");
    expect(await stateOf(wants.freed(chunk(1), aborting.signal))).toBe("enough");
    expect(clock.sleeperCount).toBe(0);
  });
});

test("[CH30] a full table takes no claim before one of its own has ended or is late", async () => {
  const { clock, wants, a, b } = setUp();
  for (let i = 0; i < WANTS_MAX; i++) wants.claim(chunk(i), a, i < 10 ? LATE_MS : 5 * LATE_MS);
  const more = chunk(WANTS_MAX);
  expect(wants.claim(more, b, LATE_MS)).toBe(false);
  const freed = wants.freed(more);
  expect(await stateOf(freed)).toBe("waiting");
  await clock.advance(LATE_MS);
  expect(await stateOf(freed)).toBe("freed");
  expect(wants.claim(more, b, LATE_MS)).toBe(true);
  expect(wants.size).toBe(WANTS_MAX - 9);
  for (let i = 0; i < 9; i++) wants.claim(chunk(i), a, 5 * LATE_MS);
  const last = wants.freed(chunk(9));
  expect(await stateOf(last)).toBe("waiting");
  wants.stored(chunk(20));
  expect(await stateOf(last)).toBe("freed");
  expect(wants.size).toBe(WANTS_MAX - 1);
  // Its own claim is renewed though the table is full.
  expect(wants.claim(chunk(9), a, LATE_MS)).toBe(true);
  expect([wants.claim(chunk(30), a, LATE_MS), wants.size]).toEqual([true, WANTS_MAX]);
});
