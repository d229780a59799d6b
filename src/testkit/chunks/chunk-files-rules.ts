import type { ChunkFiles } from "../../chunks/index.ts";
import { deepEqual, equal, type Rule } from "../expect.ts";
import { seededRandom } from "../seeded-random.ts";

/** One medium of pack files, empty at first. */
export interface ChunkFilesWorld extends AsyncDisposable {
  /** Opens the medium; what was opened before is closed. */
  open(): Promise<ChunkFiles>;
}

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);

/** Rules of every `ChunkFiles`. */
export const chunkFilesRules: readonly Rule<ChunkFilesWorld>[] = [
  {
    id: "CH26",
    says: "what was appended and synced is there when the files are opened again",
    async check(world) {
      const random = seededRandom(7);
      const pieces = Array.from({ length: 3_000 }, () => random.bytes(random.below(300)));
      const whole = pieces.flatMap((piece) => [...piece]);
      {
        await using files = await world.open();
        deepEqual(await files.list(), []);
        await files.append(3, 0, pieces.slice(0, 1_500));
        await files.sync(3);
        await files.append(3, await files.size(3), pieces.slice(1_500));
        await files.append(12, 0, [bytes(1), bytes(), bytes(2, 3)]);
        await files.sync(12);
        await files.sync(3);
      }
      await using files = await world.open();
      deepEqual(await files.list(), [3, 12]);
      equal(await files.size(3), whole.length);
      deepEqual(await files.read(3, 0, whole.length), Uint8Array.from(whole));
      deepEqual(await files.read(12, 0, 3), bytes(1, 2, 3));
    },
  },
  {
    id: "CH26",
    says: "a read ends where its file does, and belongs to its reader",
    async check(world) {
      await using files = await world.open();
      await files.append(1, 0, [bytes(1, 2, 3, 4)]);
      deepEqual(await files.read(1, 1, 2), bytes(2, 3));
      deepEqual(await files.read(1, 2, 9), bytes(3, 4));
      deepEqual(await files.read(1, 4, 1), bytes());
      deepEqual(await files.read(1, 9, 1), bytes());
      deepEqual(await files.read(2, 0, 1), bytes());
      equal(await files.size(2), 0);
      (await files.read(1, 0, 4)).fill(0);
      deepEqual(await files.read(1, 0, 4), bytes(1, 2, 3, 4));
    },
  },
  {
    id: "CH26",
    says: "a file is cut, and goes on from there; what is shorter or not there stays so",
    async check(world) {
      await using files = await world.open();
      await files.append(1, 0, [bytes(1, 2, 3, 4)]);
      await files.truncate(1, 9);
      equal(await files.size(1), 4);
      await files.truncate(1, 2);
      equal(await files.size(1), 2);
      await files.append(1, 2, [bytes(8, 9)]);
      deepEqual(await files.read(1, 0, 9), bytes(1, 2, 8, 9));
      await files.truncate(1, 0);
      equal(await files.size(1), 0);
      await files.append(1, 0, [bytes(7)]);
      deepEqual(await files.read(1, 0, 9), bytes(7));
      await files.truncate(5, 0);
      await files.truncate(5, 10);
      deepEqual(await files.list(), [1]);
    },
  },
  {
    id: "CH26",
    says: "a file is removed, once or twice, and its number can be used again",
    async check(world) {
      await using files = await world.open();
      for (const file of [1, 2]) await files.append(file, 0, [bytes(1, 2, 3)]);
      await files.read(1, 0, 1);
      await files.remove(1);
      await files.remove(1);
      deepEqual(await files.list(), [2]);
      deepEqual(await files.read(1, 0, 1), bytes());
      await files.append(1, 0, [bytes(9)]);
      deepEqual(await files.read(1, 0, 3), bytes(9));
    },
  },
  {
    id: "CH26",
    says: "what is set aside is out of the way, as often as it happens",
    async check(world) {
      for (let round = 0; round < 3; round++) {
        await using files = await world.open();
        await files.append(1, 0, [bytes(round)]);
        await files.append(2, 0, [bytes(round)]);
        await files.setAside("test");
        deepEqual(await files.list(), []);
        equal(await files.size(1), 0);
        await files.append(1, 0, [bytes(7)]);
        deepEqual(await files.read(1, 0, 2), bytes(7));
        await files.setAside("other");
      }
      await using files = await world.open();
      deepEqual(await files.list(), []);
    },
  },
  {
    id: "CH26",
    says: "many files are read and appended to in turn and at once",
    async check(world) {
      await using files = await world.open();
      const numbers = Array.from({ length: 150 }, (_, i) => i + 1);
      for (const file of numbers) await files.append(file, 0, [bytes(file)]);
      await Promise.all(numbers.map((file) => files.append(file, 1, [bytes(1)])));
      await Promise.all(numbers.map((file) => files.sync(file)));
      const found = await Promise.all(
        [...numbers, ...numbers].map((file) => files.read(file, 0, 3)),
      );
      for (const [i, read] of found.entries()) deepEqual(read, bytes((i % 150) + 1, 1));
      deepEqual(await files.list(), numbers);
    },
  },
];
