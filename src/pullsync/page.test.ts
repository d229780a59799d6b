import { describe, expect, test } from "vitest";
import { FakeClock, seededRandom, settle } from "../testkit/index.ts";
import { chunksInBin, chunksOf, fill } from "../testkit/pullsync/pull-world.ts";
import { LIVE_LINGER_MS } from "./limits.ts";
import { MemoryPullStorage } from "./memory-storage.ts";
import { collectPage, type Page, SharedPages } from "./page.ts";
import { ROOKERY_PROFILE } from "./profile.ts";
import { proximity } from "./entry.ts";

function world() {
  const overlay = new Uint8Array(32);
  const clock = new FakeClock();
  const storage = new MemoryPullStorage({ random: seededRandom(1), overlay });
  const chunks = chunksInBin(overlay, 0, 20);
  const deps = { storage, clock, profile: ROOKERY_PROFILE };
  return { ...deps, deps, chunks };
}

test("[PS1] proximity is the number of leading bits in common, 31 at most", () => {
  const zero = new Uint8Array(32);
  const of = (...head: number[]): number => {
    const other = new Uint8Array(32);
    other.set(head);
    return proximity(zero, other);
  };
  expect([of(0x80), of(0x40), of(0x01), of(0, 0x80), of(0, 1), of(0, 0, 0x10)]).toEqual([
    0, 1, 7, 8, 15, 19,
  ]);
  expect([of(0, 0, 0, 2), of(0, 0, 0, 1), of(0, 0, 0, 0, 0x80), proximity(zero, zero)]).toEqual([
    30, 31, 31, 31,
  ]);
});

describe("a live page", () => {
  test("[PS14] is answered when nothing has come for the linger after the first", async () => {
    const { deps, storage, clock, chunks } = world();
    let page: Page | undefined;
    void collectPage(deps, { bin: 0, start: 1n, to: undefined }, new AbortController().signal).then(
      (it) => (page = it),
    );
    await clock.advance(60_000);
    await fill(storage, chunks.slice(0, 2));
    await clock.advance(LIVE_LINGER_MS - 1);
    expect(page).toBeUndefined();
    await fill(storage, chunks.slice(2, 3));
    await clock.advance(1);
    expect(page?.topmost).toBe(3n);
    expect(page?.entries).toHaveLength(3);
    expect(clock.sleeperCount).toBe(0);
  });

  test("[PS14] keeps no timer while it waits for the first", async () => {
    const { deps, clock } = world();
    const stop = new AbortController();
    const page = collectPage(deps, { bin: 0, start: 1n, to: undefined }, stop.signal);
    await settle();
    expect(clock.sleeperCount).toBe(0);
    stop.abort(new RangeError("enough"));
    await expect(page).rejects.toThrow("enough");
  });
});

test("[PS15] of three who share a page the first to go takes nobody with it, and the last ends it", async () => {
  const { deps, storage, clock, chunks } = world();
  const pages = new SharedPages(deps);
  const stops = [0, 1, 2].map(() => new AbortController());
  const get = { bin: 0, start: 1n, to: undefined };
  let sharedBy = 0;
  const ask = (stop: AbortController): Promise<Page> =>
    pages.take(get, stop.signal, () => (sharedBy += 1));
  const asked = stops.map(ask);
  for (const each of asked) each.catch(() => {});
  expect([pages.size, sharedBy]).toEqual([1, 2]);
  stops[0]?.abort(new RangeError("first"));
  await expect(asked[0]).rejects.toThrow("first");
  stops[1]?.abort(new RangeError("second"));
  stops[2]?.abort(new RangeError("third"));
  await expect(asked[2]).rejects.toThrow("third");
  expect(pages.size).toBe(0);
  const again = ask(new AbortController());
  expect([pages.size, sharedBy]).toEqual([1, 2]);
  await fill(storage, chunks.slice(0, 1));
  await clock.advance(LIVE_LINGER_MS);
  expect((await again).topmost).toBe(1n);
  await settle();
  expect(pages.size).toBe(0);
});

test("[PS13] a chunk that does not fit is left for the next page", async () => {
  const { deps, storage } = world();
  const large = chunksInBin(new Uint8Array(32), 0, 3, { size: 1000 });
  await fill(storage, large);
  const profile = { ...ROOKERY_PROFILE, pageBytesMax: 1500 };
  const { signal } = new AbortController();
  const page = await collectPage({ ...deps, profile }, { bin: 0, start: 1n, to: 3n }, signal);
  expect([page.topmost, page.entries.length]).toEqual([1n, 1]);
  const tiny = { ...ROOKERY_PROFILE, pageBytesMax: 10 };
  const one = await collectPage({ ...deps, profile: tiny }, { bin: 0, start: 2n, to: 3n }, signal);
  expect([one.topmost, one.entries.length]).toEqual([2n, 1]);
});

test("[PS3] subscriptions of a bin are not woken for good by others", async () => {
  const { storage } = world();
  const stop = new AbortController();
  const seen: bigint[] = [];
  const reading = (async () => {
    for await (const { binId } of storage.subscribe(31, 1n, { signal: stop.signal }))
      seen.push(binId);
  })();
  await fill(storage, chunksOf(50));
  stop.abort();
  await reading;
  expect(seen).toEqual([]);
});
