import { type ChunkName, CONTENT, type VerifiedChunk } from "../../chunks/index.ts";
import { deepEqual, equal, holds, rejects, rejectsNamed, type Rule } from "../expect.ts";
import { brokenDiskError, recovered } from "../stores.ts";
import {
  addressesOf,
  brokenFilesError,
  type ChunkWorld,
  HEADER_BYTES,
  holdsAll,
  holdsNone,
  RECORD_BYTES,
  sampleChunk,
  sampleChunks,
} from "./chunk-world.ts";

/** Where record `index` of equal ones begins in the first pack. */
const recordAt = (index: number, size: number): number =>
  HEADER_BYTES + index * (RECORD_BYTES + size);

/** Rules of reading and of damage: [CH8], [CH15], [CH16], [CH23]. */
export const chunkReadRules: readonly Rule<ChunkWorld>[] = [
  {
    id: "CH15",
    says: "answers come in the order asked, the same chunk twice too, and undefined for what is not here",
    async check(world) {
      await using opened = await world.open();
      const made = sampleChunks(0, 20);
      await opened.chunks.put(made.slice(0, 15));
      const asked = [7, 3, 18, 3, 0, 19, 14].map((i) => made[i] as VerifiedChunk);
      const isHere = asked.map((chunk) => made.indexOf(chunk) < 15);
      const addresses = addressesOf(asked);
      deepEqual(await opened.chunks.has(CONTENT, addresses), isHere);
      deepEqual(
        await opened.chunks.getMany(CONTENT, addresses),
        asked.map(({ bytes }, i) => (isHere[i] ? bytes : undefined)),
      );
      deepEqual(
        await opened.chunks.entries(CONTENT, addresses),
        asked.map(({ bytes }, i) => (isHere[i] ? { size: bytes.length, places: [] } : undefined)),
      );
      deepEqual(await opened.chunks.getMany(CONTENT, []), []);
    },
  },
  {
    id: "CH15",
    says: "a range is answered as far as the chunk goes",
    async check(world) {
      await using opened = await world.open();
      const chunk = sampleChunk(1, 1_000);
      await opened.chunks.put([chunk]);
      for (const [start, end] of [
        [0, 1_000],
        [0, 0],
        [10, 20],
        [990, 2_000],
        [1_000, 1_000],
        [5_000, 6_000],
      ] as const) {
        const found = await opened.chunks.get(chunk, { start, end });
        deepEqual(found, chunk.bytes.slice(start, end));
      }
      equal(await opened.chunks.get(sampleChunk(2), { start: 0, end: 1 }), undefined);
      for (const [start, end] of [
        [-1, 4],
        [5, 4],
        [Number.NaN, 4],
      ] as const) {
        const reading = Promise.resolve().then(() => opened.chunks.get(chunk, { start, end }));
        await rejectsNamed(reading, "RangeError");
      }
    },
  },
  {
    id: "CH15",
    says: "chunks that lie side by side are read at once, within a limit, far ones are not",
    async check(world) {
      await using opened = await world.open();
      const made = sampleChunks(0, 40, 100_000);
      await opened.chunks.put(made);
      const reads = async (asked: readonly VerifiedChunk[]): Promise<number> => {
        const before = world.files.count("read");
        const found = await opened.chunks.getMany(CONTENT, addressesOf(asked));
        deepEqual(
          found.map((bytes) => bytes?.length),
          asked.map(() => 100_000),
        );
        return world.files.count("read") - before;
      };
      equal(await reads(made), 2, "reads of 4 MB side by side");
      equal(await reads(made.slice(3, 9).toReversed()), 1, "reads of neighbours");
      equal(await reads([made[1], made[5], made[6]] as VerifiedChunk[]), 2, "reads of two places");
    },
  },
  {
    id: "CH8",
    says: "damaged bytes are never answered: the chunk is taken out, durably, and told once",
    async check(world) {
      const size = 300;
      const made = sampleChunks(0, 60, size);
      const damaged = made.filter((_, i) => i % 3 === 0);
      {
        await using opened = await world.open();
        await opened.chunks.put(made);
        for (const [i, chunk] of damaged.entries()) {
          const at = recordAt(made.indexOf(chunk), size) + RECORD_BYTES + ((i * 17) % size);
          await world.files.damage(1, at, 1 << (i % 8));
        }
        const [one, ...rest] = damaged as [VerifiedChunk, ...VerifiedChunk[]];
        equal(await opened.chunks.get(one, { start: 0, end: 1 }), undefined);
        deepEqual(opened.lost, [{ name: opened.lost[0]?.name, entry: { size, places: [] } }]);
        deepEqual(opened.lost[0]?.name.address, one.address);
        const found = await opened.chunks.getMany(CONTENT, addressesOf(made));
        deepEqual(
          found,
          made.map((chunk, i) => (i % 3 === 0 ? undefined : chunk.bytes)),
        );
        deepEqual(addressesOf(opened.lost.map(({ name }) => name)), addressesOf([one, ...rest]));
        equal(opened.chunks.status().chunks, 40);
        equal(opened.chunks.status().deadBytes, 20 * (RECORD_BYTES + size));
        await holdsNone(opened.chunks, damaged);
        equal(opened.lost.length, 20);
        holds(world.events.includes("chunks.lost"), "the loss to be logged");
        deepEqual(await opened.chunks.put(made.slice(0, 1)), ["stored"]);
        await holdsAll(opened.chunks, made.slice(0, 3));
      }
      await using again = await world.open();
      await holdsNone(again.chunks, damaged.slice(1));
      await holdsAll(again.chunks, made.slice(0, 3));
    },
  },
  {
    id: "CH8",
    says: "a chunk that several read at once is lost once, and one that was put again meanwhile is not",
    async check(world) {
      await using opened = await world.open();
      const chunk = sampleChunk(1, 500);
      const other = sampleChunk(2, 500);
      await opened.chunks.put([chunk, other]);
      await world.files.damage(1, HEADER_BYTES + RECORD_BYTES + 1);
      await world.files.damage(1, recordAt(1, 500) + RECORD_BYTES + 1);
      const reads = Array.from({ length: 5 }, () => opened.chunks.get(chunk));
      deepEqual(
        await Promise.all(reads),
        reads.map(() => undefined),
      );
      equal(opened.lost.length, 1);
      // Deleted and put in the moment between the read and the removal: the new bytes are answered.
      const replaced = opened.chunks.delete(CONTENT, [other.address]);
      const putting = opened.chunks.put([other]);
      deepEqual(await opened.chunks.get(other), other.bytes);
      await Promise.all([replaced, putting]);
      equal(opened.lost.length, 1);
    },
  },
  {
    id: "CH8",
    says: "a header of a record that is damaged hurts nobody: the index knows what it says",
    async check(world) {
      await using opened = await world.open();
      await opened.chunks.put(sampleChunks(0, 3, 100));
      for (let at = 0; at < RECORD_BYTES; at++) await world.files.damage(1, recordAt(1, 100) + at);
      await holdsAll(opened.chunks, sampleChunks(0, 3, 100));
    },
  },
  {
    id: "CH16",
    says: "a chunk that is lost while nothing can be written is absent, and taken out at a later read",
    async check(world) {
      await using opened = await world.open();
      const made = sampleChunks(0, 3, 100);
      await opened.chunks.put(made);
      await world.files.damage(1, recordAt(1, 100) + RECORD_BYTES);
      world.medium.outage = { error: brokenDiskError() };
      await rejects(opened.chunks.put([sampleChunk(9)]), "STORE_WRITE_FAILED");
      for (let i = 0; i < 3; i++) {
        const found = await opened.chunks.getMany(CONTENT, addressesOf(made));
        deepEqual(found, [made[0]?.bytes, undefined, made[2]?.bytes]);
        equal(await opened.chunks.get(made[1] as ChunkName), undefined);
      }
      equal(opened.lost.length, 0);
      world.medium.outage = undefined;
      await recovered(opened.store, world.clock);
      await holdsNone(opened.chunks, made.slice(1, 2));
      equal(opened.lost.length, 1);
    },
  },
  {
    id: "CH16",
    says: "what the system cannot read is an error and loses nothing",
    async check(world) {
      await using opened = await world.open();
      await opened.chunks.put(sampleChunks(0, 3));
      const fault = { error: brokenFilesError() };
      world.files.outages.set("read", fault);
      await rejects(opened.chunks.get(sampleChunk(1)), "CHUNKS_WRITE_FAILED");
      await rejects(
        opened.chunks.getMany(CONTENT, [sampleChunk(1).address]),
        "CHUNKS_WRITE_FAILED",
      );
      world.files.outages.clear();
      await holdsAll(opened.chunks, sampleChunks(0, 3));
      equal(opened.lost.length, 0);
    },
  },
  {
    id: "CH23",
    says: "closing waits for what is under way, and refuses what comes later",
    async check(world) {
      const opened = await world.open();
      const { chunks, store } = opened;
      await chunks.put(sampleChunks(0, 3));
      await world.files.damage(1, HEADER_BYTES + RECORD_BYTES);
      const calls = [
        chunks.put([sampleChunk(5)]),
        chunks.delete(CONTENT, [sampleChunk(1).address]),
      ];
      const reads = [chunks.get(sampleChunk(0)), chunks.get(sampleChunk(2))];
      const closing = chunks.close();
      equal(chunks.close(), closing);
      const late = [
        chunks.put([sampleChunk(6)]),
        chunks.write(() => {}),
        chunks.has(CONTENT, []),
        chunks.entries(CONTENT, []),
        chunks.get(sampleChunk(2)),
        chunks.getMany(CONTENT, []),
        chunks.delete(CONTENT, []),
        Promise.resolve().then(() => chunks.status()),
      ];
      await Promise.all(late.map((call) => rejects(call, "CHUNKS_CLOSED")));
      await closing;
      deepEqual(await Promise.all(reads), [undefined, sampleChunk(2).bytes]);
      await Promise.all(calls);
      equal(world.files.done.at(-1), "close all");
      equal(store.state, "open");
      await store.close();
      await using again = await world.open();
      await holdsAll(again.chunks, [sampleChunk(2), sampleChunk(5)]);
      await holdsNone(again.chunks, [sampleChunk(0), sampleChunk(1), sampleChunk(6)]);
    },
  },
];
