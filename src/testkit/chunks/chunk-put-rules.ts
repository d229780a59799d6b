import { type ChunkName, CONTENT, type PutOutcome, verifyChunk } from "../../chunks/index.ts";
import { type WriteOp } from "../../store/index.ts";
import { deepEqual, equal, holds, rejects, rejectsNamed, type Rule } from "../expect.ts";
import { key, put } from "../stores.ts";
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
  VERSIONED,
  versioned,
} from "./chunk-world.ts";

const times = (count: number, outcome: PutOutcome): PutOutcome[] =>
  Array.from({ length: count }, () => outcome);

/** Rules of putting, deleting and writing along: [CH1] to [CH14]. */
export const chunkPutRules: readonly Rule<ChunkWorld>[] = [
  {
    id: "CH1",
    says: "a content chunk is known by the SHA-256 of its bytes, and a second one is a duplicate",
    async check(world) {
      await using opened = await world.open();
      const chunk = sampleChunk(1);
      deepEqual(chunk.address, testCrypto.sha256(chunk.bytes));
      deepEqual(await opened.chunks.put([chunk]), ["stored"]);
      deepEqual(await opened.chunks.put([sampleChunk(1), sampleChunk(2)]), ["duplicate", "stored"]);
      await holdsAll(opened.chunks, [chunk, sampleChunk(2)]);
      const taken = world.files.bytesAppended;
      await opened.chunks.put([chunk, chunk]);
      equal(world.files.bytesAppended, taken, "bytes appended");
    },
  },
  {
    id: "CH2",
    says: "nothing is put whose bytes nobody has held against its address",
    async check(world) {
      await using opened = await world.open();
      const chunk = sampleChunk(1);
      const wrong = chunk.bytes.slice();
      wrong[5] = (wrong[5] ?? 0) ^ 1;
      equal(verifyChunk(testCrypto, chunk, wrong), undefined);
      equal(verifyChunk(testCrypto, chunk, new Uint8Array()), undefined);
      const short = { kind: CONTENT, address: chunk.address.slice(1) };
      equal(verifyChunk(testCrypto, short, chunk.bytes), undefined);
      const forged = { kind: CONTENT, address: chunk.address, bytes: wrong };
      await rejectsNamed(opened.chunks.put([forged as never]), "TypeError");
      await holdsNone(opened.chunks, [chunk]);
      equal(opened.chunks.status().packBytes, 0);
    },
  },
  {
    id: "CH3",
    says: "kinds do not see each other, and each brings its rule for a second put",
    async check(world) {
      await using opened = await world.open();
      const { chunks } = opened;
      const same = { kind: CONTENT, address: versioned(7, 0).address };
      deepEqual(await chunks.put([versioned(7, 3), versioned(8, 1)]), times(2, "stored"));
      deepEqual(await chunks.has(CONTENT, [same.address]), [false]);
      deepEqual(await chunks.put([versioned(7, 3)]), ["duplicate"]);
      deepEqual(await chunks.put([versioned(7, 2)]), ["stale"]);
      deepEqual(await chunks.get(versioned(7, 0)), versioned(7, 3).bytes);
      const before = chunks.status().deadBytes;
      deepEqual(await chunks.put([versioned(7, 4)]), ["stored"]);
      equal(chunks.status().deadBytes - before, RECORD_BYTES + 22, "dead bytes");
      deepEqual(await chunks.get(versioned(7, 0)), versioned(7, 4).bytes);
      // In one call, in one group, and beside a deletion, in the order of the calls.
      const outcomes = await Promise.all([
        chunks.put([versioned(7, 6), versioned(7, 5), versioned(9, 1), versioned(9, 2)]),
        chunks.put([versioned(7, 6), versioned(7, 7)]),
        chunks.delete(VERSIONED, [versioned(8, 0).address]),
        chunks.put([versioned(8, 0)]),
      ]);
      deepEqual(outcomes[0], ["stored", "stale", "stored", "stored"]);
      deepEqual(outcomes[1], ["duplicate", "stored"]);
      deepEqual(outcomes[3], ["stored"]);
      const names = [7, 8, 9].map((name) => versioned(name, 0).address);
      const here = [versioned(7, 7), versioned(8, 0), versioned(9, 2)].map(({ bytes }) => bytes);
      deepEqual(await chunks.getMany(VERSIONED, names), here);
    },
  },
  {
    id: "CH4",
    says: "bytes are durable before the index names them, and both before put resolves",
    async check(world) {
      await using opened = await world.open();
      for (const chunk of sampleChunks(0, 5)) {
        const [done, writes] = [world.files.done.length, world.medium.batches.length];
        world.files.beforeSync = async () => {
          equal(world.medium.batches.length, writes, "index writes before the sync");
          deepEqual(await opened.chunks.has(CONTENT, [chunk.address]), [false]);
        };
        await opened.chunks.put([chunk]);
        deepEqual(world.files.done.slice(done), ["append 1", "sync 1"]);
        equal(world.medium.batches.length, writes + 1, "index writes");
      }
      world.files.beforeSync = undefined;
    },
  },
  {
    id: "CH5",
    says: "calls made at once, or while others are under way, share an append, a sync and an index write",
    async check(world) {
      await using opened = await world.open();
      const writes = world.medium.batches.length;
      const gate = Promise.withResolvers<void>();
      world.files.beforeSync = () => gate.promise;
      const first = opened.chunks.put([sampleChunk(0)]);
      while (world.files.count("append") === 0) await world.clock.advance(0);
      const others = sampleChunks(1, 50).map((chunk) => opened.chunks.put([chunk]));
      gate.resolve();
      await Promise.all([first, ...others]);
      world.files.beforeSync = undefined;
      deepEqual(world.files.done, ["append 1", "sync 1", "append 1", "sync 1"]);
      equal(world.medium.batches.length, writes + 2, "index writes");
      await holdsAll(opened.chunks, sampleChunks(0, 50));
    },
  },
  {
    id: "CH5",
    says: "while the index of a group is written the bytes of the next are made durable",
    async check(world) {
      await using opened = await world.open();
      const writes = world.medium.batches.length;
      const release = world.medium.holdWrites();
      const first = opened.chunks.put([sampleChunk(0)]);
      while (world.files.count("sync") === 0) await world.clock.advance(0);
      // The first one's bytes are not in the index yet, and are not appended again.
      const second = opened.chunks.put([sampleChunk(0), sampleChunk(1)]);
      while (world.files.count("sync") === 1) await world.clock.advance(0);
      equal(world.medium.batches.length, writes, "index writes");
      release();
      deepEqual([await first, await second], [["stored"], ["duplicate", "stored"]]);
      equal(opened.chunks.status().deadBytes, 0);
    },
  },
  {
    id: "CH6",
    says: "a chunk is stored once however often it occurs, in a call or in several",
    async check(world) {
      await using opened = await world.open();
      const [a, b] = [sampleChunk(1), sampleChunk(2)];
      const outcomes = await Promise.all([
        opened.chunks.put([a, b, a]),
        opened.chunks.put([b, a]),
        opened.chunks.put([]),
      ]);
      deepEqual(outcomes, [["stored", "stored", "duplicate"], times(2, "duplicate"), []]);
      const size = a.bytes.length + b.bytes.length;
      const packBytes = HEADER_BYTES + 2 * RECORD_BYTES + size;
      const status = { chunks: 2, bytes: size, packs: 1, packBytes, deadBytes: 0 };
      deepEqual(opened.chunks.status(), { ...status, capacityBytes: undefined });
      equal(world.files.bytesAppended, packBytes, "bytes appended");
    },
  },
  {
    id: "CH7",
    says: "what callers write along is there with the chunks, each function alone and in the order of the calls",
    async check(world) {
      const order: string[] = [];
      {
        await using opened = await world.open();
        const writes = world.medium.batches.length;
        const chunks = sampleChunks(0, 6);
        const calls = chunks.map((chunk, i) =>
          opened.chunks.put([chunk], {
            async with(write, outcomes) {
              order.push(`begin ${i}`);
              deepEqual(outcomes, ["stored"]);
              const seen = await write.entries(CONTENT, addressesOf(chunks));
              deepEqual(
                seen.map((entry) => entry !== undefined),
                chunks.map((_, j) => j <= i),
              );
              write.add(put(`row ${i}`));
              order.push(`end ${i}`);
            },
          }),
        );
        await Promise.all(calls);
        deepEqual(
          order,
          chunks.flatMap((_, i) => [`begin ${i}`, `end ${i}`]),
        );
        equal(world.medium.batches.length, writes + 1, "index writes");
      }
      await using again = await world.open();
      for (let i = 0; i < 6; i++)
        deepEqual(await again.store.get(key(`row ${i}`)), key(`row ${i}`));
    },
  },
  {
    id: "CH7",
    says: "one that throws takes back its own call alone, and bytes that nobody else put are dead",
    async check(world) {
      await using opened = await world.open();
      const [shared, own, other] = [sampleChunk(1), sampleChunk(2), sampleChunk(3)];
      const bug = new Error("a bug of the caller's");
      const failing = opened.chunks.put([shared, own], {
        with(write) {
          write.add(put("never"));
          throw bug;
        },
      });
      const fine = opened.chunks.put([shared, other], { with: (write) => write.add(put("row")) });
      equal(await failing.catch((error: unknown) => error), bug);
      deepEqual(await fine, times(2, "stored"));
      await holdsAll(opened.chunks, [shared, other]);
      await holdsNone(opened.chunks, [own]);
      deepEqual(await opened.store.getMany([key("never"), key("row")]), [undefined, key("row")]);
      equal(opened.chunks.status().deadBytes, RECORD_BYTES + own.bytes.length, "dead bytes");
      deepEqual(await opened.chunks.put([own]), ["stored"]);
      await holdsAll(opened.chunks, [own]);
    },
  },
  {
    id: "CH7",
    says: "a write in the making is of no use afterwards, and one too large to be joined goes alone",
    async check(world) {
      await using opened = await world.open();
      let kept: { add(...ops: readonly WriteOp[]): void } | undefined;
      await opened.chunks.write((write) => {
        kept = write;
      });
      const error = await Promise.resolve()
        .then(() => kept?.add(put("late")))
        .catch((e: Error) => e);
      holds(error instanceof Error && error.name === "AssertionError", "a refusal");
      const writes = world.medium.batches.length;
      const calls = Array.from({ length: 3 }, (_, call) =>
        opened.chunks.put([sampleChunk(call)], {
          with: (write) =>
            write.add(...Array.from({ length: 9_000 }, (_, i) => put(`${call}/${i}`))),
        }),
      );
      await Promise.all(calls);
      equal(world.medium.batches.length, writes + 2, "index writes");
      deepEqual(await opened.store.get(key("2/8999")), key("2/8999"));
      await holdsAll(opened.chunks, sampleChunks(0, 3));
    },
  },
  {
    id: "CH9",
    says: "a chunk has one place a network, in order, kept when it is replaced and gone with it",
    async check(world) {
      await using opened = await world.open();
      const { chunks } = opened;
      const chunk = versioned(1, 1);
      const entry = async (): Promise<unknown> =>
        (await chunks.entries(VERSIONED, [chunk.address]))[0];
      const place = (name: ChunkName, network: number, binId: number): Promise<void> =>
        chunks.write((write) => write.place(name, { network, binId }));
      await chunks.put([chunk], { with: (write) => write.place(chunk, { network: 2, binId: 7 }) });
      await Promise.all([place(chunk, 1, 2 ** 53 - 1), place(chunk, 2, 8)]);
      const places = [
        { network: 1, binId: 2 ** 53 - 1 },
        { network: 2, binId: 8 },
      ];
      deepEqual(await entry(), { size: 22, places });
      await chunks.put([versioned(1, 2)]);
      deepEqual(await entry(), { size: 22, places });
      await chunks.delete(VERSIONED, [chunk.address]);
      await rejectsNamed(place(chunk, 1, 1), "AssertionError");
      await chunks.put([chunk]);
      deepEqual(await entry(), { size: 22, places: [] });
    },
  },
  {
    id: "CH9",
    says: "places given while the next group is prepared are not lost by it",
    async check(world) {
      await using opened = await world.open();
      const { chunks } = opened;
      const chunk = versioned(1, 1);
      await chunks.put([chunk]);
      const release = world.medium.holdWrites();
      const placing = chunks.write((write) => write.place(chunk, { network: 1, binId: 5 }));
      await world.clock.advance(0);
      const replacing = chunks.put([versioned(1, 2)]);
      while (world.files.count("sync") < 2) await world.clock.advance(0);
      release();
      await Promise.all([placing, replacing]);
      const [entry] = await chunks.entries(VERSIONED, [chunk.address]);
      deepEqual(entry, { size: 22, places: [{ network: 1, binId: 5 }] });
    },
  },
  {
    id: "CH10",
    says: "what is deleted is not here, its bytes are dead, and it can be put again",
    async check(world) {
      const made = sampleChunks(0, 10);
      const gone = made.slice(0, 4);
      {
        await using opened = await world.open();
        await opened.chunks.put(made);
        const addresses = addressesOf([...gone, sampleChunk(99), ...gone]);
        await opened.chunks.delete(CONTENT, addresses, {
          with: (write, outcomes) => {
            deepEqual(outcomes, []);
            write.add(put("row"));
          },
        });
        await holdsNone(opened.chunks, gone);
        const bytes = gone.reduce((sum, chunk) => sum + RECORD_BYTES + chunk.bytes.length, 0);
        equal(opened.chunks.status().deadBytes, bytes, "dead bytes");
        equal(opened.chunks.status().chunks, 6, "chunks");
        deepEqual(await opened.store.get(key("row")), key("row"));
      }
      await using again = await world.open();
      await holdsNone(again.chunks, gone);
      await holdsAll(again.chunks, made.slice(4));
      // In one group: what is deleted and put, and put and deleted.
      const outcomes = await Promise.all([
        again.chunks.put(gone.slice(0, 2)),
        again.chunks.delete(CONTENT, addressesOf(made.slice(1, 6))),
        again.chunks.put(made.slice(4, 5)),
      ]);
      deepEqual([outcomes[0], outcomes[2]], [times(2, "stored"), ["stored"]]);
      await holdsAll(again.chunks, [made[0] as never, made[4] as never, ...made.slice(6)]);
      await holdsNone(again.chunks, [...made.slice(1, 4), made[5] as never]);
    },
  },
  {
    id: "CH12",
    says: "a write without chunks touches no pack",
    async check(world) {
      await using opened = await world.open();
      await opened.chunks.put([sampleChunk(1)]);
      const done = world.files.done.length;
      await opened.chunks.write(async (write) => {
        holds((await write.entry(sampleChunk(1))) !== undefined, "the chunk to be here");
        equal(await write.entry(sampleChunk(2)), undefined);
        write.add(put("row"));
      });
      deepEqual(await opened.store.get(key("row")), key("row"));
      equal(world.files.done.length, done, "calls of the files");
      const bug = new Error("a bug of the caller's");
      const failing = opened.chunks.write((write) => {
        write.add(put("never"));
        throw bug;
      });
      equal(await failing.catch((error: unknown) => error), bug);
      equal(await opened.store.get(key("never")), undefined);
    },
  },
  {
    id: "CH13",
    says: "a put beyond its limits is a mistake that leaves nothing behind",
    async check(world) {
      await using opened = await world.open();
      const chunk = sampleChunk(1, 131_072);
      const many = Array.from({ length: 16_385 }, () => sampleChunk(2, 1));
      await rejectsNamed(opened.chunks.put(many), "RangeError");
      await rejectsNamed(opened.chunks.delete(CONTENT, addressesOf(many)), "RangeError");
      const large = Array.from({ length: 513 }, () => chunk);
      await rejectsNamed(opened.chunks.put(large), "RangeError");
      equal(opened.chunks.status().packBytes, 0);
      deepEqual((await opened.chunks.put(large.slice(1)))[0], "stored");
      await holdsAll(opened.chunks, [chunk]);
    },
  },
  {
    id: "CH14",
    says: "the byte budget covers all bytes of packs, and refuses only calls that do not fit",
    async check(world) {
      const size = 1_000 + RECORD_BYTES;
      const capacityBytes = HEADER_BYTES + 10 * size;
      await using opened = await world.open({ capacityBytes });
      const made = sampleChunks(0, 12, 1_000);
      await opened.chunks.put(made.slice(0, 8));
      await opened.chunks.delete(CONTENT, addressesOf(made.slice(0, 1)));
      const [large, small, known] = [
        opened.chunks.put(made.slice(8, 11)),
        opened.chunks.put(made.slice(10, 11)),
        opened.chunks.put(made.slice(1, 8)),
      ];
      await rejects(large, "CHUNKS_FULL");
      deepEqual([await small, await known], [["stored"], times(7, "duplicate")]);
      await opened.chunks.put(made.slice(8, 9));
      const { packBytes } = opened.chunks.status();
      equal(packBytes, HEADER_BYTES + 10 * size);
      await rejects(opened.chunks.put(made.slice(11)), "CHUNKS_FULL");
      await holdsAll(opened.chunks, [...made.slice(1, 9), made[10] as never]);
      await holdsNone(opened.chunks, [made[0] as never, made[9] as never, made[11] as never]);
    },
  },
];
