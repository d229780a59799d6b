import { describe, expect, test } from "vitest";

import { equalBytes } from "../base/index.ts";
import {
  admitBlobs,
  BlobFlock,
  type BlobPeer,
  hasRow,
  noise,
  putBlob,
  shareBlobs,
} from "../testkit/exchange/blob-flock.ts";
import { CHUNKS } from "../testkit/exchange/raw-exchange.ts";
import { eventually, isConnected, type SharedGroup } from "../testkit/sync-flock.ts";
import type { FetchProgress } from "./fetch.ts";
import { BATCH_BYTES, PEER_WINDOW_BYTES } from "./limits.ts";

const MIB = 1024 * 1024;

/** Two devices that share a group: `ada` writes, `bob` fetches. */
async function pair(
  flock: BlobFlock,
): Promise<{ ada: BlobPeer; bob: BlobPeer; shared: SharedGroup }> {
  const [ada, bob] = [await flock.open("ada"), await flock.open("bob")];
  const shared = await shareBlobs(ada);
  await admitBlobs(ada, bob, shared);
  await eventually(() => isConnected(bob.peer, ada.peer.device));
  return { ada, bob, shared };
}

async function all(progress: AsyncIterable<FetchProgress>): Promise<FetchProgress[]> {
  const seen: FetchProgress[] = [];
  for await (const one of progress) seen.push(one);
  return seen;
}

const done = (size: number, fromLocal = 0): FetchProgress => ({
  state: "done",
  received: size,
  total: size,
  fromLocal,
  peers: 0,
});

describe("fetching", () => {
  test.for([
    ["one byte", 1],
    ["one chunk", 8_000],
    ["one node", 400_000],
    ["two levels", 12_000_000],
  ] as const)("[EX7] [EX9] a blob of %s comes whole", async ([, size]) => {
    await using flock = new BlobFlock();
    const { ada, bob, shared } = await pair(flock);
    const bytes = noise(size);
    const ref = await putBlob(ada, shared, "picture", bytes);
    await hasRow(bob, shared, "picture");

    const seen = await all(bob.exchange.fetch(ref));

    expect(seen.at(-1)).toEqual(done(size));
    expect(seen.map(({ state }) => state)).toContain("fetching");
    expect(await bob.blobs.isWhole(ref)).toBe(true);
    expect(equalBytes(await bob.blobs.bytes(ref), bytes)).toBe(true);
    const before = bob.meter.bytes(CHUNKS);
    expect(await all(bob.exchange.fetch(ref))).toEqual([done(size, size)]);
    expect(bob.meter.bytes(CHUNKS)).toBe(before);
  });

  test("[EX7] the empty blob is here without anybody", async () => {
    await using flock = new BlobFlock();
    const alone = await flock.open("alone");
    const { ref } = await alone.blobs.put([]);
    await using other = new BlobFlock();
    const bob = await other.open("bob");
    expect(await all(bob.exchange.fetch(ref))).toEqual([done(0)]);
  });

  test("[EX9] of an edited blob only what is new travels", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, shared } = await pair(flock);
    const bytes = noise(32 * MIB);
    const first = await putBlob(ada, shared, "picture", bytes);
    await bob.exchange.fetchWhole(first);

    const edits = [
      // One in a hundred bytes, side by side, in the middle.
      { change: noise(bytes.length / 100, 2), at: bytes.length / 2, insert: false },
      // One byte in front.
      { change: Uint8Array.of(7), at: 0, insert: true },
    ];
    for (const [i, { change, at, insert }] of edits.entries()) {
      const edited = Buffer.concat([
        bytes.subarray(0, at),
        change,
        bytes.subarray(at + (insert ? 0 : change.length)),
      ]);
      const before = { chunks: bob.chunks.status(), wire: bob.meter.bytes(CHUNKS) };
      const ref = await putBlob(ada, shared, `edited ${i}`, edited);

      const last = await bob.exchange.fetchWhole(ref);

      const wire = bob.meter.bytes(CHUNKS) - before.wire;
      const stored = bob.chunks.status().bytes - before.chunks.bytes;
      const travelled = last.total - last.fromLocal;
      // The changed bytes, at most two chunks around them, and at most one node a level with its neighbour.
      expect(travelled).toBeLessThanOrEqual(change.length + 2 * 128 * 1024);
      expect(travelled).toBeGreaterThanOrEqual(change.length);
      expect(stored - travelled).toBeLessThan(4 * 16_384);
      expect(wire - stored).toBeLessThan(0.02 * stored + 4_096);
      expect(equalBytes(await bob.blobs.bytes(ref), edited)).toBe(true);
    }
  });

  test("[EX9] [EX10] what has come is not fetched again after a cut, nor by the device's next process", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, shared } = await pair(flock);
    const size = 24 * MIB;
    const ref = await putBlob(ada, shared, "picture", noise(size));
    await hasRow(bob, shared, "picture");

    let cuts = 0;
    for await (const { received } of bob.exchange.fetch(ref)) {
      if (cuts < 2 && received > (cuts + 1) * 6 * MIB) {
        cuts += 1;
        flock.sync.network.cut(ada.peer.device, bob.peer.device);
      }
    }

    expect(cuts).toBe(2);
    // Each cut loses what was under way and what was not stored yet: one window, and two batches.
    const again = bob.meter.bytes(CHUNKS) - size;
    expect(again).toBeLessThan(cuts * (PEER_WINDOW_BYTES + 2 * BATCH_BYTES) + 0.01 * size);
    expect(await bob.blobs.isWhole(ref)).toBe(true);
  });

  test("[EX9] a fetch goes on where the device's last process ended", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, shared } = await pair(flock);
    const size = 24 * MIB;
    const ref = await putBlob(ada, shared, "picture", noise(size));
    await hasRow(bob, shared, "picture");
    for await (const { received } of bob.exchange.fetch(ref)) if (received > 8 * MIB) break;
    await flock.close(bob, { keepsDisk: true });

    const again = await flock.open("bob", { disk: bob.disk });
    const { here } = await again.blobs.status(ref);
    expect(here).toBeGreaterThan(8 * MIB);
    const last = await again.exchange.fetchWhole(ref);

    expect(last).toEqual(done(size, here));
    expect(again.meter.bytes(CHUNKS)).toBeLessThan(1.01 * (size - here));
  });

  test("[EX7] who fetch the same share the work, and it goes on until the last has left", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, shared } = await pair(flock);
    const size = 12 * MIB;
    const ref = await putBlob(ada, shared, "picture", noise(size));
    await hasRow(bob, shared, "picture");
    const leaving = new AbortController();

    const [first, second, third] = [
      all(bob.exchange.fetch(ref, { signal: leaving.signal })),
      bob.exchange.fetchWhole(ref, { onProgress: () => leaving.abort(new Error("enough")) }),
      bob.exchange.fetchWhole(ref),
    ];

    await expect(first).rejects.toThrow("enough");
    expect(await second).toEqual(done(size));
    expect(await third).toEqual(done(size));
    expect(bob.meter.bytes(CHUNKS)).toBeLessThan(1.01 * size);
  });

  test("[EX7] when nobody wants a blob any more it stops, and can be begun again", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, shared } = await pair(flock);
    const size = 24 * MIB;
    const ref = await putBlob(ada, shared, "picture", noise(size));
    await hasRow(bob, shared, "picture");
    for await (const { received } of bob.exchange.fetch(ref)) if (received > 2 * MIB) break;
    const stopped = bob.meter.bytes(CHUNKS);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(bob.meter.bytes(CHUNKS) - stopped).toBeLessThan(PEER_WINDOW_BYTES);

    expect(await bob.exchange.fetchWhole(ref)).toMatchObject({ state: "done", received: size });
  });

  test("[EX8] a blob that nobody connected has is pending, and comes when somebody has it", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, shared } = await pair(flock);
    const ref = await putBlob(ada, shared, "picture", noise(300_000));
    await hasRow(bob, shared, "picture");
    flock.sync.network.partition([ada.peer.device], [bob.peer.device]);
    await eventually(() => !isConnected(bob.peer, ada.peer.device));

    const states = new Set<string>();
    for await (const { state } of bob.exchange.fetch(ref)) {
      states.add(state);
      if (state === "pending") flock.sync.network.heal();
    }

    expect([...states]).toEqual(["locating", "pending", "fetching", "done"]);
  });

  test("[EX8] [EX9] a blob comes from a second device after its author has gone", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, shared } = await pair(flock);
    const cyd = await flock.open("cyd");
    await admitBlobs(ada, cyd, shared);
    const ref = await putBlob(ada, shared, "picture", noise(2 * MIB));
    await hasRow(bob, shared, "picture");
    await bob.exchange.fetchWhole(ref);
    await hasRow(cyd, shared, "picture");
    await eventually(() => isConnected(cyd.peer, bob.peer.device));
    await flock.close(ada);

    expect(await cyd.exchange.fetchWhole(ref)).toEqual(done(2 * MIB));
  });

  test("[EX13] what does not fit here is our own trouble", async () => {
    await using flock = new BlobFlock();
    const { ada, shared } = await pair(flock);
    const tiny = await flock.open("tiny", { capacityBytes: 3 * MIB });
    await admitBlobs(ada, tiny, shared);
    const large = await putBlob(ada, shared, "large", noise(4 * MIB, 3));
    const [one, two] = [
      await putBlob(ada, shared, "one", noise(2 * MIB, 1)),
      await putBlob(ada, shared, "two", noise(2 * MIB, 2)),
    ];
    await hasRow(tiny, shared, "two");
    await eventually(() => isConnected(tiny.peer, ada.peer.device));

    const before = tiny.meter.bytes(CHUNKS);
    await expect(tiny.exchange.fetchWhole(large)).rejects.toMatchObject({ code: "CHUNKS_FULL" });
    expect(tiny.meter.bytes(CHUNKS)).toBe(before);
    await tiny.exchange.fetchWhole(one);
    await expect(tiny.exchange.fetchWhole(two)).rejects.toMatchObject({ code: "CHUNKS_FULL" });

    expect(tiny.peer.sync.peers().filter(({ faults }) => faults > 0)).toEqual([]);
    expect(await tiny.blobs.isWhole(one)).toBe(true);
    expect(await tiny.blobs.isWhole(two)).toBe(false);
  });

  test("[EX7] closing ends what is under way with a code", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, shared } = await pair(flock);
    const ref = await putBlob(ada, shared, "picture", noise(8 * MIB));
    await hasRow(bob, shared, "picture");
    const fetching = bob.exchange.fetchWhole(ref);
    await Promise.all([
      expect(fetching).rejects.toMatchObject({ code: "EXCHANGE_CLOSED" }),
      bob.exchange.close(),
    ]);
    await expect(bob.exchange.fetchWhole(ref)).rejects.toMatchObject({ code: "EXCHANGE_CLOSED" });
  });
});
