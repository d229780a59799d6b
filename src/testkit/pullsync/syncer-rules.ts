import { codeOf } from "../../base/index.ts";
import { CODEC_1_4_0, PAGE_ENTRIES_MAX } from "../../pullsync/index.ts";
import { deepEqual, equal, holds, rejects, rejectsNamed, type Rule } from "../expect.ts";
import {
  chunksInBin,
  contentOfReserve,
  fill,
  heldOf,
  namesOf,
  type PullSide,
  pulled,
  type PullWorld,
} from "./pull-world.ts";

/** A reserve with `count` chunks in one of its bins, and an empty one that asks it. */
async function pair(world: PullWorld, count: number, bin = 1) {
  const [server, client] = [await world.open(), await world.open()];
  const chunks = chunksInBin(server.overlay, bin, count);
  await fill(server.storage, chunks);
  return { server, client, chunks, bin };
}

/** Resolves when `isSo`, looking again at each breath. */
export async function untilSo(world: PullWorld, isSo: () => boolean): Promise<void> {
  for (let n = 0; n < 2000; n++) {
    if (isSo()) return;
    await world.breathe();
  }
  holds(false, "it to come about in time");
}

const busy = ({ syncer }: PullSide): number => syncer.metrics().exchangesServed;

/** Exchanges as they should be: [PS10] to [PS16], [PS18], [PS21]. */
export const syncerRules: readonly Rule<PullWorld>[] = [
  {
    id: "PS10",
    says: "cursors come as they are, in order, with the epoch",
    async check(world) {
      const { server, client } = await pair(world, 3, 2);
      await fill(server.storage, chunksInBin(server.overlay, 0, 1));
      const { cursors, epoch } = await client.syncer.getCursors(server.device);
      deepEqual([...cursors], [...(await server.storage.cursors())]);
      deepEqual([...cursors].slice(0, 4), [1n, 0n, 3n, 0n]);
      equal(epoch, await server.storage.epoch());
    },
  },
  {
    id: "PS11",
    says: "who lacks nothing is offered all and asks for nothing",
    async check(world) {
      const { server, client, chunks, bin } = await pair(world, 5);
      await fill(client.storage, chunks);
      const puts = client.syncer.metrics().dbOps;
      const result = await client.syncer.sync(server.device, bin, 1n, { to: 5n });
      deepEqual(result, {
        topmost: 5n,
        offered: 5,
        wanted: 0,
        delivered: 0,
        stored: 0,
        missing: [],
        errors: [],
      });
      equal(client.syncer.metrics().dbOps, puts, "puts");
      equal(server.syncer.metrics().chunksSent, 0, "chunks sent");
    },
  },
  {
    id: "PS11",
    says: "who lacks one of five gets exactly that one",
    async check(world) {
      const { server, client, chunks, bin } = await pair(world, 5);
      await fill(client.storage, chunks.toSpliced(3, 1));
      const result = await client.syncer.sync(server.device, bin, 1n, { to: 5n });
      deepEqual([result.topmost, result.wanted, result.stored], [5n, 1, 1]);
      deepEqual(await heldOf(client.storage, chunks), namesOf(chunks));
      equal(server.syncer.metrics().chunksSent, 1, "chunks sent");
      equal(client.syncer.metrics().dbOps, 1, "puts");
    },
  },
  {
    id: "PS11",
    says: "who lacks all five gets all five, in one put",
    async check(world) {
      const { server, client, chunks, bin } = await pair(world, 5);
      const result = await client.syncer.sync(server.device, bin, 1n, { to: 5n });
      deepEqual([result.topmost, result.wanted, result.delivered, result.stored], [5n, 5, 5, 5]);
      deepEqual(await contentOfReserve(client.storage), namesOf(chunks));
      equal(client.syncer.metrics().dbOps, 1, "puts");
      equal(client.syncer.metrics().chunksDelivered, 5, "chunks counted");
    },
  },
  {
    id: "PS13",
    says: "an interval that is empty is answered at once, with its end",
    async check(world) {
      const { server, client, chunks, bin } = await pair(world, 5);
      await server.lose(chunks.slice(2));
      await world.breathe();
      const result = await client.syncer.sync(server.device, bin, 3n, { to: 5n });
      deepEqual([result.topmost, result.offered], [5n, 0]);
      const rest = await client.syncer.sync(server.device, bin, 1n, { to: 5n });
      deepEqual([rest.topmost, rest.stored], [5n, 2]);
    },
  },
  {
    id: "PS13",
    says: `a page has at most ${PAGE_ENTRIES_MAX} entries, and the next one begins behind it`,
    async check(world) {
      const { server, client, chunks, bin } = await pair(world, PAGE_ENTRIES_MAX + 10);
      const cursor = BigInt(chunks.length);
      const first = await client.syncer.sync(server.device, bin, 1n, { to: cursor });
      deepEqual([first.topmost, first.stored], [BigInt(PAGE_ENTRIES_MAX), PAGE_ENTRIES_MAX]);
      const next = first.topmost + 1n;
      const second = await client.syncer.sync(server.device, bin, next, { to: cursor });
      deepEqual([second.topmost, second.stored], [cursor, 10]);
      deepEqual(await contentOfReserve(client.storage), namesOf(chunks));
    },
  },
  {
    id: "PS13",
    says: "a page has at most 4 MiB of chunks",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      const large = chunksInBin(server.overlay, 0, 40, { size: 128 * 1024 });
      await fill(server.storage, large);
      const result = await client.syncer.sync(server.device, 0, 1n, { to: 40n });
      deepEqual([result.topmost, result.stored], [32n, 32]);
    },
  },
  {
    id: "PS14",
    says: "a live request waits, and takes what comes shortly after the first along",
    async check(world) {
      const { server, client, bin } = await pair(world, 2);
      const more = chunksInBin(server.overlay, bin, 6, { seed: 1 });
      const live = client.syncer.sync(server.device, bin, 3n);
      let isOver = false;
      void live.then(() => (isOver = true));
      await untilSo(world, () => busy(server) === 1);
      await world.breathe();
      holds(!isOver, "a request that waits");
      await server.storage.put(more.slice(0, 3).map(pulled));
      await server.storage.put(more.slice(3).map(pulled));
      await untilSo(world, () => isOver);
      const result = await live;
      // How many puts are within the linger is a matter of time; that the first is whole is not.
      holds(result.stored >= 3 && result.topmost === 2n + BigInt(result.stored), "a whole page");
    },
  },
  {
    id: "PS14",
    says: "a live request is answered at once with what is there already",
    async check(world) {
      const { server, client, bin } = await pair(world, 4);
      const result = await client.syncer.sync(server.device, bin, 2n);
      deepEqual([result.topmost, result.stored], [4n, 3]);
    },
  },
  {
    id: "PS15",
    says: "identical requests share one page and have the same result; one that goes takes nobody with it",
    async check(world) {
      const { server, client, bin } = await pair(world, 1);
      const others = [await world.open(), await world.open()];
      const stop = new AbortController();
      const first = client.syncer.sync(server.device, bin, 2n, { signal: stop.signal });
      first.catch(() => {});
      await untilSo(world, () => busy(server) === 1);
      const shared = others.map(({ syncer }) => syncer.sync(server.device, bin, 2n));
      await untilSo(world, () => busy(server) === 3);
      equal(server.syncer.collections, 1, "pages being made");
      equal(server.syncer.metrics().pagesShared, 2, "pages shared");
      stop.abort(new RangeError("enough"));
      await rejectsNamed(first, "RangeError");
      await untilSo(world, () => busy(server) === 2);
      await fill(server.storage, chunksInBin(server.overlay, bin, 1, { seed: 1 }));
      let results: unknown[] = [];
      void Promise.all(shared).then((all) => (results = all.map(({ topmost }) => topmost)));
      await untilSo(world, () => results.length > 0);
      deepEqual(results, [2n, 2n]);
    },
  },
  {
    id: "PS18",
    says: "a client that goes while its page is made frees everything at once, and the next one begins anew",
    async check(world) {
      const { server, client, bin } = await pair(world, 1);
      const stop = new AbortController();
      const gone = Array.from({ length: 8 }, (_, i) =>
        client.syncer.sync(server.device, bin, 2n + BigInt(i % 2), { signal: stop.signal }),
      );
      for (const each of gone) each.catch(() => {});
      await untilSo(world, () => busy(server) === 8);
      equal(server.syncer.collections, 2, "pages being made");
      stop.abort(new RangeError("enough"));
      for (const each of gone) await rejectsNamed(each, "RangeError");
      await untilSo(world, () => busy(server) === 0);
      equal(server.syncer.collections, 0, "pages being made");
      let topmost: bigint | undefined;
      void client.syncer.sync(server.device, bin, 2n).then((result) => (topmost = result.topmost));
      await untilSo(world, () => busy(server) === 1);
      await fill(server.storage, chunksInBin(server.overlay, bin, 1, { seed: 1 }));
      await untilSo(world, () => topmost !== undefined);
      equal(topmost, 2n);
    },
  },
  {
    id: "PS9",
    says: "who is aborted already asks nobody",
    async check(world) {
      const { server, client, bin } = await pair(world, 1);
      const signal = AbortSignal.abort(new RangeError("too late"));
      await rejectsNamed(client.syncer.sync(server.device, bin, 1n, { signal }), "RangeError");
      await rejectsNamed(client.syncer.getCursors(server.device, { signal }), "RangeError");
      await world.breathe();
      equal(server.syncer.metrics().chunksSentOffered, 0, "entries offered");
    },
  },
  {
    id: "PS16",
    says: "what has left the reserve since the offer is delivered empty: no error, and counted as missing",
    async check(world) {
      const { server, client, chunks, bin } = await pair(world, 3);
      // The client looks what it lacks between offer and want: there the server loses two.
      const has = client.storage.has.bind(client.storage);
      client.storage.has = async (entries) => {
        await server.remove(chunks.slice(1));
        return await has(entries);
      };
      const result = await client.syncer.sync(server.device, bin, 1n, { to: 3n });
      deepEqual([result.topmost, result.wanted, result.stored], [3n, 3, 1]);
      deepEqual(
        result.missing.map(({ cause }) => cause),
        ["vanished", "vanished"],
      );
      deepEqual(result.errors, []);
      equal(client.syncer.metrics().receivedZeroAddress, 2, "empty deliveries");
      equal(server.syncer.metrics().chunksSentEmpty, 2, "empty deliveries sent");
    },
  },
  {
    id: "PS7",
    says: "who is a member no more is served nothing, and what it has open ends",
    async check(world) {
      const { server, client, bin } = await pair(world, 1);
      const live = client.syncer.sync(server.device, bin, 2n);
      live.catch(() => {});
      await untilSo(world, () => busy(server) === 1);
      world.expel(client.device);
      holds(["NET_STREAM_RESET", "NET_CLOSED"].includes(await codeOfFailure(live)), "an end");
      await untilSo(world, () => busy(server) === 0);
      const code = await codeOfFailure(client.syncer.getCursors(server.device));
      holds(["NET_STREAM_RESET", "PULLSYNC_ENDED"].includes(code), `a reset, not ${code}`);
      await rejects(server.syncer.getCursors(client.device), "PULLSYNC_REFUSED");
    },
  },
  {
    id: "PS8",
    says: "the streams of version 1.4.0 are served under their ids",
    async check(world) {
      const { server, client } = await pair(world, 0);
      deepEqual(client.syncer.protocol(), {
        name: "pullsync",
        version: "1.4.0",
        streams: ["/rookery/pullsync/1.4.0/cursors", "/rookery/pullsync/1.4.0/pullsync"],
      });
      await rejects(
        client.streamer.open(server.device, "/rookery/pullsync/1.3.0/cursors"),
        "NET_PROTOCOL_UNSUPPORTED",
      );
      const stream = await client.streamer.open(server.device, "/rookery/pullsync/1.4.0/cursors");
      await stream.send(CODEC_1_4_0.encodeSyn());
      equal(CODEC_1_4_0.decodeAck((await stream.receive()) as Uint8Array).cursors.length, 32);
    },
  },
  {
    id: "PS21",
    says: "what another source has claimed is not asked for, but named as awaited",
    async check(world) {
      const server = await world.open();
      const chunks = chunksInBin(server.overlay, 1, 4);
      await fill(server.storage, chunks);
      const sources = new Set<object>();
      let [asked, stored] = [0, 0];
      const client = await world.open({
        wants: {
          claim: (_chunk, source) => {
            sources.add(source);
            asked += 1;
            return asked % 2 === 0;
          },
          release: (source) => void sources.delete(source),
          stored: () => void (stored += 1),
        },
      });
      const result = await client.syncer.sync(server.device, 1, 1n, { to: 4n });
      deepEqual([result.topmost, result.wanted, result.stored], [4n, 2, 2]);
      deepEqual(
        result.missing.map(({ cause }) => cause),
        ["awaited", "awaited"],
      );
      deepEqual([asked, stored, sources.size], [4, 2, 0]);
    },
  },
  {
    id: "PS24",
    says: "a page's seal comes with the write of its last chunks and names what is lacking",
    async check(world) {
      const { server, client, chunks, bin } = await pair(world, 3);
      const seen: unknown[] = [];
      await client.syncer.sync(server.device, bin, 1n, {
        to: 3n,
        seal: async (_, page) => void seen.push(page),
      });
      deepEqual(seen, [{ start: 1n, topmost: 3n, lacking: [] }]);
      const failing = await client.syncer.sync(server.device, bin, 1n, {
        to: 3n,
        seal: () => Promise.reject(new RangeError("no room")),
      });
      equal(failing.topmost, 0n, "topmost of a page that was not sealed");
      equal(failing.errors[0]?.name, "RangeError");
      deepEqual(await heldOf(client.storage, chunks), namesOf(chunks));
    },
  },
];

/** The code that a promise fails with. */
export async function codeOfFailure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return codeOf(error) ?? String(error);
  }
  return "no failure";
}
