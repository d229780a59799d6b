import { describe, expect, test } from "vitest";

import {
  BlobRef,
  type DeviceId,
  deviceIdOf,
  equalBytes,
  type ScopeId,
  toHex,
} from "../base/index.ts";
import { CONTENT, verifyChunk } from "../chunks/index.ts";
import { nodeClock, nodeCrypto, nodeRandom } from "../node/index.ts";
import {
  admitBlobs,
  BlobFlock,
  type BlobPeer,
  type BlobPeerOptions,
  hasRow,
  noise,
  openExchange,
  putBlob,
  shareBlobs,
} from "../testkit/exchange/blob-flock.ts";
import { FakeClock } from "../testkit/index.ts";
import { eventually, isConnected, todosOf } from "../testkit/sync-flock.ts";
import { KEEPER_FETCHES_MAX, KEEPER_PATIENCE_MS } from "./limits.ts";
import { isNearest } from "./nearest.ts";

const crypto = nodeCrypto();

/** Notes what was placed, as `group root`. */
function placing(placed: string[]): BlobPeerOptions {
  return {
    place: async (group: ScopeId, ref: BlobRef) =>
      void placed.push(`${group.name} ${toHex(ref.root)}`),
  };
}

/** Which of two devices is nearest to a root. */
function nearestOf(root: Uint8Array, a: DeviceId, b: DeviceId): DeviceId {
  return isNearest(crypto, root, a, [b]) ? a : b;
}

/** Copies what a blob is made of, as pull-sync would. */
async function copyChunks(from: BlobPeer, to: BlobPeer, ref: BlobRef): Promise<void> {
  for await (const page of from.blobs.addresses(ref)) {
    const found = await from.chunks.getMany(CONTENT, page);
    await to.chunks.put(
      page.flatMap((address, i) => {
        const bytes = found[i];
        const chunk = bytes && verifyChunk(crypto, { kind: CONTENT, address }, bytes);
        return chunk === undefined ? [] : [chunk];
      }),
    );
  }
}

describe("storage peers", () => {
  test("[EX15] rows that lie of a blob keep it from nobody, whether they come before or after the one that is right", async () => {
    await using flock = new BlobFlock();
    const [ada, server] = [await flock.open("ada"), await flock.open("server")];
    const shared = await shareBlobs(ada);
    const todos = await todosOf(ada.peer, shared);
    const { ref } = await ada.blobs.put([noise(300_000)]);
    const { root, size, depth } = ref;
    const lies = [size - 1, size + 1].map((s) => new BlobRef({ root, size: s, depth, chunker: 1 }));
    // No blob can be as these say.
    const impossible = [
      new BlobRef({ root, size: 2 ** 40, depth: 1, chunker: 1 }),
      new BlobRef({ root, size: 0, depth: 0, chunker: 1 }),
    ];
    await todos.put("a lie", lies[0]!);
    await todos.put("b right", ref);
    await todos.put("c lie", lies[1]!);
    for (const [i, one] of impossible.entries()) await todos.put(`d ${i}`, one);
    await admitBlobs(ada, server, shared, "server");
    await eventually(() => server.blobs.isWhole(ref));
    await eventually(() => server.exchange.keeperStatus().whole === 1);
    expect(server.exchange.keeperStatus().wanted).toBe(3);

    // The same rows are found when it starts anew.
    await flock.close(server, { keepsDisk: true });
    const again = await flock.open("server", { disk: server.disk });
    await eventually(() => again.exchange.keeperStatus().whole === 1);
    expect(again.exchange.keeperStatus().wanted).toBe(3);
  });

  test("[EX15] [EX17] a storage peer brings what its groups name and gives it its place; others do not", async () => {
    await using flock = new BlobFlock();
    const placed: string[] = [];
    const [ada, bob] = [await flock.open("ada"), await flock.open("bob")];
    const server = await flock.open("server", placing(placed));
    const shared = await shareBlobs(ada);
    const before = await putBlob(ada, shared, "before", noise(300_000, 1));
    await admitBlobs(ada, bob, shared);
    await admitBlobs(ada, server, shared, "server");
    const after = await putBlob(ada, shared, "after", noise(3_000_000, 2));
    const elsewhere = (await ada.peer.database("notes")).collection("elsewhere");
    const { ref: unshared } = await ada.blobs.put([noise(10_000, 3)]);
    await elsewhere.put("unshared", unshared);

    await eventually(() => server.exchange.keeperStatus().whole === 2);

    expect(server.exchange.keeperStatus()).toEqual({
      wanted: 2,
      whole: 2,
      fetching: 0,
      lastError: undefined,
    });
    for (const ref of [before, after]) expect(await server.blobs.isWhole(ref)).toBe(true);
    expect(placed.toSorted()).toEqual(
      [before, after].map(({ root }) => `home ${toHex(root)}`).toSorted(),
    );
    await hasRow(bob, shared, "after");
    expect(bob.exchange.keeperStatus()).toMatchObject({ wanted: 0, whole: 0 });
    expect(bob.chunks.status().chunks).toBe(0);
  });

  test("[EX15] [EX17] what was not brought before is brought by the next process, and placed anew", async () => {
    await using flock = new BlobFlock();
    const placed: string[] = [];
    const ada = await flock.open("ada");
    const server = await flock.open("server", placing(placed));
    const shared = await shareBlobs(ada);
    await admitBlobs(ada, server, shared, "server");
    const one = await putBlob(ada, shared, "one", noise(300_000, 1));
    await eventually(() => placed.length === 1);
    await flock.close(server, { keepsDisk: true });
    const waiting = await flock.open("server", { disk: server.disk, fetchesByItself: false });
    const two = await putBlob(ada, shared, "two", noise(300_000, 2));
    await hasRow(waiting, shared, "two");
    await flock.close(waiting, { keepsDisk: true });

    const again = await flock.open("server", { disk: server.disk, ...placing(placed) });
    await eventually(() => again.exchange.keeperStatus().whole === 2);

    expect(await again.blobs.isWhole(two)).toBe(true);
    expect(placed.toSorted()).toEqual(
      [one, one, two].map(({ root }) => `home ${toHex(root)}`).toSorted(),
    );
  });

  test("[EX16] the nearest storage peer fetches at once, the others when nothing has come for a while", async () => {
    await using flock = new BlobFlock();
    const clock = new FakeClock(Date.now());
    const ada = await flock.open("ada");
    const [x, y] = [await flock.open("x", { clock }), await flock.open("y", { clock })];
    const shared = await shareBlobs(ada);
    for (const one of [x, y]) {
      const joining = admitBlobs(ada, one, shared, "server");
      await passUntil(clock, joining);
    }
    await passTime(clock, () => isConnected(x.peer, y.peer.device));
    const knowsBoth = (one: BlobPeer): boolean =>
      one.peer.sync.members(shared.group).filter(({ type }) => type === "server").length === 2;
    await passTime(clock, () => knowsBoth(x) && knowsBoth(y));
    const ref = await putBlob(ada, shared, "picture", noise(300_000));
    const isX = nearestOf(ref.root, x.peer.device, y.peer.device) === x.peer.device;
    const [near, far] = isX ? [x, y] : [y, x];

    await passTime(clock, () => near.exchange.keeperStatus().whole === 1);
    await passTime(clock, () => far.exchange.keeperStatus().wanted === 1);
    const at = clock.monotonic();
    expect(far.exchange.keeperStatus().whole).toBe(0);
    expect(far.chunks.status().chunks).toBe(0);

    const hasBegun = (): boolean => {
      const { fetching, whole } = far.exchange.keeperStatus();
      return fetching + whole > 0;
    };
    const isOver = (): boolean => clock.monotonic() - at >= 1.2 * KEEPER_PATIENCE_MS;
    await passTime(clock, () => hasBegun() || isOver());
    expect(clock.monotonic() - at).toBeGreaterThan(KEEPER_PATIENCE_MS / 2);
    // Time stands still: what is due by now comes, however slow the machine, and nothing later does.
    await eventually(hasBegun);
    await passTime(clock, () => far.exchange.keeperStatus().whole === 1);
    expect(await far.blobs.isWhole(ref)).toBe(true);
  });

  test("[EX17] what came by pull-sync is placed, also where own fetching is switched off", async () => {
    await using flock = new BlobFlock();
    const placed: string[] = [];
    const ada = await flock.open("ada");
    const server = await flock.open("server", { ...placing(placed), fetchesByItself: false });
    const shared = await shareBlobs(ada);
    await admitBlobs(ada, server, shared, "server");
    const ref = await putBlob(ada, shared, "picture", noise(2_000_000));
    await eventually(() => server.exchange.keeperStatus().wanted === 1);
    await eventually(() => isConnected(server.peer, ada.peer.device));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(server.chunks.status().chunks).toBe(0);

    await copyChunks(ada, server, ref);
    server.exchange.noteStored();

    await eventually(() => placed.length > 0);
    expect(placed).toEqual([`home ${toHex(ref.root)}`]);
    expect(server.meter.bytes("/chunks/")).toBe(0);
  });

  test("[EX17] a place that could not be given is given later, and each group's own", async () => {
    await using flock = new BlobFlock();
    const placed: string[] = [];
    let fails = 1;
    const ada = await flock.open("ada");
    const server = await flock.open("server", {
      place: async ({ name }) => {
        if (fails-- > 0) throw new Error("no place now");
        placed.push(name);
      },
    });
    const shared = await shareBlobs(ada);
    const second = await shareBlobs(ada, { name: "second" });
    await admitBlobs(ada, server, shared, "server");
    await putBlob(ada, shared, "picture", noise(20_000));
    await eventually(() => placed.length === 1);
    expect(placed).toEqual(["home"]);

    await admitBlobs(ada, server, second, "server");
    await eventually(() => placed.includes("second"));
  });

  test("[EX17] a group that comes to name a blob while it is being placed gets its own place", async () => {
    await using flock = new BlobFlock();
    const placed: string[] = [];
    const gate = Promise.withResolvers<void>();
    const ada = await flock.open("ada");
    const server = await flock.open("server", {
      place: async ({ name }) => {
        placed.push(name);
        await gate.promise;
      },
    });
    const shared = await shareBlobs(ada);
    const second = await shareBlobs(ada, { name: "second" });
    await admitBlobs(ada, server, shared, "server");
    await putBlob(ada, shared, "picture", noise(20_000));
    await eventually(() => placed.length === 1);
    await admitBlobs(ada, server, second, "server");
    await new Promise((resolve) => setTimeout(resolve, 200));
    gate.resolve();
    await eventually(() => placed.includes("second"));
  });

  test("[EX15] [EX17] what has been damaged on the disk is brought again", async () => {
    await using flock = new BlobFlock();
    const placed: string[] = [];
    const [ada, server] = [await flock.open("ada"), await flock.open("server", placing(placed))];
    const shared = await shareBlobs(ada);
    await admitBlobs(ada, server, shared, "server");
    const ref = await putBlob(ada, shared, "picture", noise(8_000_000));
    await eventually(() => placed.length === 1);
    const { files } = server.disk;
    const size = await files.size(1);
    const bytes = await files.read(1, 0, size);
    const middle = Math.floor(size / 2);
    bytes[middle] = (bytes[middle] as number) ^ 1;
    await files.append(1, 0, [bytes]);

    await expect(server.blobs.bytes(ref)).rejects.toMatchObject({ code: "BLOB_NOT_HERE" });

    await eventually(() => placed.length === 2);
    const both = [await server.blobs.bytes(ref), await ada.blobs.bytes(ref)];
    expect(equalBytes(...(both as [Uint8Array, Uint8Array]))).toBe(true);
    expect(server.exchange.keeperStatus()).toMatchObject({ wanted: 1, whole: 1 });
  });

  test("[EX15] blobs that nobody has do not keep others waiting", async () => {
    await using flock = new BlobFlock();
    const ada = await flock.open("ada");
    const server = await flock.open("server");
    const shared = await shareBlobs(ada);
    await admitBlobs(ada, server, shared, "server");
    const todos = await todosOf(ada.peer, shared);
    for (let i = 0; i < 2 * KEEPER_FETCHES_MAX; i++) {
      const root = nodeRandom().bytes(32);
      await todos.put(`nobody ${i}`, new BlobRef({ root, size: 5_000, depth: 0, chunker: 1 }));
    }
    const ref = await putBlob(ada, shared, "picture", noise(300_000));

    await eventually(() => server.blobs.isWhole(ref));
    await eventually(() => server.exchange.keeperStatus().whole === 1);
    expect(server.exchange.keeperStatus().wanted).toBe(2 * KEEPER_FETCHES_MAX + 1);
  });

  test("[EX15] for a paused database nothing is fetched, until it is resumed", async () => {
    await using flock = new BlobFlock();
    const ada = await flock.open("ada");
    const server = await flock.open("server");
    const shared = await shareBlobs(ada);
    await admitBlobs(ada, server, shared, "server");
    await ada.exchange.close();
    const ref = await putBlob(ada, shared, "picture", noise(300_000));
    await eventually(() => server.exchange.keeperStatus().wanted === 1);
    await server.peer.sync.pause("notes");
    const { store } = ada.disk;
    const { exchange } = await openExchange({
      peer: ada.peer,
      store,
      chunks: ada.chunks,
      clock: nodeClock(),
      logger: () => {},
    });
    const before = server.meter.bytes("/chunks/");
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(server.exchange.keeperStatus()).toMatchObject({ wanted: 1, whole: 0, fetching: 0 });
    expect(server.meter.bytes("/chunks/")).toBe(before);

    await server.peer.sync.resume("notes");
    await eventually(() => server.blobs.isWhole(ref));
    await exchange.close();
  });

  test("[EX16] nearest is by exclusive or of overlay and root", () => {
    const [a, b] = ["a", "b"].map((name) => deviceNamed(name)) as [DeviceId, DeviceId];
    const overlay = crypto.sha256(keyOf("a"));
    expect(isNearest(crypto, overlay, a, [b])).toBe(true);
    expect(isNearest(crypto, overlay, b, [a])).toBe(false);
    expect(isNearest(crypto, overlay, b, [])).toBe(true);
    expect(isNearest(crypto, overlay, b, [b])).toBe(true);
    // Every other bit counts less than the first.
    const far = overlay.map((byte, i) => (i === 0 ? byte ^ 0x80 : byte));
    expect(isNearest(crypto, far, a, [b])).toBe(
      ((crypto.sha256(keyOf("b"))[0] as number) ^ (far[0] as number)) > 0x80,
    );
  });
});

/** Lets time pass until a promise has resolved. */
async function passUntil(clock: FakeClock, promise: Promise<void>): Promise<void> {
  let isOver = false;
  void promise.finally(() => (isOver = true));
  await passTime(clock, () => isOver);
  await promise;
}

/** Lets time pass until `condition` holds: not much faster than what is real needs, however busy the machine is. */
async function passTime(clock: FakeClock, condition: () => boolean): Promise<void> {
  while (!condition()) {
    await clock.advance(15);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function keyOf(name: string): Uint8Array {
  return crypto.sha256(new TextEncoder().encode(name));
}

function deviceNamed(name: string): DeviceId {
  return deviceIdOf(keyOf(name));
}
