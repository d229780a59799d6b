import { codeOf } from "../../base/index.ts";
import { CONTENT } from "../../chunks/index.ts";
import { deepEqual, equal, holds, rejects, type Rule } from "../expect.ts";
import { settle } from "../fake-clock.ts";
import { brokenDiskError, fullDiskError, key, put, recovered } from "../stores.ts";
import {
  addressesOf,
  brokenFilesError,
  type ChunkWorld,
  fullFilesError,
  HEADER_BYTES,
  holdsAll,
  holdsNone,
  RECORD_BYTES,
  sampleChunk,
  sampleChunks,
} from "./chunk-world.ts";

/** Rules of failed writes: [CH17] to [CH19]. */
export const chunkFailureRules: readonly Rule<ChunkWorld>[] = [
  {
    id: "CH17",
    says: "a failed append or sync is told to all of its group, counts for nothing, and is cut before the next",
    async check(world) {
      await using opened = await world.open();
      const { chunks } = opened;
      await chunks.put([sampleChunk(0)]);
      for (const [i, [action, error, written]] of (
        [
          ["append", fullFilesError(), undefined],
          ["append", fullFilesError(), 57],
          ["append", brokenFilesError(), 1],
          ["sync", brokenFilesError(), undefined],
          ["sync", fullFilesError(), undefined],
        ] as const
      ).entries()) {
        const before = chunks.status();
        const writes = world.medium.batches.length;
        world.files.fail(action, { error, written });
        const never = { with: () => holds(false, "no write without bytes") };
        const calls = [chunks.put([sampleChunk(70)], never), chunks.put([sampleChunk(71)], never)];
        await Promise.all(calls.map((call) => rejects(call, error.code)));
        equal(world.medium.batches.length, writes, "index writes");
        deepEqual(chunks.status(), before);
        await holdsNone(chunks, [sampleChunk(70), sampleChunk(71)]);
        await chunks.put([sampleChunk(i + 1)]);
        equal(world.files.count("truncate"), i + 1, "cuts");
        equal(await world.files.size(1), chunks.status().packBytes, "bytes in the file");
        await holdsAll(chunks, sampleChunks(0, i + 2));
      }
    },
  },
  {
    id: "CH17",
    says: "what cannot be cut makes it read-only, until it can",
    async check(world) {
      await using opened = await world.open();
      const { chunks } = opened;
      await chunks.put(sampleChunks(0, 3));
      world.files.fail("sync", { error: brokenFilesError() });
      await rejects(chunks.put([sampleChunk(7)]), "CHUNKS_WRITE_FAILED");
      world.files.outages.set("truncate", { error: brokenFilesError() });
      const appends = world.files.count("append");
      for (let i = 0; i < 3; i++) {
        const error = await rejects(chunks.put([sampleChunk(7)]), "CHUNKS_READ_ONLY");
        equal(codeOf(error.cause), "CHUNKS_WRITE_FAILED");
        await holdsAll(chunks, sampleChunks(0, 3));
      }
      equal(world.files.count("append"), appends, "appends");
      world.files.outages.clear();
      await chunks.put([sampleChunk(7)]);
      await holdsAll(chunks, [...sampleChunks(0, 3), sampleChunk(7)]);
    },
  },
  {
    id: "CH17",
    says: "a pack that cannot be begun is begun at the next put",
    async check(world) {
      await using opened = await world.open();
      world.files.fail("append", { error: fullFilesError(), written: HEADER_BYTES + 5 });
      await rejects(opened.chunks.put([sampleChunk(1)]), "CHUNKS_FULL");
      deepEqual(opened.chunks.status(), {
        chunks: 0,
        bytes: 0,
        packs: 0,
        packBytes: 0,
        deadBytes: 0,
        capacityBytes: undefined,
      });
      await opened.chunks.put([sampleChunk(1)]);
      equal(
        opened.chunks.status().packBytes,
        HEADER_BYTES + RECORD_BYTES + sampleChunk(1).bytes.length,
      );
      await holdsAll(opened.chunks, [sampleChunk(1)]);
    },
  },
  {
    id: "CH18",
    says: "a failed index write acknowledges nothing; what the ordered store holds afterwards is what counts",
    async check(world) {
      const kept = sampleChunks(0, 3);
      let next = 10;
      for (const isApplied of [false, true]) {
        await using opened = await world.open();
        const { chunks, store } = opened;
        await chunks.put(kept);
        const [a, b, after] = [sampleChunk(next++), sampleChunk(next++), sampleChunk(next++)];
        world.medium.failWrite({ error: fullDiskError(), isApplied });
        const calls = [
          chunks.put([a], { with: (write) => write.add(put(`row ${isApplied}`)) }),
          chunks.put([b]),
        ];
        await Promise.all(calls.map((call) => rejects(call, "STORE_FULL")));
        const refused = await rejects(chunks.put([after]), "CHUNKS_READ_ONLY");
        equal(refused.name, "ChunkError");
        await recovered(store, world.clock);
        const there = await chunks.has(CONTENT, addressesOf([a, b]));
        deepEqual(there, [isApplied, isApplied]);
        await chunks.put([after]);
        // Whatever the index came to count was not written over.
        if (isApplied) await holdsAll(chunks, [a, b]);
        else await holdsNone(chunks, [a, b]);
        const row = await store.get(key(`row ${isApplied}`));
        deepEqual(row, isApplied ? key(`row ${isApplied}`) : undefined);
        kept.push(after, ...(isApplied ? [a, b] : []));
        await holdsAll(chunks, kept);
        equal(chunks.status().chunks, kept.length);
        equal(chunks.status().deadBytes, 0);
        equal(await world.files.size(1), chunks.status().packBytes, "bytes in the file");
      }
      await using again = await world.open();
      await holdsAll(again.chunks, kept);
    },
  },
  {
    id: "CH18",
    says: "a group whose bytes were made durable upon one that failed is refused with it",
    async check(world) {
      for (const isApplied of [false, true]) {
        await using opened = await world.open();
        const { chunks } = opened;
        const [a, b] = [sampleChunk(isApplied ? 1 : 2), sampleChunk(3)];
        world.medium.failWrite({ error: brokenDiskError(), isApplied });
        const release = world.medium.holdWrites();
        const syncs = world.files.count("sync");
        const first = chunks.put([a]);
        while (world.files.count("sync") === syncs) await settle();
        const second = chunks.put([a, b]);
        while (world.files.count("sync") === syncs + 1) await settle();
        release();
        await rejects(first, "STORE_WRITE_FAILED");
        await rejects(second, "CHUNKS_READ_ONLY");
        await recovered(opened.store, world.clock);
        deepEqual(await chunks.has(CONTENT, addressesOf([a, b])), [isApplied, false]);
        deepEqual(await chunks.put([a, sampleChunk(4)]), [
          isApplied ? "duplicate" : "stored",
          isApplied ? "duplicate" : "stored",
        ]);
        await holdsAll(chunks, [a, sampleChunk(4)]);
        await holdsNone(chunks, [b]);
      }
    },
  },
  {
    id: "CH18",
    says: "a mistake in what a caller adds fails its group, and nothing after it",
    async check(world) {
      await using opened = await world.open();
      const { chunks } = opened;
      const mistaken = chunks.put([sampleChunk(1)], {
        with: (write) => write.add({ type: "put", key: new Uint8Array(), value: key("x") }),
      });
      const error = await mistaken.catch((thrown: unknown) => thrown);
      holds(error instanceof RangeError, "a RangeError");
      await holdsNone(chunks, [sampleChunk(1)]);
      deepEqual(await chunks.put([sampleChunk(1)]), ["stored"]);
      await holdsAll(chunks, [sampleChunk(1)]);
      equal(chunks.status().deadBytes, 0);
    },
  },
  {
    id: "CH19",
    says: "nothing acknowledged is lost, whichever step fails whenever",
    async check(world) {
      const acknowledged = new Set<number>();
      {
        await using opened = await world.open();
        for (let number = 0; number < 80; number++) {
          if (number % 5 === 1) world.files.fail("append", { error: fullFilesError(), written: 9 });
          if (number % 7 === 2) world.files.fail("sync", { error: brokenFilesError() });
          if (number % 11 === 3) world.files.fail("truncate", { error: brokenFilesError() });
          if (number % 6 === 4)
            world.medium.failWrite({ error: brokenDiskError(), isApplied: number % 12 === 4 });
          try {
            await opened.chunks.put([sampleChunk(number)]);
            acknowledged.add(number);
          } catch {
            await recovered(opened.store, world.clock);
          }
        }
        holds(acknowledged.size > 30, "most chunks to be acknowledged");
        await holdsAll(
          opened.chunks,
          [...acknowledged].map((number) => sampleChunk(number)),
        );
        equal(opened.lost.length, 0);
      }
      await using again = await world.open();
      await holdsAll(
        again.chunks,
        [...acknowledged].map((number) => sampleChunk(number)),
      );
      equal(again.lost.length, 0);
    },
  },
];
