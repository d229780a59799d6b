import { describe, expect, test } from "vitest";
import type { VerifiedChunk } from "../chunks/index.ts";
import { seededRandom, settle } from "../testkit/index.ts";
import {
  chunksInBin,
  contentOfReserve,
  fill,
  namesOf,
  type PullSide,
  type PullWorld,
  type RawSide,
} from "../testkit/pullsync/pull-world.ts";
import { memoryPullWorld } from "../testkit/pullsync/pull-worlds.ts";
import {
  deliverRaw,
  offerOf,
  offerRaw,
  serveRaw,
  serveRawCursors,
} from "../testkit/pullsync/raw-peer.ts";
import { untilSo } from "../testkit/pullsync/syncer-rules.ts";
import { FakeClock } from "../testkit/index.ts";
import { CODEC_1_4_0 } from "./codec-1-4-0.ts";
import { decodeBits } from "./codec-1-4-0.ts";
import { proximity } from "./entry.ts";
import {
  IDLE_PAGE_REST_MS,
  PULL_RETRY_MAX_MS,
  PULL_RETRY_MIN_MS,
  RATE_WINDOW_MS,
  WANT_LATE_MS,
} from "./limits.ts";
import { Backoff, Rate, Rests, Turns } from "./pace.ts";
import type { Puller } from "./puller.ts";
import { decodeIntervals, decodeMissing, intervalsKey, missingKey } from "./records.ts";

const CURSORS = "/rookery/pullsync/1.4.0/cursors";

/** Says that bin 0 has as many numbers as there are chunks. */
function serveNumbers(raw: RawSide, count: number, epoch = 7n): void {
  const cursors = Array.from({ length: 32 }, (_, bin) => (bin === 0 ? BigInt(count) : 0n));
  serveRawCursors(raw, CODEC_1_4_0.encodeAck({ cursors, epoch }));
}

/** A peer with five chunks in bin 0 that delivers what `delivers` says of them, and nothing live. */
async function peerWith(
  world: PullWorld,
  delivers: (chunk: VerifiedChunk, i: number) => Uint8Array | undefined,
) {
  const raw = await world.openRaw();
  const chunks = chunksInBin(raw.overlay, 0, 5);
  const asked: string[] = [];
  serveNumbers(raw, 5);
  serveRaw(raw, async (stream, { bin, start, to }) => {
    if (to === undefined) return void (await stream.receive().catch(() => {}));
    asked.push(`${bin}:${start}-${to}`);
    const rest = chunks.slice(Number(start) - 1, Number(to));
    const want = await offerRaw(stream, offerOf(rest, to));
    if (want === undefined) return;
    const bits = decodeBits(want, rest.length);
    for (const [i, chunk] of rest.entries()) {
      if (bits?.[i] !== true) continue;
      const data = delivers(chunk, i);
      if (data === undefined) await deliverRaw(stream, new Uint8Array(), new Uint8Array());
      else await deliverRaw(stream, chunk.address, data);
    }
  });
  return { raw, chunks, asked };
}

const stateOf = (puller: Puller): string | undefined => puller.progress().peers[0]?.state;

async function missingOf({ store }: PullSide, chunk: VerifiedChunk) {
  const value = await store.get(missingKey(1, chunk.address));
  return value && decodeMissing(value);
}

describe("what a page lacks", () => {
  test("[PS34] [PS35] is durable with the page's interval, and off the list when it comes", async () => {
    await using world = memoryPullWorld();
    let isHealthy = false;
    const { raw, chunks, asked } = await peerWith(world, (chunk, i) =>
      i !== 2 || isHealthy ? chunk.bytes : Uint8Array.of(1, 2, 3),
    );
    const client = await world.open();
    const puller = await world.pull(client);
    await untilSo(world, () => stateOf(puller) === "live");
    expect(puller.missing()).toEqual(namesOf([chunks[2]!]));
    expect(await missingOf(client, chunks[2]!)).toEqual({
      isLost: false,
      sources: [{ peer: raw.overlay, from: 1n, to: 5n }],
      lackedBy: [],
    });
    const value = await client.store.get(intervalsKey(1, raw.overlay, 0));
    expect(decodeIntervals(value!).ranges).toEqual([{ first: 1n, last: 5n }]);
    expect(asked).toEqual(["0:1-5"]);
    isHealthy = true;
    await untilSo(world, () => puller.progress().missing === 0);
    expect(await missingOf(client, chunks[2]!)).toBeUndefined();
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks));
    expect(asked).toEqual(["0:1-5", "0:1-5"]);
  });

  test("[PS35] is off the list when who offered it says that it is gone", async () => {
    await using world = memoryPullWorld();
    const { chunks } = await peerWith(world, (chunk, i) => (i === 2 ? undefined : chunk.bytes));
    const client = await world.open();
    const puller = await world.pull(client);
    await untilSo(world, () => stateOf(puller) === "live");
    expect(puller.progress().missing).toBe(1);
    await untilSo(world, () => puller.progress().missing === 0);
    expect(await missingOf(client, chunks[2]!)).toBeUndefined();
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks.toSpliced(2, 1)));
  });

  test("[PS35] is off the list when it comes from anywhere else, in the write that stores it", async () => {
    await using world = memoryPullWorld("reserve");
    const { chunks } = await peerWith(world, (chunk, i) =>
      i === 2 ? Uint8Array.of(1) : chunk.bytes,
    );
    const client = await world.open();
    const puller = await world.pull(client);
    await untilSo(world, () => stateOf(puller) === "live");
    expect(puller.progress().missing).toBe(1);
    await fill(client.storage, [chunks[2]!]);
    expect(puller.progress().missing).toBe(0);
    expect(await missingOf(client, chunks[2]!)).toBeUndefined();
  });

  test("[PS35] is known after a restart", async () => {
    await using world = memoryPullWorld();
    const { chunks } = await peerWith(world, (chunk, i) =>
      i === 2 ? Uint8Array.of(1) : chunk.bytes,
    );
    const client = await world.open();
    const first = await world.pull(client);
    await untilSo(world, () => stateOf(first) === "live");
    await first.close();
    const second = await world.pull(client);
    expect(second.missing()).toEqual(namesOf([chunks[2]!]));
  });

  test("[PS35] is asked for ever more rarely from one who delivers something else", async () => {
    await using world = memoryPullWorld();
    const { asked } = await peerWith(world, (chunk, i) =>
      i === 2 ? Uint8Array.of(1) : chunk.bytes,
    );
    const client = await world.open();
    const puller = await world.pull(client);
    await untilSo(world, () => stateOf(puller) === "live");
    await world.clock.advance(3_600_000);
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.length).toBeLessThan(40);
    expect(puller.progress().missing).toBe(1);
  });
});

describe("a chunk that another peer was asked for", () => {
  test("[PS21] [PS34] [PS35] is noted as missing by who offers it too, and asked of that one when the first stalls", async () => {
    await using world = memoryPullWorld();
    const staller = await world.openRaw();
    const server = await world.open();
    const chunks = chunksInBin(staller.overlay, 0, 5);
    await fill(server.storage, chunks);
    serveNumbers(staller, 5);
    let stalled = 0;
    serveRaw(staller, async (stream, { to }) => {
      if (to === undefined) return void (await stream.receive().catch(() => {}));
      await offerRaw(stream, offerOf(chunks, 5n));
      stalled += 1;
      await new Promise(() => {});
    });
    const client = await world.open();
    const puller = await world.pull(client);
    puller.remove(server.device);
    await untilSo(world, () => stalled === 1);
    puller.add(server.device);
    const ofServer = () => puller.progress().peers.find(({ peer }) => peer === server.device);
    await untilSo(world, () => ofServer()?.state === "live");
    const stateNow = ofServer();
    expect(stateNow).toMatchObject({ state: "live", missing: 5, stored: 0 });
    expect(client.syncer.metrics().awaitedChunks).toBeGreaterThanOrEqual(5);
    await world.clock.advance(60_000);
    expect(puller.progress().missing).toBe(0);
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks));
    expect(server.syncer.metrics().chunksSent).toBe(5);
  });
});

describe("peers that offer what they never bring", () => {
  test("[PS21] [PS35] do not keep it from being got of one that has it, however often they offer it", async () => {
    await using world = memoryPullWorld();
    const server = await world.open();
    const chunks = chunksInBin(server.overlay, 0, 5);
    await fill(server.storage, chunks);
    let held = 0;
    const liars = [await world.openRaw(), await world.openRaw()];
    for (const liar of liars) {
      const bins = chunks.map(({ address }) => proximity(liar.overlay, address));
      serveNumbers(liar, 0);
      serveRaw(liar, async (stream, { bin, start, to }) => {
        const offered = chunks.filter((_, i) => bins[i] === bin);
        if (offered.length === 0) return void (await stream.receive().catch(() => {}));
        await world.clock.sleep(50);
        const topmost = to ?? start + BigInt(offered.length);
        const want = await offerRaw(stream, offerOf(offered, topmost));
        const bits = decodeBits(want ?? new Uint8Array(), offered.length) ?? [];
        if (!bits.includes(true)) return;
        held += 1;
        // Nearly as long as it is waited for; then it says that they are gone.
        await world.clock.sleep(WANT_LATE_MS - 5_000);
        for (const wanted of bits)
          if (wanted) await deliverRaw(stream, new Uint8Array(), new Uint8Array());
      });
    }
    const client = await world.open();
    const puller = await world.pull(client);
    puller.remove(server.device);
    await untilSo(world, () => held >= 1);
    puller.add(server.device);
    await world.clock.advance(4 * 60_000);
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks));
    expect(server.syncer.metrics().chunksSent).toBe(5);
  });
});

describe("peers that offer without end", () => {
  test("[PS36] are asked for the next page after a rest when one brought nothing new", async () => {
    await using world = memoryPullWorld();
    const raw = await world.openRaw();
    const [chunk] = chunksInBin(raw.overlay, 0, 1) as [VerifiedChunk];
    serveNumbers(raw, 2 ** 50);
    let asked = 0;
    serveRaw(raw, async (stream, { bin, start }) => {
      if (bin !== 0) return void (await stream.receive().catch(() => {}));
      asked += 1;
      await offerRaw(stream, offerOf([chunk], start + 1n));
    });
    const client = await world.open();
    await fill(client.storage, [chunk]);
    await world.pull(client);
    await world.clock.advance(10_000);
    // One historical worker and a live one.
    expect(asked).toBeGreaterThan(100);
    expect(asked).toBeLessThanOrEqual(2 * (10_000 / IDLE_PAGE_REST_MS) + 4);
  });
});

describe("peers that fail", () => {
  test("[PS36] are asked again after ever longer times, each bin for itself", async () => {
    await using world = memoryPullWorld();
    const raw = await world.openRaw();
    let asked = 0;
    serveNumbers(raw, 5);
    serveRaw(raw, async (stream, { to }) => {
      if (to !== undefined) asked += 1;
      stream.reset();
    });
    const client = await world.open();
    const puller = await world.pull(client);
    await world.clock.advance(10 * 60_000);
    expect(asked).toBeGreaterThan(10);
    expect(asked).toBeLessThan(30);
    const [peer] = puller.progress().peers;
    expect(peer?.state).toBe("historical");
    expect(peer?.bins[0]?.lastError?.code).toBe("NET_STREAM_RESET");
    const before = asked;
    puller.urge();
    await world.breathe();
    expect(asked).toBe(before + 1);
  });

  test("[PS36] are left alone when they do not speak the protocol, until they connect anew", async () => {
    await using world = memoryPullWorld();
    const raw = await world.openRaw();
    // Nothing of the protocol is served under this network's ids by a device that has no gate.
    const client = await world.open();
    let asked = 0;
    raw.streamer.handle(CURSORS, async (stream) => {
      asked += 1;
      stream.reset();
    });
    const open = client.streamer.open.bind(client.streamer);
    client.streamer.open = (peer, protocol, options) =>
      open(peer, asked > 0 ? protocol.replace("1.4.0", "9.0.0") : protocol, options);
    const puller = await world.pull(client);
    await world.clock.advance(3_600_000);
    expect(asked).toBe(1);
    expect(stateOf(puller)).toBe("unsupported");
    expect(puller.progress().peers[0]?.lastError?.code).toBe("NET_PROTOCOL_UNSUPPORTED");
    client.streamer.open = open;
    puller.remove(raw.device);
    puller.add(raw.device);
    await untilSo(world, () => asked === 2);
  });

  test("[PS32] whose cursors are wrong are asked again, and nothing of theirs is forgotten", async () => {
    await using world = memoryPullWorld();
    const { raw, asked } = await peerWith(world, (chunk) => chunk.bytes);
    const client = await world.open();
    const first = await world.pull(client);
    await untilSo(world, () => stateOf(first) === "live");
    await first.close();
    serveRawCursors(raw, CODEC_1_4_0.encodeAck({ cursors: [1n], epoch: 8n }));
    const second = await world.pull(client);
    await world.clock.advance(10_000);
    expect(stateOf(second)).toBe("beginning");
    expect(second.progress().peers[0]?.lastError?.code).toBe("PULLSYNC_MALFORMED");
    serveNumbers(raw, 5);
    await untilSo(world, () => stateOf(second) === "live");
    expect(asked).toEqual(["0:1-5"]);
  });
});

describe("paces", () => {
  test("[PS36] a time to wait doubles up to its maximum, and is spread", () => {
    const backoff = new Backoff(seededRandom(3), PULL_RETRY_MIN_MS, PULL_RETRY_MAX_MS);
    const waits = Array.from({ length: 12 }, () => backoff.next());
    for (const [i, wait] of waits.entries()) {
      const due = Math.min(PULL_RETRY_MIN_MS * 2 ** i, PULL_RETRY_MAX_MS);
      expect(wait).toBeGreaterThanOrEqual(0.75 * due);
      expect(wait).toBeLessThan(1.25 * due);
    }
    expect(new Set(waits).size).toBe(waits.length);
    backoff.reset();
    expect(backoff.next()).toBeLessThan(1.25 * PULL_RETRY_MIN_MS);
  });

  test("[PS36] a rest ends with its time, by being urged, or with its signal", async () => {
    const clock = new FakeClock();
    const rests = new Rests(clock);
    const stop = new AbortController();
    const ended: number[] = [];
    for (const ms of [10, 1000]) void rests.rest(ms, stop.signal).then(() => ended.push(ms));
    await clock.advance(10);
    expect(ended).toEqual([10]);
    rests.urge();
    await settle();
    expect(ended).toEqual([10, 1000]);
    const last = rests.rest(1000, stop.signal);
    stop.abort();
    await last;
    expect(clock.sleeperCount).toBe(0);
  });

  test("[PS37] a rate is of the last one to two windows", async () => {
    const clock = new FakeClock();
    const rate = new Rate(clock);
    rate.add(500);
    await clock.advance(RATE_WINDOW_MS);
    expect(rate.perSecond).toBeCloseTo(100);
    await clock.advance(RATE_WINDOW_MS / 2);
    expect(rate.perSecond).toBeCloseTo(50);
    await clock.advance(2 * RATE_WINDOW_MS);
    expect(rate.perSecond).toBe(0);
  });

  test("[PS34] turns are taken one after another, also after one that failed", async () => {
    const turns = new Turns();
    const done: string[] = [];
    const first = turns.take(async () => {
      await settle();
      done.push("first");
      throw new RangeError("failed");
    });
    const second = turns.take(async () => void done.push("second"));
    await expect(first).rejects.toThrow("failed");
    await second;
    expect(done).toEqual(["first", "second"]);
  });
});
