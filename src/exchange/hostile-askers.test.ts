import { describe, expect, test } from "vitest";

import { BlobRef, concatBytes, equalBytes } from "../base/index.ts";
import { makeNode } from "../blobs/index.ts";
import { CHUNK_BYTES_MAX, contentChunk } from "../chunks/index.ts";
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
import { holdByScript, nameOf, RawAsker } from "../testkit/exchange/raw-exchange.ts";
import { eventually, isConnected, type SharedGroup, todosOf } from "../testkit/sync-flock.ts";
import { BlobAccess } from "./blob-access.ts";
import {
  REQUESTS_HELD_BYTES_MAX,
  REQUESTS_IN_FLIGHT_MAX,
  SERVED_STREAMS_PER_PEER_MAX,
} from "./limits.ts";

const crypto = nodeCrypto();

interface World {
  readonly ada: BlobPeer;
  readonly eve: BlobPeer;
  readonly shared: SharedGroup;
}

async function world(flock: BlobFlock): Promise<World> {
  const [ada, eve] = [await flock.open("ada"), await flock.open("eve")];
  const shared = await shareBlobs(ada);
  await admitBlobs(ada, eve, shared);
  await eventually(() => isConnected(eve.peer, ada.peer.device));
  return { ada, eve, shared };
}

const faults = (flock: BlobFlock): unknown[] =>
  flock.sync.events.filter(({ event }) => event === "sync.peer.fault");

/** As many blobs of one chunk. */
async function putSmall({ ada, shared }: World, count: number): Promise<BlobRef[]> {
  const refs: BlobRef[] = [];
  for (let i = 0; i < count; i++) refs.push((await ada.blobs.put([noise(6_000, i + 1)])).ref);
  await (await todosOf(ada.peer, shared)).put("all", refs);
  return refs;
}

describe("askers that cost more than they should", () => {
  test("[EX5] [EX10] what is given up is under way until it is answered: no more are unanswered for it", async () => {
    await using flock = new BlobFlock();
    const there = await world(flock);
    const { ada, eve } = there;
    const refs = await putSmall(there, 2 * REQUESTS_IN_FLIGHT_MAX);
    await hasRow(eve, there.shared, "all");
    await ada.exchange.close();
    let asked = 0;
    holdByScript(ada.peer, async () => void (asked += 1));
    const [ending, rest] = [new AbortController(), new AbortController()];
    const fetch = (ref: BlobRef, { signal }: AbortController): Promise<unknown> =>
      eve.exchange.fetchWhole(ref, { signal }).catch(() => {});
    const [kept, ...others] = refs as [BlobRef, ...BlobRef[]];
    const first = others.slice(0, REQUESTS_IN_FLIGHT_MAX - 1);
    const fetching = [fetch(kept, rest), ...first.map((ref) => fetch(ref, ending))];
    await eventually(() => asked === REQUESTS_IN_FLIGHT_MAX);
    ending.abort(new Error("enough"));
    await Promise.all(fetching.slice(1));
    const more = others.slice(first.length).map((ref) => fetch(ref, rest));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(asked).toBe(REQUESTS_IN_FLIGHT_MAX);
    rest.abort(new Error("enough"));
    await Promise.all([...fetching, ...more]);
  });

  test("[EX5] many small blobs at once are no fault", async () => {
    await using flock = new BlobFlock();
    const there = await world(flock);
    const { ada, eve } = there;
    const refs = await putSmall(there, 3 * REQUESTS_IN_FLIGHT_MAX);
    await Promise.all(refs.map((ref) => eve.exchange.fetchWhole(ref)));
    expect(faults(flock)).toEqual([]);
    expect(isConnected(eve.peer, ada.peer.device)).toBe(true);
  });

  test("[EX6] large requests of who takes no answers are not taken in", async () => {
    await using flock = new BlobFlock();
    const { ada, eve, shared } = await world(flock);
    const ref = await putBlob(ada, shared, "large", noise(4_000_000));
    const leaf = await ada.blobs.node({ address: ref.root, size: ref.size, level: 1 });
    if (leaf === undefined) return expect.fail("the root is a node of level 1");
    const raw = await RawAsker.open(eve.peer, ada.peer);
    const addresses = concatBytes(...leaf.entries.map(({ address }) => address));
    const chunks = { case: "chunks" as const, value: { node: leaf.address, addresses } };
    for (let number = 1; number <= 8; number++)
      await raw.send({
        number,
        blob: 1,
        ...(number === 1 && { name: nameOf(ref) }),
        request: chunks,
      });
    const held = Array.from({ length: 4_096 }, (_, i) => crypto.sha256(Uint8Array.of(i, i >> 8)));
    const recipe = { case: "recipe" as const, value: { held } };
    let sent = 0;
    void (async () => {
      for (let number = 9; number < REQUESTS_IN_FLIGHT_MAX; number++) {
        await raw.send({ number, blob: 1, request: recipe });
        sent += 1;
      }
    })().catch(() => {});
    await eventually(() => sent >= 6);
    await new Promise((resolve) => setTimeout(resolve, 200));
    // What waits, and what is on the way.
    expect(sent * 32 * 4_096).toBeLessThan(REQUESTS_HELD_BYTES_MAX + 4 * 1024 * 1024);
    expect(faults(flock)).toEqual([]);
    raw.frames.reset();
  });

  test("[EX6] a peer has few streams", async () => {
    await using flock = new BlobFlock();
    const { ada, eve, shared } = await world(flock);
    const ref = await putBlob(ada, shared, "small", noise(5_000));
    const request = { case: "chunks" as const, value: { addresses: ref.root } };
    const ask = (raw: RawAsker) => raw.ask({ number: 1, blob: 1, name: nameOf(ref), request });
    const open: RawAsker[] = [];
    for (let i = 0; i < SERVED_STREAMS_PER_PEER_MAX; i++) {
      const raw = await RawAsker.open(eve.peer, ada.peer);
      expect((await ask(raw))?.[0]?.answer.chunks.length).toBe(1);
      open.push(raw);
    }
    const refused = await RawAsker.open(eve.peer, ada.peer);
    expect(await ask(refused).catch(() => undefined)).toBeUndefined();
    expect(faults(flock)).toEqual([]);
    for (const raw of open) raw.frames.reset();
    await eventually(async () => {
      const raw = await RawAsker.open(eve.peer, ada.peer);
      const answers = await ask(raw).catch(() => undefined);
      raw.frames.reset();
      return answers !== undefined;
    });
  });

  test("[EX3] [EX6] chunks that are larger than a node says are not taken into memory, and are absent", async () => {
    await using flock = new BlobFlock();
    const { ada, eve, shared } = await world(flock);
    const large = Array.from({ length: 8 }, (_, i) =>
      contentChunk(crypto, new Uint8Array(CHUNK_BYTES_MAX).fill(i + 1)),
    );
    const small = contentChunk(crypto, Uint8Array.of(7));
    await ada.blobs.addChunks([...large, small]);
    const entries = [...large, small].map(({ address }) => ({ address, size: 1 }));
    const node = makeNode(crypto, 1, entries);
    await ada.blobs.addNodes([node]);
    const ref = new BlobRef({ root: node.address, size: node.size, depth: 1, chunker: 1 });
    await (await todosOf(ada.peer, shared)).put("lie", ref);
    const raw = await RawAsker.open(eve.peer, ada.peer);
    const addresses = concatBytes(...entries.map(({ address }) => address));
    const answers = await raw.ask({
      number: 1,
      blob: 1,
      name: nameOf(ref),
      request: { case: "chunks", value: { node: node.address, addresses } },
    });
    const got = answers?.flatMap(({ answer }) => answer.chunks) ?? [];
    expect(got.map(({ data }) => data.length)).toEqual([1]);
    const absent = concatBytes(...(answers ?? []).map(({ answer }) => answer.absent));
    expect(equalBytes(absent, addresses.subarray(0, 8 * 32))).toBe(true);
    raw.frames.reset();
  });

  test("[EX1] who names a blob as no row does has the rows that name it read once", async () => {
    await using flock = new BlobFlock();
    const { ada, eve, shared } = await world(flock);
    const { ref } = await ada.blobs.put([noise(5_000)]);
    const todos = await todosOf(ada.peer, shared);
    for (let i = 0; i < 50; i++) await todos.put(`row ${i}`, ref);
    const { store } = ada.disk;
    let read = 0;
    const scan: typeof store.scan = async function* (...args) {
      for await (const entry of store.scan(...args)) {
        read += 1;
        yield entry;
      }
    };
    const { history, sync } = ada.peer;
    const counting = { scan } as typeof store;
    using access = new BlobAccess({ store: counting, history, sync });
    const { root, depth } = ref;
    const may = (size: number) => access.mayFetch(eve.peer.device, { root, depth, size });
    for (let more = 1; more <= 100; more++) expect(await may(5_000 + more)).toBe(false);
    expect(read).toBe(50);
    expect(await may(5_000)).toBe(true);
    // What is written since is seen.
    await todos.put("lie", new BlobRef({ root, depth, size: 5_001, chunker: 1 }));
    expect(await may(5_001)).toBe(true);
    expect(await may(5_002)).toBe(false);
  });
});
