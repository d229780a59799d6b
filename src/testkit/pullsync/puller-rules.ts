import type { PeerProgress, Puller } from "../../pullsync/index.ts";
import { deepEqual, equal, holds, type Rule } from "../expect.ts";
import {
  chunksInBin,
  chunksOf,
  contentOfReserve,
  fill,
  heldOf,
  namesOf,
  type PullSide,
  type PullWorld,
} from "./pull-world.ts";
import { untilSo } from "./syncer-rules.ts";

const progressOf = (puller: Puller, { device }: { device: string }): PeerProgress =>
  puller.progress().peers.find(({ peer }) => peer === device) as PeerProgress;

/** Waits until all that was there is here. */
async function caughtUp(world: PullWorld, puller: Puller): Promise<void> {
  await untilSo(world, () => puller.progress().peers.every(({ state }) => state === "live"));
}

/** Waits until two reserves hold the same. */
async function equalled(world: PullWorld, a: PullSide, b: PullSide): Promise<void> {
  for (let n = 0; n < 2000; n++) {
    const [ours, theirs] = [await contentOfReserve(a.storage), await contentOfReserve(b.storage)];
    if (ours.join() === theirs.join()) return;
    await world.breathe();
  }
  holds(false, "both reserves to become equal");
}

/** What a puller must do over whatever reserves and streams: [PS32] to [PS37]. */
export const pullerRules: readonly Rule<PullWorld>[] = [
  {
    id: "PS33",
    says: "pulls what a peer has, then what comes to it, in all bins",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      const [old, fresh] = [chunksOf(600), chunksOf(50, 1)];
      await fill(server.storage, old);
      const puller = await world.pull(client);
      await caughtUp(world, puller);
      deepEqual(await contentOfReserve(client.storage), namesOf(old));
      equal(client.syncer.metrics().chunksDelivered, old.length, "chunks delivered");
      await fill(server.storage, fresh);
      await equalled(world, server, client);
      const { bins, epoch, stored, state } = progressOf(puller, server);
      equal(epoch, await server.storage.epoch());
      equal(stored, old.length + fresh.length);
      equal(state, "live");
      await untilSo(world, () =>
        progressOf(puller, server).bins.every(({ cursor, done }) => cursor === done),
      );
      deepEqual(
        progressOf(puller, server).bins.map(({ cursor }) => cursor),
        [...(await server.storage.cursors())],
      );
      equal(bins.length, 32);
      equal(puller.progress().missing, 0);
    },
  },
  {
    id: "PS37",
    says: "says of each peer and bin how far it is, and what went wrong last",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      const chunks = chunksInBin(server.overlay, 2, 30);
      await fill(server.storage, chunks);
      const get = server.storage.get.bind(server.storage);
      server.storage.get = () => Promise.reject(new RangeError("a disk that fails"));
      const puller = await world.pull(client);
      await untilSo(world, () => progressOf(puller, server).bins[2]?.lastError !== undefined);
      const failing = progressOf(puller, server);
      equal(failing.state, "historical");
      deepEqual([failing.bins[2]?.cursor, failing.bins[2]?.done, failing.stored], [30n, 0n, 0]);
      equal(failing.lastError?.code, failing.bins[2]?.lastError?.code);
      equal(failing.bins[3]?.lastError, undefined);
      server.storage.get = get;
      await caughtUp(world, puller);
      const { bins, stored, rate, remainingSeconds, missing } = progressOf(puller, server);
      deepEqual([bins[2]?.cursor, bins[2]?.done, bins[2]?.lastError], [30n, 30n, undefined]);
      deepEqual([stored, remainingSeconds, missing], [30, 0, 0]);
      holds(rate > 0, "a rate");
    },
  },
  {
    id: "PS33",
    says: "several bins are live at the same time",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      await caughtUp(world, await world.pull(client));
      await untilSo(world, () => server.syncer.metrics().exchangesServed >= 32);
      equal(server.syncer.collections, 32, "bins that are waited for");
      for (const bin of [5, 0, 3]) await fill(server.storage, chunksInBin(server.overlay, bin, 2));
      await equalled(world, server, client);
    },
  },
  {
    id: "PS33",
    says: "two peers that pull from each other end with the same, and send each chunk once",
    async check(world) {
      const [a, b] = [await world.open(), await world.open()];
      const [ofA, ofB, both] = [chunksOf(120, 1), chunksOf(130, 2), chunksOf(40, 3)];
      await fill(a.storage, [...ofA, ...both]);
      await fill(b.storage, [...both, ...ofB]);
      await world.pull(a);
      await world.pull(b);
      await equalled(world, a, b);
      deepEqual(await contentOfReserve(a.storage), namesOf([...ofA, ...ofB, ...both]));
      equal(a.syncer.metrics().chunksSent, ofA.length, "chunks sent");
      equal(b.syncer.metrics().chunksSent, ofB.length, "chunks sent back");
    },
  },
  {
    id: "PS33",
    says: "three peers in a chain hand on what comes to the first",
    async check(world) {
      const [a, b, c] = [await world.open(), await world.open(), await world.open()];
      const [pullB, pullC] = [await world.pull(b), await world.pull(c)];
      pullB.remove(c.device);
      pullC.remove(a.device);
      await fill(a.storage, chunksOf(300));
      await equalled(world, a, c);
      equal(a.syncer.metrics().chunksSent, 300, "chunks that the first sent");
      equal(b.syncer.metrics().chunksSent, 300, "chunks that the second sent");
    },
  },
  {
    id: "PS31",
    says: "goes on where it was when it begins again, and asks for nothing twice",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      await fill(server.storage, chunksOf(300));
      const first = await world.pull(client);
      await caughtUp(world, first);
      await first.close();
      await untilSo(world, () => server.syncer.metrics().exchangesServed === 0);
      const offered = server.syncer.metrics().chunksSentOffered;
      equal(offered, 300, "entries offered");
      await fill(server.storage, chunksOf(20, 1));
      await caughtUp(world, await world.pull(client));
      equal(server.syncer.metrics().chunksSentOffered, offered + 20, "entries offered after that");
      await equalled(world, server, client);
    },
  },
  {
    id: "PS32",
    says: "what a peer has given is pulled anew when its reserve was made anew",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      await fill(server.storage, chunksOf(100));
      const first = await world.pull(client);
      await caughtUp(world, first);
      await first.close();
      const epoch = await server.storage.epoch();
      server.storage.epoch = async () => epoch - 1n;
      const second = await world.pull(client);
      await caughtUp(world, second);
      equal(server.syncer.metrics().chunksSentOffered, 200, "entries offered");
      equal(server.syncer.metrics().chunksSent, 100, "chunks sent");
      equal(progressOf(second, server).epoch, epoch - 1n);
    },
  },
  {
    id: "PS32",
    says: "so it is when a cursor is below what we know, though the epoch is the same",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      const chunks = chunksInBin(server.overlay, 0, 20);
      await fill(server.storage, chunks);
      const first = await world.pull(client);
      await caughtUp(world, first);
      await first.close();
      const cursors = await server.storage.cursors();
      server.storage.cursors = async () =>
        cursors.map((cursor) => (cursor > 0n ? cursor - 5n : 0n));
      await caughtUp(world, await world.pull(client));
      // All that is below the cursor and, live, the five that are above it.
      await untilSo(world, () => server.syncer.metrics().chunksSentOffered === 40);
    },
  },
  {
    id: "PS35",
    says: "a chunk that was lost is asked for from whoever has it, and gets a new number",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      const chunks = chunksOf(60);
      await fill(server.storage, chunks);
      const puller = await world.pull(client);
      await caughtUp(world, puller);
      const before = (await client.storage.cursors()).reduce((sum, cursor) => sum + cursor, 0n);
      await client.lose(chunks.slice(0, 5));
      await untilSo(world, () => puller.progress().missing === 5);
      deepEqual(puller.missing(), namesOf(chunks.slice(0, 5)));
      await untilSo(world, () => puller.progress().missing === 0);
      deepEqual(await heldOf(client.storage, chunks), namesOf(chunks));
      const after = (await client.storage.cursors()).reduce((sum, cursor) => sum + cursor, 0n);
      equal(after - before, 5n, "new numbers");
      equal(server.syncer.metrics().chunksSent, 65, "chunks sent");
    },
  },
  {
    id: "PS35",
    says: "a lost chunk that nobody has is missing until everybody has said so",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      const chunks = chunksOf(20);
      await fill(server.storage, chunks);
      const puller = await world.pull(client);
      await caughtUp(world, puller);
      await server.remove(chunks.slice(0, 1));
      await client.lose(chunks.slice(0, 2));
      await untilSo(world, () => puller.progress().missing === 2);
      await untilSo(world, () => puller.progress().missing === 0);
      deepEqual(await heldOf(client.storage, chunks), namesOf(chunks.slice(1)));
    },
  },
  {
    id: "PS36",
    says: "a peer that is gone is not asked any more; what was sealed stays for the next time",
    async check(world) {
      const [server, client] = [await world.open(), await world.open()];
      await fill(server.storage, chunksOf(30));
      const puller = await world.pull(client);
      await caughtUp(world, puller);
      puller.remove(server.device);
      await untilSo(world, () => server.syncer.metrics().exchangesServed === 0);
      await fill(server.storage, chunksOf(10, 1));
      await world.breathe();
      deepEqual(puller.peers, []);
      equal(server.syncer.metrics().chunksSentOffered, 30, "entries offered");
      puller.add(server.device);
      await caughtUp(world, puller);
      await equalled(world, server, client);
      equal(server.syncer.metrics().chunksSentOffered, 40, "entries offered in all");
    },
  },
];
