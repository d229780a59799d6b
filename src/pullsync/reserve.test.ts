import { expect, test } from "vitest";
import {
  type ChunkStore,
  CONTENT,
  memoryChunkFiles,
  openChunkStore,
  type VerifiedChunk,
} from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import type { Store } from "../store/index.ts";
import {
  brokenDiskError,
  FaultyChunkFiles,
  fullDiskError,
  memoryStoreWorld,
  recovered,
  rejects,
  seededRandom,
  settle,
  type StoreWorld,
} from "../testkit/index.ts";
import {
  chunksInBin,
  chunksOf,
  contentOfReserve,
  entriesFrom,
  namesOf,
  pulled,
} from "../testkit/pullsync/pull-world.ts";
import { damageChunk } from "../testkit/pullsync/pull-worlds.ts";
import { entryOf } from "./entry.ts";
import { rangesOf } from "./records.ts";
import { Reserve } from "./reserve.ts";

const crypto = nodeCrypto();
const OVERLAY = new Uint8Array(32);
const [NETWORK, OTHER] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

interface Disk {
  readonly below: StoreWorld;
  readonly files: FaultyChunkFiles;
  readonly store: Store;
  readonly chunks: ChunkStore;
  open(network?: Uint8Array): Promise<Reserve>;
  close(): Promise<void>;
}

/** A chunk store on a medium that can fail, and what of it the next opening finds. */
async function openDisk(
  below = memoryStoreWorld(),
  files = new FaultyChunkFiles(memoryChunkFiles()),
): Promise<Disk> {
  const store = await below.open();
  const chunks = await openChunkStore({ store, files, crypto });
  const random = seededRandom(4);
  return {
    below,
    files,
    store,
    chunks,
    open: (network = NETWORK) =>
      Reserve.open({ store, chunks, random, logger: () => {} }, { network, overlay: OVERLAY }),
    async close() {
      await chunks.close();
      await store.close();
    },
  };
}

const put = (reserve: Reserve, chunks: readonly VerifiedChunk[]) => reserve.put(chunks.map(pulled));
const idsOf = async (reserve: Reserve, bin: number, to: bigint): Promise<number[]> =>
  (await entriesFrom(reserve, bin, 1n, to)).map(({ binId }) => Number(binId));

test("[PS4] [PS41] what was given is known again after a restart: numbers go on, the epoch is the same", async () => {
  const first = await openDisk();
  const reserve = await first.open();
  const chunks = chunksInBin(OVERLAY, 2, 7);
  await put(reserve, chunks.slice(0, 5));
  const epoch = await reserve.epoch();
  await reserve.close();
  await first.close();
  const disk = await openDisk(first.below, first.files);
  const again = await disk.open();
  expect(await again.epoch()).toBe(epoch);
  expect((await again.cursors())[2]).toBe(5n);
  expect(await put(again, chunks)).toEqual([
    ...Array<string>(5).fill("duplicate"),
    "stored",
    "stored",
  ]);
  expect(await idsOf(again, 2, 7n)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test("[PS40] a chunk of two networks is one body, and what is here for one is not in the other", async () => {
  const disk = await openDisk();
  const [one, two] = [await disk.open(), await disk.open(OTHER)];
  expect([one.number, two.number]).toEqual([1, 2]);
  expect(await one.epoch()).not.toBe(await two.epoch());
  const chunks = chunksOf(10);
  const entries = chunks.map(({ address }) => entryOf(address));
  await put(one, chunks);
  expect(await two.has(entries)).toEqual(Array(10).fill(false));
  expect(await two.get(entries)).toEqual(Array(10).fill(undefined));
  expect(await two.cursors()).toEqual(Array(32).fill(0n));
  const before = disk.chunks.status().packBytes;
  expect(await put(two, chunks.slice(0, 4))).toEqual(Array(4).fill("stored"));
  expect(disk.chunks.status().packBytes).toBe(before);
  expect(await contentOfReserve(two)).toEqual(namesOf(chunks.slice(0, 4)));
  const found = await disk.chunks.entries(CONTENT, [chunks[0]!.address]);
  expect(found[0]?.places.map(({ network }) => network)).toEqual([1, 2]);
});

test("[PS41] a number is not shown before its write and all before it are durable", async () => {
  const disk = await openDisk();
  const reserve = await disk.open();
  const chunks = chunksInBin(OVERLAY, 0, 4);
  const seen: number[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const { binId } of reserve.subscribe(0, 1n, { signal: stop.signal }))
      seen.push(Number(binId));
  })();
  const release = disk.below.medium.holdWrites();
  const putting = [put(reserve, chunks.slice(0, 2)), put(reserve, chunks.slice(2))];
  await settle();
  await settle();
  expect((await reserve.cursors())[0]).toBe(0n);
  expect(seen).toEqual([]);
  release();
  await Promise.all(putting);
  await settle();
  expect(seen).toEqual([1, 2, 3, 4]);
  stop.abort();
  await reading;
});

test.for([
  ["a full disk", fullDiskError()] as const,
  ["a broken disk", brokenDiskError()] as const,
])(
  "[PS2] [PS41] %s: a write that fails and is not there leaves its numbers out",
  async ([, error]) => {
    const disk = await openDisk();
    const reserve = await disk.open();
    const chunks = chunksInBin(OVERLAY, 0, 6);
    await put(reserve, chunks.slice(0, 2));
    disk.below.medium.failWrite({ error });
    await expect(put(reserve, chunks.slice(2, 4))).rejects.toThrow();
    expect((await reserve.cursors())[0]).toBe(2n);
    await recovered(disk.store, disk.below.clock);
    await put(reserve, chunks.slice(4));
    expect(await idsOf(reserve, 0, 6n)).toEqual([1, 2, 5, 6]);
    expect(await put(reserve, chunks)).toEqual([
      "duplicate",
      "duplicate",
      "stored",
      "stored",
      "duplicate",
      "duplicate",
    ]);
    expect(await contentOfReserve(reserve)).toEqual(namesOf(chunks));
  },
);

test("[PS41] a write that fails and turns out to be there is shown, to who waits too", async () => {
  const disk = await openDisk();
  const reserve = await disk.open();
  const chunks = chunksInBin(OVERLAY, 0, 4);
  await put(reserve, chunks.slice(0, 2));
  const seen: number[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const { binId } of reserve.subscribe(0, 1n, { signal: stop.signal }))
      seen.push(Number(binId));
  })();
  disk.below.medium.failWrite({ error: brokenDiskError(), isApplied: true });
  await expect(put(reserve, chunks.slice(2))).rejects.toThrow();
  expect(seen).toEqual([1, 2]);
  await recovered(disk.store, disk.below.clock);
  for (let n = 0; n < 20; n++) await settle();
  expect(seen).toEqual([1, 2, 3, 4]);
  expect((await reserve.cursors())[0]).toBe(4n);
  expect(await put(reserve, chunks)).toEqual(Array(4).fill("duplicate"));
  stop.abort();
  await reading;
});

test("[PS42] a damaged chunk leaves the reserve, is told, and gets a new number when it comes again", async () => {
  const disk = await openDisk();
  const reserve = await disk.open();
  const chunks = chunksInBin(OVERLAY, 1, 3);
  await put(reserve, chunks);
  const lost: Uint8Array[] = [];
  reserve.watch({
    storing: () => {},
    stored: () => {},
    lost: (entries) => lost.push(...entries.map(({ address }) => address)),
  });
  const addresses = chunks.map(({ address }) => address);
  await reserve.place(addresses, { root: addresses[0]! });
  expect(await reserve.isPlaced(addresses[0]!)).toBe(true);
  await damageChunk(disk.files, disk.chunks, chunks[1]!);
  for (let n = 0; n < 20 && lost.length === 0; n++) await settle();
  expect(lost).toEqual([chunks[1]!.address]);
  expect(await reserve.has([entryOf(chunks[1]!.address)])).toEqual([false]);
  // A blob with that chunk is to be placed again when it is whole again.
  expect(await reserve.isPlaced(chunks[0]!.address)).toBe(false);
  expect(await idsOf(reserve, 1, 3n)).toEqual([1, 3]);
  expect(await put(reserve, [chunks[1]!])).toEqual(["stored"]);
  expect(await idsOf(reserve, 1, 4n)).toEqual([1, 3, 4]);
});

test("[PS42] what was lost while nobody listened is found when somebody asks for it, or by looking", async () => {
  const disk = await openDisk();
  const reserve = await disk.open();
  const chunks = chunksInBin(OVERLAY, 1, 6);
  await put(reserve, chunks);
  const lost: Uint8Array[] = [];
  reserve.watch({
    storing: () => {},
    stored: () => {},
    lost: (entries) => lost.push(...entries.map(({ address }) => address)),
  });
  const gone = chunks.slice(1, 3).map(({ address }) => address);
  await disk.chunks.delete(CONTENT, gone);
  expect(await idsOf(reserve, 1, 6n)).toEqual([1, 2, 3, 4, 5, 6]);
  const [asked] = await reserve.get([entryOf(gone[0]!)]);
  expect(asked).toBeUndefined();
  for (let n = 0; n < 50 && lost.length < 2; n++) await settle();
  expect(lost).toEqual(gone);
  expect(await idsOf(reserve, 1, 6n)).toEqual([1, 4, 5, 6]);
  await disk.chunks.delete(CONTENT, [chunks[5]!.address]);
  expect(await reserve.verify()).toBe(1);
  expect(await reserve.verify()).toBe(0);
  expect(await idsOf(reserve, 1, 6n)).toEqual([1, 4, 5]);
});

test("[PS43] chunks that are here are placed once, and the blob when all of it is here", async () => {
  const disk = await openDisk();
  const reserve = await disk.open();
  const chunks = chunksOf(20);
  const addresses = chunks.map(({ address }) => address);
  const root = addresses[0]!;
  await disk.chunks.put(chunks.slice(0, 15));
  expect(await reserve.place(addresses.slice(0, 5))).toEqual({ placed: 5, absent: [] });
  expect(await reserve.place(addresses, { root })).toEqual({
    placed: 10,
    absent: addresses.slice(15),
  });
  expect(await reserve.isPlaced(root)).toBe(false);
  await put(reserve, chunks.slice(15, 18));
  await disk.chunks.put(chunks.slice(18));
  expect(await reserve.place(addresses, { root })).toEqual({ placed: 2, absent: [] });
  expect(await reserve.isPlaced(root)).toBe(true);
  expect(await reserve.isPlaced(addresses[1]!)).toBe(false);
  expect(await reserve.place(addresses, { root })).toEqual({ placed: 0, absent: [] });
  const given = (await reserve.cursors()).reduce((sum, cursor) => sum + cursor, 0n);
  expect(given).toBe(20n);
  expect(await contentOfReserve(reserve)).toEqual(namesOf(chunks));
  expect(await reserve.summary()).toMatchObject({ chunks: 20 });
});

test("[PS44] a reserve made anew has nothing, another number and epoch; the other network keeps its own", async () => {
  const disk = await openDisk();
  const [reserve, other] = [await disk.open(), await disk.open(OTHER)];
  const chunks = chunksOf(10);
  await put(reserve, chunks);
  await put(other, chunks);
  const epoch = await reserve.epoch();
  await reserve.wipe();
  for (const range of rangesOf(1))
    for await (const { key } of disk.store.scan(range)) expect(key).toBeUndefined();
  await rejects(put(reserve, chunks), "PULLSYNC_CLOSED");
  const anew = await disk.open();
  expect(anew.number).toBe(3);
  expect(await anew.epoch()).not.toBe(epoch);
  expect(await anew.cursors()).toEqual(Array(32).fill(0n));
  expect(await anew.has(chunks.map(({ address }) => entryOf(address)))).toEqual(
    Array(10).fill(false),
  );
  expect(await anew.place(chunks.map(({ address }) => address))).toMatchObject({ placed: 10 });
  expect(await contentOfReserve(other)).toEqual(namesOf(chunks));
});

test("[PS40] networks that are opened at the same time have numbers of their own", async () => {
  const disk = await openDisk();
  const reserves = await Promise.all(
    Array.from({ length: 5 }, (_, i) => disk.open(new Uint8Array(32).fill(10 + i))),
  );
  expect(new Set(reserves.map(({ number }) => number)).size).toBe(5);
});

test("[PS3] closing a reserve ends who waits", async () => {
  const disk = await openDisk();
  const reserve = await disk.open();
  const reading = (async () => {
    for await (const entry of reserve.subscribe(0, 1n)) expect(entry).toBeUndefined();
  })();
  await settle();
  await reserve.close();
  await reading;
});
