import { CONTENT } from "../../chunks/index.ts";
import { deepEqual, equal, holds, rejects, type Rule } from "../expect.ts";
import { seededRandom } from "../seeded-random.ts";
import {
  addressesOf,
  type ChunkWorld,
  HEADER_BYTES,
  holdsAll,
  holdsNone,
  RECORD_BYTES,
  sampleChunk,
  sampleChunks,
  testCrypto,
} from "./chunk-world.ts";

const SIZE = 100;

async function write(world: ChunkWorld, from: number, to: number): Promise<void> {
  await using opened = await world.open();
  await opened.chunks.put(sampleChunks(from, to, SIZE));
}

/** The start of a pack with another byte in its header, and the checksum that belongs to it. */
function withHeaderByte(pack: Uint8Array, at: number, value: number): Uint8Array {
  const altered = pack.slice();
  altered[at] = value;
  const end = HEADER_BYTES - 4;
  new DataView(altered.buffer).setUint32(end, testCrypto.crc32(altered.subarray(0, end)));
  return altered;
}

/** Where the last byte of the format version, the first of the store's id and the last of the file's number stand. */
const [FORMAT_AT, ID_AT, NUMBER_AT] = [11, 12, 31];

/** Rules of what is found when a store is opened: [CH20] to [CH22]. */
export const chunkOpenRules: readonly Rule<ChunkWorld>[] = [
  {
    id: "CH20",
    says: "bytes that no record counts are cut, whatever they are",
    async check(world) {
      const random = seededRandom(3);
      for (let round = 0; round < 8; round++) {
        await write(world, round, round + 1);
        const length = HEADER_BYTES + (round + 1) * (RECORD_BYTES + SIZE);
        equal(await world.files.size(1), length);
        // The whole of a record that was never counted, or a part of one, or anything.
        const tail =
          round % 2 === 0
            ? await world.files.read(1, HEADER_BYTES, 20 * round + 1)
            : random.bytes(90);
        await world.files.append(1, length, [tail]);
        await world.files.sync(1);
        await using opened = await world.open();
        equal(await world.files.size(1), length);
        await holdsAll(opened.chunks, sampleChunks(0, round + 1, SIZE));
      }
      holds(world.events.includes("chunks.tail-cut"), "the cut to be logged");
    },
  },
  {
    id: "CH20",
    says: "a file that no record names is removed, and the next one is another",
    async check(world) {
      await write(world, 0, 1);
      for (const head of [
        [],
        [withHeaderByte(await world.files.read(1, 0, HEADER_BYTES), NUMBER_AT, 2)],
        [seededRandom(1).bytes(50)],
      ]) {
        await world.files.append(2, 0, head);
        await world.files.sync(2);
        await using opened = await world.open();
        deepEqual(await world.files.list(), [1]);
        await holdsAll(opened.chunks, [sampleChunk(0, SIZE)]);
      }
    },
  },
  {
    id: "CH21",
    says: "a pack that is shorter than what counts is read as far as it goes, and never appended to",
    async check(world) {
      await write(world, 0, 10);
      const cut = HEADER_BYTES + 4 * (RECORD_BYTES + SIZE) + RECORD_BYTES + SIZE - 1;
      await world.files.truncate(1, cut);
      {
        await using opened = await world.open();
        await holdsAll(opened.chunks, sampleChunks(0, 4, SIZE));
        await opened.chunks.put(sampleChunks(20, 22, SIZE));
        deepEqual(await world.files.list(), [1, 2]);
        equal(await world.files.size(1), cut);
        await holdsNone(opened.chunks, sampleChunks(4, 10, SIZE));
        equal(opened.lost.length, 6);
        deepEqual(await opened.chunks.put(sampleChunks(4, 5, SIZE)), ["stored"]);
      }
      await using again = await world.open();
      await holdsAll(again.chunks, [...sampleChunks(0, 5, SIZE), ...sampleChunks(20, 22, SIZE)]);
      equal(again.lost.length, 0);
    },
  },
  {
    id: "CH21",
    says: "chunks of a pack that is gone are lost when they are read, and its number is not used again",
    async check(world) {
      await write(world, 0, 3);
      await world.files.remove(1);
      await using opened = await world.open();
      holds(world.events.includes("chunks.pack-missing"), "the loss to be logged");
      await opened.chunks.put(sampleChunks(5, 6, SIZE));
      deepEqual(await world.files.list(), [2]);
      await holdsNone(opened.chunks, sampleChunks(0, 3, SIZE));
      equal(opened.lost.length, 3);
      await holdsAll(opened.chunks, sampleChunks(5, 6, SIZE));
    },
  },
  {
    id: "CH21",
    says: "a pack with a damaged header is read, and never appended to",
    async check(world) {
      for (const at of [0, 9, 13, 29, 33]) {
        await write(world, 2 * at, 2 * at + 1);
        const [file] = (await world.files.list()).toReversed();
        holds(file !== undefined, "a pack");
        await world.files.damage(file, at);
        const size = await world.files.size(file);
        await using opened = await world.open();
        await opened.chunks.put(sampleChunks(2 * at + 1, 2 * at + 2, SIZE));
        equal(await world.files.size(file), size);
        const kept = [0, 9, 13, 29, 33].slice(0, [0, 9, 13, 29, 33].indexOf(at) + 1);
        for (const one of kept)
          await holdsAll(opened.chunks, sampleChunks(2 * one, 2 * one + 2, SIZE));
        equal(opened.lost.length, 0);
      }
    },
  },
  {
    id: "CH22",
    says: "packs of another store are set aside, not read and not removed",
    async check(world) {
      await write(world, 0, 3);
      const header = await world.files.read(1, 0, HEADER_BYTES);
      await world.files.truncate(1, 0);
      await world.files.append(1, 0, [withHeaderByte(header, ID_AT, 0xee)]);
      {
        await using opened = await world.open();
        equal(world.files.count("setAside"), 1);
        deepEqual(await world.files.list(), []);
        await holdsNone(opened.chunks, sampleChunks(0, 3, SIZE));
        await opened.chunks.put(sampleChunks(0, 3, SIZE));
        deepEqual(await world.files.list(), [2]);
      }
      await using again = await world.open();
      equal(world.files.count("setAside"), 1);
      await holdsAll(again.chunks, sampleChunks(0, 3, SIZE));
    },
  },
  {
    id: "CH22",
    says: "one foreign file among ours is left alone",
    async check(world) {
      await write(world, 0, 3);
      const foreign = withHeaderByte(await world.files.read(1, 0, HEADER_BYTES), ID_AT, 0xee);
      await world.files.append(7, 0, [foreign]);
      await world.files.sync(7);
      await using opened = await world.open();
      deepEqual(await world.files.list(), [1, 7]);
      await opened.chunks.put(sampleChunks(3, 5, SIZE));
      await holdsAll(opened.chunks, sampleChunks(0, 5, SIZE));
      deepEqual(await world.files.read(7, 0, 100), foreign);
    },
  },
  {
    id: "CH22",
    says: "packs of a later format are refused and left alone",
    async check(world) {
      await write(world, 0, 3);
      const file = await world.files.read(1, 0, 10_000);
      const newer = withHeaderByte(file, FORMAT_AT, 2);
      await world.files.truncate(1, 0);
      await world.files.append(1, 0, [newer]);
      await rejects(world.open(), "CHUNKS_OPEN_FAILED");
      deepEqual(await world.files.read(1, 0, 10_000), newer);
      await world.files.truncate(1, 0);
      await world.files.append(1, 0, [file]);
      await using opened = await world.open();
      deepEqual(await opened.chunks.has(CONTENT, addressesOf(sampleChunks(0, 3, SIZE))), [
        true,
        true,
        true,
      ]);
    },
  },
];
