import type { VerifiedChunk } from "../../chunks/index.ts";
import type { PullStorage } from "../../pullsync/index.ts";
import { BIN_ID_MAX, BINS, entryOf, proximity } from "../../pullsync/index.ts";
import { deepEqual, equal, holds, type Rule } from "../expect.ts";
import {
  chunksInBin,
  chunksOf,
  entriesFrom,
  fill,
  namesOf,
  type PullSide,
  pulled,
  type PullWorld,
} from "./pull-world.ts";

/** Bin IDs that a subscription gives until it is ended. */
async function take(
  storage: PullStorage,
  bin: number,
  start: bigint,
  signal: AbortSignal,
  into: bigint[],
): Promise<void> {
  for await (const { binId } of storage.subscribe(bin, start, { signal })) into.push(binId);
}

const idsOf = async (
  { storage }: PullSide,
  bin: number,
  start: bigint,
  to: bigint,
): Promise<string> => (await entriesFrom(storage, bin, start, to)).map(({ binId }) => binId).join();

/** What a `PullStorage` must do, whatever keeps its chunks: [PS1] to [PS5]. */
export const pullStorageRules: readonly Rule<PullWorld>[] = [
  {
    id: "PS1",
    says: "a chunk lies in the bin of its proximity to the overlay",
    async check(world) {
      const { storage, overlay } = await world.open();
      const chunks = chunksOf(60);
      await fill(storage, chunks);
      const cursors = await storage.cursors();
      equal(cursors.length, BINS, "cursors");
      for (let bin = 0; bin < BINS; bin++) {
        const here = chunks.filter(({ address }) => proximity(overlay, address) === bin);
        equal(cursors[bin], BigInt(here.length), `cursor of bin ${bin}`);
        const listed = await entriesFrom(storage, bin, 1n, cursors[bin] as bigint);
        deepEqual(namesOf(listed.map(({ entry }) => entry)), namesOf(here), `bin ${bin}`);
      }
    },
  },
  {
    id: "PS2",
    says: "numbers of a bin begin at 1, follow the order of arrival, and are not given again for what has left",
    async check(world) {
      const side = await world.open();
      const chunks = chunksInBin(side.overlay, 1, 4);
      await fill(side.storage, chunks.slice(0, 3));
      const entries = await entriesFrom(side.storage, 1, 1n, 3n);
      deepEqual(
        entries.map(({ binId }) => binId),
        [1n, 2n, 3n],
      );
      deepEqual(
        entries.map(({ entry }) => entry.address),
        chunks.slice(0, 3).map(({ address }) => address),
      );
      equal(entries[0]?.size, chunks[0]?.bytes.length, "size");
      await side.lose(chunks.slice(1, 3));
      await world.breathe();
      await fill(side.storage, [chunks[3], chunks[2]] as typeof chunks);
      equal((await side.storage.cursors())[1], 5n, "cursor");
      equal(await idsOf(side, 1, 1n, 5n), "1,4,5");
    },
  },
  {
    id: "PS3",
    says: "a subscription gives exactly what lies in its range, from 0 the same as from 1",
    async check(world) {
      const side = await world.open();
      await fill(side.storage, chunksInBin(side.overlay, 0, 50));
      const all = Array.from({ length: 50 }, (_, i) => i + 1).join();
      equal(await idsOf(side, 0, 0n, 50n), all);
      equal(await idsOf(side, 0, 1n, 50n), all);
      equal(await idsOf(side, 0, 1n, 1n), "1");
      equal(await idsOf(side, 0, 2n, 2n), "2");
      equal(await idsOf(side, 0, 0n, 10n), "1,2,3,4,5,6,7,8,9,10");
      equal(await idsOf(side, 0, 49n, 50n), "49,50");
    },
  },
  {
    id: "PS3",
    says: "behind the last number it waits for the next ones, and an abort ends it without an error",
    async check(world) {
      const { storage, overlay } = await world.open();
      const chunks = chunksInBin(overlay, 0, 6);
      await fill(storage, chunks.slice(0, 2));
      const [ids, late, stop]: [bigint[], bigint[], AbortController] = [
        [],
        [],
        new AbortController(),
      ];
      const taking = [
        take(storage, 0, 1n, stop.signal, ids),
        take(storage, 0, 4n, stop.signal, late),
      ];
      await world.breathe();
      await fill(storage, chunks.slice(2, 5));
      for (let n = 0; n < 100 && ids.length < 5; n++) await world.breathe();
      deepEqual(ids, [1n, 2n, 3n, 4n, 5n]);
      deepEqual(late, [4n, 5n]);
      stop.abort();
      await Promise.all(taking);
      await fill(storage, chunks.slice(5));
      equal(ids.length, 5, "what came after the abort");
    },
  },
  {
    id: "PS3",
    says: "with an end beyond the cursor it waits, and ends with the number that reaches it",
    async check(world) {
      const side = await world.open();
      const chunks = chunksInBin(side.overlay, 0, 3);
      await fill(side.storage, chunks.slice(0, 1));
      const ids = idsOf(side, 0, 1n, 3n);
      let isOver = false;
      void ids.then(() => (isOver = true));
      await world.breathe();
      holds(!isOver, "a subscription that waits");
      await fill(side.storage, chunks.slice(1));
      equal(await ids, "1,2,3");
    },
  },
  {
    id: "PS4",
    says: "an epoch is a number from 1 below 2^53, and the same as long as the reserve is",
    async check(world) {
      const { storage } = await world.open();
      const epoch = await storage.epoch();
      holds(epoch > 0n && epoch <= BIN_ID_MAX, "an epoch of 53 bits");
      await fill(storage, chunksOf(3));
      equal(await storage.epoch(), epoch);
      const other = await world.open();
      holds((await other.storage.epoch()) !== epoch, "another epoch of another reserve");
    },
  },
  {
    id: "PS5",
    says: "what is put is there, with its bytes; twice it is a duplicate and gets no number",
    async check(world) {
      const { storage, overlay } = await world.open();
      const [one, two] = chunksInBin(overlay, 0, 2) as [VerifiedChunk, VerifiedChunk];
      const entries = [one, two].map(({ address }) => entryOf(address));
      deepEqual(await storage.put([pulled(one)]), ["stored"]);
      deepEqual(await storage.put([one, two, two].map(pulled)), [
        "duplicate",
        "stored",
        "duplicate",
      ]);
      equal((await storage.cursors())[0], 2n, "cursor");
      deepEqual(await storage.has([...entries, entryOf(new Uint8Array(32))]), [true, true, false]);
      const got = await storage.get([...entries, entryOf(new Uint8Array(32))]);
      deepEqual(got[0]?.bytes, one.bytes);
      equal(got[2], undefined);
      holds(storage.within(one.address), "an address within its area");
    },
  },
  {
    id: "PS5",
    says: "a seal is called once with the write, knows what the write stores, and its failure stores nothing",
    async check(world) {
      const { storage } = await world.open();
      const [one, two] = chunksOf(2) as [VerifiedChunk, VerifiedChunk];
      const told: unknown[] = [];
      await storage.put([pulled(one)], {
        seal: async (write, outcomes) => {
          const has = await write.has([one, two].map(({ address }) => entryOf(address)));
          told.push([has, outcomes]);
        },
      });
      await storage.put([], { seal: async (_, outcomes) => void told.push(outcomes) });
      deepEqual(told, [[[true, false], ["stored"]], []]);
      const failing = storage.put([pulled(two)], {
        seal: () => Promise.reject(new RangeError("not sealed")),
      });
      let failure: unknown;
      await failing.catch((error: unknown) => (failure = error));
      holds(failure instanceof RangeError, "a put that fails with its seal");
      deepEqual(await storage.has([entryOf(two.address)]), [false]);
    },
  },
];
