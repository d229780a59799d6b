import { describe, expect, test } from "vitest";

import { BlobRef, toHex } from "../base/index.ts";
import { makeNode } from "../blobs/index.ts";
import { CONTENT, contentChunk } from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import {
  admitBlobs,
  BlobFlock,
  type BlobPeer,
  hasRow,
  noise,
  putBlob,
  shareBlobs,
} from "../testkit/exchange/blob-flock.ts";
import { type AskedOfHolder, holdByScript } from "../testkit/exchange/raw-exchange.ts";
import { FakeClock } from "../testkit/index.ts";
import { eventually, isConnected } from "../testkit/sync-flock.ts";
import { shownTheDoor } from "../testkit/sync-hostile.ts";
import { PEER_WINDOW_BYTES, REQUEST_BYTES, REQUESTS_IN_FLIGHT_MAX, STALL_MS } from "./limits.ts";

const crypto = nodeCrypto();
const SIZE = 8_000_000;
const BYTES = noise(SIZE);

interface World {
  /** Has the blob, and lies about it. */
  readonly mal: BlobPeer;
  readonly bob: BlobPeer;
  readonly ref: BlobRef;
}

/** `mal` has a blob, and its own exchange is closed: a script takes its place. */
async function world(flock: BlobFlock, clock?: FakeClock): Promise<World> {
  const mal = await flock.open("mal");
  const bob = await flock.open("bob", clock === undefined ? {} : { clock });
  const shared = await shareBlobs(mal);
  await admitBlobs(mal, bob, shared);
  const ref = await putBlob(mal, shared, "picture", BYTES);
  await hasRow(bob, shared, "picture");
  await eventually(() => isConnected(bob.peer, mal.peer.device));
  await mal.exchange.close();
  return { mal, bob, ref };
}

/** Bytes of the chunks, or of the node, that a request names: what an honest holder has. */
async function honest({ chunks }: BlobPeer, ref: BlobRef, { request }: AskedOfHolder["request"]) {
  if (request.case === "recipe") {
    const wanted = request.value.nodes.length === 0 ? [ref.root] : request.value.nodes;
    return { nodes: (await chunks.getMany(CONTENT, wanted)) as Uint8Array[] };
  }
  const packed = request.case === "chunks" ? request.value.addresses : new Uint8Array();
  const wanted = Array.from({ length: packed.length / 32 }, (_, i) =>
    packed.slice(32 * i, 32 * i + 32),
  );
  const found = await chunks.getMany(CONTENT, wanted);
  return { chunks: wanted.map((address, i) => ({ address, data: found[i] as Uint8Array })) };
}

/** Addresses of the chunks of a blob that is here. */
async function chunkAddresses({ blobs }: BlobPeer, ref: BlobRef): Promise<Uint8Array[]> {
  const root = await blobs.node({ address: ref.root, size: ref.size, level: ref.depth });
  const [name] = root?.entries ?? [];
  const leaf = name && (await blobs.node({ ...name, level: 1 }));
  return leaf?.entries.map(({ address }) => address) ?? [];
}

type Lie = (asked: AskedOfHolder, mal: BlobPeer, ref: BlobRef) => Promise<void>;

/** Honest about the recipe, so that the lie is about chunks. */
const aboutChunks =
  (lie: Lie): Lie =>
  async (asked, mal, ref) =>
    asked.request.request.case === "chunks"
      ? lie(asked, mal, ref)
      : asked.send({ ...(await honest(mal, ref, asked.request)), isLast: true });

/** Honest about the root, so that the lie is about the nodes that it names. */
const aboutLeaves =
  (lie: Lie): Lie =>
  async (asked, mal, ref) =>
    asked.request.request.case === "recipe" && asked.request.request.value.nodes.length > 0
      ? lie(asked, mal, ref)
      : asked.send({ ...(await honest(mal, ref, asked.request)), isLast: true });

async function chunksOf(mal: BlobPeer, ref: BlobRef, asked: AskedOfHolder) {
  const { chunks = [] } = await honest(mal, ref, asked.request);
  return chunks;
}

async function nodesOf(mal: BlobPeer, ref: BlobRef, asked: AskedOfHolder) {
  const { nodes = [] } = await honest(mal, ref, asked.request);
  return nodes;
}

/** What a node that it made up says. */
const forged = makeNode(crypto, 1, [{ address: new Uint8Array(32), size: 9 }]).chunk.bytes;

const FAULTS: readonly (readonly [string, Lie])[] = [
  ["another node for the root", ({ send }) => send({ nodes: [forged], isLast: true })],
  [
    "the root twice",
    async (asked, mal, ref) => {
      const [root] = await nodesOf(mal, ref, asked);
      await asked.send({ nodes: [root as Uint8Array, root as Uint8Array], isLast: true });
    },
  ],
  ["no node", ({ send }) => send({ isLast: true })],
  ["an answer that brings nothing", ({ send }) => send({ isLast: false })],
  [
    "chunks for a recipe",
    ({ send }) =>
      send({ chunks: [{ address: new Uint8Array(32), data: Uint8Array.of(1) }], isLast: true }),
  ],
  ["an answer to what was not asked", ({ send }) => send({ number: 77, isLast: true })],
  [
    "leaves in another order",
    aboutLeaves(async (asked, mal, ref) => {
      const nodes = await nodesOf(mal, ref, asked);
      await asked.send({ nodes: nodes.toReversed(), isLast: true });
    }),
  ],
  [
    "one leaf too few",
    aboutLeaves(async (asked, mal, ref) => {
      const nodes = await nodesOf(mal, ref, asked);
      await asked.send({ nodes: nodes.slice(1), isLast: true });
    }),
  ],
  [
    "a leaf of changed bytes",
    aboutLeaves(async (asked, mal, ref) => {
      const nodes = await nodesOf(mal, ref, asked);
      await asked.send({ nodes: nodes.map((node) => flipped(node)), isLast: true });
    }),
  ],
  [
    "a chunk of changed bytes",
    aboutChunks(async (asked, mal, ref) => {
      const [first, ...others] = await chunksOf(mal, ref, asked);
      if (first === undefined) return;
      await asked.send({ chunks: [{ ...first, data: flipped(first.data) }] });
      await asked.send({ chunks: others.slice(0, 1), isLast: true });
    }),
  ],
  [
    "a chunk that is cut",
    aboutChunks(async (asked, mal, ref) => {
      const [first] = await chunksOf(mal, ref, asked);
      if (first === undefined) return;
      await asked.send({ chunks: [{ ...first, data: first.data.subarray(1) }], isLast: true });
    }),
  ],
  [
    "a chunk twice",
    aboutChunks(async (asked, mal, ref) => {
      const [first] = await chunksOf(mal, ref, asked);
      if (first === undefined) return;
      await asked.send({ chunks: [first, first] });
    }),
  ],
  [
    "a chunk that was not asked for",
    aboutChunks(async ({ send }) => {
      const { address, bytes } = contentChunk(crypto, Uint8Array.of(1, 2, 3));
      await send({ chunks: [{ address, data: bytes }] });
    }),
  ],
  [
    "fewer chunks than were asked for",
    aboutChunks(async (asked, mal, ref) => {
      const chunks = await chunksOf(mal, ref, asked);
      await asked.send({ chunks: chunks.slice(1, 3), isLast: true });
    }),
  ],
  ["nodes for chunks", aboutChunks(({ send }) => send({ nodes: [forged], isLast: true }))],
  [
    "an answer after the last one",
    aboutChunks(async (asked, mal, ref) => {
      const chunks = await chunksOf(mal, ref, asked);
      for (const chunk of chunks) await asked.send({ chunks: [chunk] });
      await asked.send({ isLast: true });
      await asked.send({ isLast: true });
    }),
  ],
  ["a frame that is too long", ({ raw }) => raw(Uint8Array.of(0xff, 0xff, 0xff, 0x7f))],
  ["a frame that is no message", ({ raw }) => raw(Uint8Array.of(2, 0xff, 0xff))],
];

function flipped(bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  changed[0] = (changed[0] as number) ^ 1;
  return changed;
}

/** Resolves when all that `one` has stored is of the blob that `other` has whole; rejects otherwise. */
async function holdsNothingElse(one: BlobPeer, other: BlobPeer, ref: BlobRef): Promise<void> {
  const known = new Set<string>();
  for await (const page of other.blobs.addresses(ref))
    for (const address of page) known.add(toHex(address));
  for await (const { key } of one.disk.store.scan({
    gte: Uint8Array.of(0x30),
    lt: Uint8Array.of(0x31),
  }))
    expect(known).toContain(toHex(key.slice(2)));
}

describe("holders that lie", () => {
  test.for(FAULTS)(
    "[EX11] who sends %s is shown the door, and nothing of it is stored",
    async ([, lie]) => {
      await using flock = new BlobFlock();
      const { mal, bob, ref } = await world(flock);
      holdByScript(mal.peer, (asked) => lie(asked, mal, ref));
      const leaving = new AbortController();
      const fetching = bob.exchange.fetchWhole(ref, { signal: leaving.signal });
      fetching.catch(() => {});

      await shownTheDoor(bob.peer, mal.peer.device, flock.sync.events);

      leaving.abort(new Error("seen enough"));
      await expect(fetching).rejects.toThrow("seen enough");
      expect(await bob.blobs.isWhole(ref)).toBe(false);
      await holdsNothingElse(bob, mal, ref);
    },
  );

  test("[EX11] [EX13] a recipe that lies under its true hash is not believed", async () => {
    await using flock = new BlobFlock();
    const { mal, bob } = await world(flock);
    const chunk = contentChunk(crypto, noise(10_000));
    // Two entries of one chunk that are said to be larger than it is.
    const liar = makeNode(crypto, 1, [
      { address: chunk.address, size: 20_000 },
      { address: chunk.address, size: 10_000 },
    ]);
    await mal.chunks.put([chunk, liar.chunk]);
    const ref = new BlobRef({ root: liar.address, size: 30_000, depth: 1, chunker: 1 });
    holdByScript(mal.peer, async (asked) =>
      asked.send({ ...(await honest(mal, ref, asked.request)), isLast: true }),
    );
    const fetching = bob.exchange.fetchWhole(ref, { signal: AbortSignal.timeout(20_000) });
    fetching.catch(() => {});
    await shownTheDoor(bob.peer, mal.peer.device, flock.sync.events);
    expect(await bob.chunks.has(CONTENT, [chunk.address])).toEqual([false]);
  });

  test("[EX11] [EX12] after one that lies and one that lacks, a third gives it", async () => {
    await using flock = new BlobFlock();
    const mal = await flock.open("mal");
    const shared = await shareBlobs(mal);
    const [lacks, good, bob] = [
      await flock.open("lacks"),
      await flock.open("good"),
      await flock.open("bob"),
    ];
    for (const one of [lacks, good, bob]) await admitBlobs(mal, one, shared);
    const ref = await putBlob(mal, shared, "picture", BYTES);
    for (const one of [lacks, good, bob]) await hasRow(one, shared, "picture");
    await good.exchange.fetchWhole(ref);
    await mal.exchange.close();
    await lacks.exchange.close();
    const asked = new Set<string>();
    holdByScript(mal.peer, async ({ send }) => {
      asked.add("mal");
      await send({ nodes: [forged], isLast: true });
    });
    holdByScript(lacks.peer, async ({ send }) => {
      asked.add("lacks");
      await send({ absent: ref.root, isLast: true });
    });
    // The good one answers only when the others have been asked.
    const have = good.peer.sync;
    have.handleHaveBlob(async ({ size }) => (asked.size === 2 ? { size } : {}));
    for (const one of [mal, lacks, good])
      await eventually(() => isConnected(bob.peer, one.peer.device));

    expect(await bob.exchange.fetchWhole(ref)).toMatchObject({ state: "done", received: SIZE });

    expect(asked).toEqual(new Set(["mal", "lacks"]));
    const faults = new Map(bob.peer.sync.peers().map(({ device, faults: n }) => [device, n]));
    expect(faults.get(mal.peer.device)).toBe(1);
    expect(faults.get(lacks.peer.device)).toBe(0);
    expect(toHex(crypto.sha256(await bob.blobs.bytes(ref)))).toBe(toHex(crypto.sha256(BYTES)));
  });

  test.for([
    ["says nothing", async () => {}],
    [
      "drips",
      aboutChunks(async (asked, mal, ref) => {
        const [first] = await chunksOf(mal, ref, asked);
        if (first !== undefined) await asked.send({ chunks: [first] });
      }),
    ],
  ] as const)(
    "[EX12] a holder that %s is left, without blame",
    async ([, lie]: readonly [string, Lie]) => {
      await using flock = new BlobFlock();
      const clock = new FakeClock(Date.now());
      const { mal, bob, ref } = await world(flock, clock);
      let requests = 0;
      holdByScript(mal.peer, async (asked) => {
        requests += 1;
        // A hundred bytes of chunks at most, whatever is asked for.
        if (requests < 4 || asked.request.request.case === "recipe") await lie(asked, mal, ref);
      });
      const states: string[] = [];
      const leaving = new AbortController();
      const fetching = bob.exchange.fetchWhole(ref, {
        signal: leaving.signal,
        onProgress: ({ state }) => states.push(state),
      });
      fetching.catch(() => {});
      await eventually(() => requests > 0);

      while (states.at(-1) !== "pending") {
        await clock.advance(STALL_MS / 2);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }

      expect(flock.sync.events.filter(({ event }) => event === "sync.peer.fault")).toEqual([]);
      expect(flock.sync.events.some(({ fields }) => fields["code"] === "EXCHANGE_STALLED")).toBe(
        true,
      );
      leaving.abort(new Error("seen enough"));
      await expect(fetching).rejects.toThrow("seen enough");
    },
  );

  test("[EX10] no more is under way at a holder than it may be", async () => {
    await using flock = new BlobFlock();
    const { mal, bob, ref } = await world(flock);
    const waiting: { asked: AskedOfHolder; bytes: number }[] = [];
    let most = { bytes: 0, requests: 0 };
    holdByScript(mal.peer, async (asked) => {
      const { nodes, chunks = [] } = await honest(mal, ref, asked.request);
      if (nodes !== undefined) return asked.send({ nodes, isLast: true });
      const bytes = chunks.reduce((sum, { data }) => sum + data.length, 0);
      waiting.push({ asked, bytes });
      const now = waiting.reduce((sum, one) => sum + one.bytes, 0);
      most = {
        bytes: Math.max(most.bytes, now),
        requests: Math.max(most.requests, waiting.length),
      };
    });
    const fetching = bob.exchange.fetchWhole(ref);
    let isOver = false;
    void fetching.then(() => (isOver = true));
    while (!isOver) {
      // Time for whatever is going to be asked for before anything is answered.
      await new Promise((resolve) => setTimeout(resolve, 30));
      const [next] = waiting.splice(Math.floor(waiting.length / 2), 1);
      if (next === undefined) continue;
      for (const chunk of await chunksOf(mal, ref, next.asked))
        await next.asked.send({ chunks: [chunk] });
      await next.asked.send({ isLast: true });
    }

    await fetching;
    expect(most.bytes).toBeLessThanOrEqual(PEER_WINDOW_BYTES);
    expect(most.bytes).toBeGreaterThan(PEER_WINDOW_BYTES - REQUEST_BYTES);
    expect(most.requests).toBeLessThanOrEqual(REQUESTS_IN_FLIGHT_MAX);
  });

  test("[EX14] what pull-sync is asking for is not asked for, until that is late", async () => {
    await using flock = new BlobFlock();
    const { mal, bob, ref } = await world(flock);
    const asked: string[] = [];
    holdByScript(mal.peer, async (request) => {
      for (const { address } of await chunksOf(mal, ref, request)) asked.push(toHex(address));
      const { nodes, chunks = [] } = await honest(mal, ref, request.request);
      if (nodes !== undefined) await request.send({ nodes });
      for (const chunk of chunks) await request.send({ chunks: [chunk] });
      await request.send({ isLast: true });
    });
    const [first] = await chunkAddresses(mal, ref);
    const name = { kind: CONTENT, address: first as Uint8Array };
    const pulling = {};
    expect(bob.wants.claim(name, pulling, 600_000)).toBe(true);
    const fetching = bob.exchange.fetchWhole(ref);
    await eventually(async () => (await bob.blobs.status(ref)).here > SIZE - 131_072 * 2);
    expect(asked).not.toContain(toHex(first as Uint8Array));

    bob.wants.release(pulling, name);
    expect(await fetching).toMatchObject({ state: "done", fromLocal: 0 });
    expect(new Set(asked).size).toBe(asked.length);
  });
});
