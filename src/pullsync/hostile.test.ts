import { describe, expect, test } from "vitest";
import { Budget, concatBytes, fromHex } from "../base/index.ts";
import type { VerifiedChunk } from "../chunks/index.ts";
import { rejects } from "../testkit/index.ts";
import { memoryPullWorld } from "../testkit/pullsync/pull-worlds.ts";
import {
  chunksInBin,
  contentOfReserve,
  fill,
  heldOf,
  namesOf,
  type PullSide,
  type RawSide,
} from "../testkit/pullsync/pull-world.ts";
import {
  askRaw,
  deliverRaw,
  offerOf,
  offerRaw,
  type RawPage,
  serveRaw,
  serveRawCursors,
} from "../testkit/pullsync/raw-peer.ts";
import { codeOfFailure, untilSo } from "../testkit/pullsync/syncer-rules.ts";
import type { SyncResult } from "./deliveries.ts";
import { CODEC_1_4_0 } from "./codec-1-4-0.ts";
import { BIN_ID_MAX, entryOf } from "./entry.ts";
import { EXCHANGES_PER_PEER_MAX, PEER_STALL_MS } from "./limits.ts";

const NOTHING = new Uint8Array();

/** A peer that offers five chunks of bin 0 and then does as `page` says, and a client that pulls from it. */
async function pullFrom(
  world: ReturnType<typeof memoryPullWorld>,
  page: (...args: [...Parameters<RawPage>, readonly VerifiedChunk[]]) => Promise<void>,
): Promise<{
  raw: RawSide;
  client: PullSide;
  chunks: VerifiedChunk[];
  result: Promise<SyncResult>;
}> {
  const [raw, client] = [await world.openRaw(), await world.open()];
  const chunks = chunksInBin(raw.overlay, 0, 5);
  serveRaw(raw, (stream, get) => page(stream, get, chunks));
  const result = client.syncer.sync(raw.device, 0, 1n, { to: 5n });
  result.catch(() => {});
  return { raw, client, chunks, result };
}

describe("peers that deliver wrongly", () => {
  test("[PS17] a chunk that was not wanted is not stored, and is reported", async () => {
    await using world = memoryPullWorld();
    const { client, chunks, result, raw } = await pullFrom(world, async (stream, _get, all) => {
      await offerRaw(stream, offerOf(all));
      const [other] = chunksInBin(raw.overlay, 0, 1, { seed: 9 }) as [VerifiedChunk];
      for (const chunk of [...all.slice(0, 4), other])
        await deliverRaw(stream, chunk.address, chunk.bytes);
    });
    const { topmost, stored, errors, missing } = await result;
    expect([topmost, stored, missing.length]).toEqual([5n, 4, 1]);
    expect(errors.map((error) => error.name)).toEqual(["UnsolicitedChunkError"]);
    expect(errors[0]).toMatchObject({ code: "PULLSYNC_UNSOLICITED_CHUNK" });
    expect(missing[0]).toEqual({ entry: entryOf(chunks[4]!.address), cause: "failed" });
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks.slice(0, 4)));
    expect(client.syncer.metrics().unsolicitedChunks).toBe(1);
  });

  test("[PS17] a chunk that is delivered twice counts once", async () => {
    await using world = memoryPullWorld();
    const { client, chunks, result } = await pullFrom(world, async (stream, _get, all) => {
      await offerRaw(stream, offerOf(all));
      for (const i of [0, 0, 1, 2, 3]) await deliverRaw(stream, all[i]!.address, all[i]!.bytes);
    });
    const { stored, errors, missing } = await result;
    expect([stored, errors.length, missing.length]).toEqual([4, 1, 1]);
    expect(errors[0]).toMatchObject({ code: "PULLSYNC_UNSOLICITED_CHUNK" });
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks.slice(0, 4)));
  });

  test("[PS17] deliveries in another order are taken", async () => {
    await using world = memoryPullWorld();
    const { client, chunks, result } = await pullFrom(world, async (stream, _get, all) => {
      await offerRaw(stream, offerOf(all));
      for (const chunk of all.toReversed()) await deliverRaw(stream, chunk.address, chunk.bytes);
    });
    expect(await result).toMatchObject({ topmost: 5n, stored: 5, errors: [] });
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks));
  });

  test("[PS17] wrong bytes, none, too many, and a stamp where there is none are not stored; the good ones are", async () => {
    await using world = memoryPullWorld();
    const { client, chunks, result } = await pullFrom(world, async (stream, _get, all) => {
      await offerRaw(stream, offerOf(all));
      const [a, b, c, d, e] = all as [
        VerifiedChunk,
        VerifiedChunk,
        VerifiedChunk,
        VerifiedChunk,
        VerifiedChunk,
      ];
      await deliverRaw(stream, a.address, concatBytes(a.bytes, Uint8Array.of(0)));
      await deliverRaw(stream, b.address, NOTHING);
      await deliverRaw(stream, c.address, b.bytes);
      await deliverRaw(stream, d.address, d.bytes, new Uint8Array(113));
      await deliverRaw(stream, e.address, e.bytes);
    });
    const { stored, missing, errors } = await result;
    expect([stored, missing.length]).toEqual([1, 4]);
    expect(errors.map((error) => (error as { code?: string }).code)).toEqual([
      "PULLSYNC_INVALID_CHUNK",
      "PULLSYNC_INVALID_CHUNK",
      "PULLSYNC_INVALID_CHUNK",
      "PULLSYNC_UNSOLICITED_CHUNK",
    ]);
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks.slice(4)));
    expect(client.syncer.metrics().receivedInvalidChunks).toBe(3);
  });

  test("[PS19] peers that stall with deliveries on hand keep no room from others", async () => {
    await using world = memoryPullWorld();
    const [slow, good] = [await world.openRaw(), await world.openRaw()];
    const client = await world.open({ budget: new Budget(450) });
    const held = chunksInBin(slow.overlay, 0, 5);
    const other = chunksInBin(good.overlay, 0, 5, { seed: 3 });
    const [stalling, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    serveRaw(slow, async (stream) => {
      await offerRaw(stream, offerOf(held));
      for (const { address, bytes } of held.slice(0, 4)) await deliverRaw(stream, address, bytes);
      stalling.resolve();
      await over.promise;
    });
    serveRaw(good, async (stream) => {
      await offerRaw(stream, offerOf(other));
      for (const { address, bytes } of other) await deliverRaw(stream, address, bytes);
    });
    const ending = new AbortController();
    const stalled = client.syncer.sync(slow.device, 0, 1n, { to: 5n, signal: ending.signal });
    await stalling.promise;
    await world.breathe();
    const result = await client.syncer.sync(good.device, 0, 1n, { to: 5n });
    expect(result).toMatchObject({ topmost: 5n, stored: 5, errors: [] });
    expect(await heldOf(client.storage, held)).toEqual(namesOf(held.slice(0, 4)));
    ending.abort(new Error("enough"));
    expect(await stalled).toMatchObject({ topmost: 0n, stored: 4 });
    over.resolve();
  });

  test("[PS22] a stream that dies keeps what was verified, and seals nothing", async () => {
    await using world = memoryPullWorld();
    const { client, chunks, result } = await pullFrom(world, async (stream, _get, all) => {
      await offerRaw(stream, offerOf(all));
      for (const chunk of all.slice(0, 3)) await deliverRaw(stream, chunk.address, chunk.bytes);
    });
    const { topmost, stored, errors, missing } = await result;
    expect([topmost, stored, missing.length]).toEqual([0n, 3, 2]);
    expect(errors[0]).toMatchObject({ code: "PULLSYNC_ENDED" });
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks.slice(0, 3)));
  });

  test("[PS9] who stalls in the middle of a page is waited for as long as is allowed", async () => {
    await using world = memoryPullWorld();
    const { client, chunks, result } = await pullFrom(world, async (stream, _get, all) => {
      await offerRaw(stream, offerOf(all));
      await deliverRaw(stream, all[0]!.address, all[0]!.bytes);
      await new Promise(() => {});
    });
    await untilSo(world, () => client.syncer.metrics().chunksWanted === 5);
    await world.clock.advance(PEER_STALL_MS);
    const { topmost, stored, errors } = await result;
    expect([topmost, stored]).toEqual([0n, 1]);
    expect(errors[0]).toMatchObject({ code: "PULLSYNC_TIMEOUT" });
    expect(await contentOfReserve(client.storage)).toEqual(namesOf(chunks.slice(0, 1)));
  });

  test("[PS9] who does not answer a request with an end, or one for cursors, is waited for as long", async () => {
    await using world = memoryPullWorld();
    const { client, raw, result } = await pullFrom(world, () => new Promise(() => {}));
    raw.streamer.handle("/rookery/pullsync/1.4.0/cursors", () => new Promise(() => {}));
    const cursors = client.syncer.getCursors(raw.device);
    const failing = Promise.all([
      rejects(result, "PULLSYNC_TIMEOUT"),
      rejects(cursors, "PULLSYNC_TIMEOUT"),
    ]);
    await world.breathe();
    await world.clock.advance(PEER_STALL_MS + 1);
    await failing;
  });
});

describe("answers that cannot be", () => {
  const offers: [string, (all: readonly VerifiedChunk[]) => Uint8Array][] = [
    ["a topmost below what was asked for", (all) => CODEC_1_4_0.encodeOffer(offerOf(all, 0n))],
    ["more entries than numbers", (all) => CODEC_1_4_0.encodeOffer(offerOf(all, 4n))],
    ["a topmost behind the end", (all) => CODEC_1_4_0.encodeOffer(offerOf(all, 6n))],
    ["the greatest number of all", (all) => CODEC_1_4_0.encodeOffer(offerOf(all, 2n ** 64n - 1n))],
    [
      "a topmost that no reserve reaches",
      (all) => CODEC_1_4_0.encodeOffer(offerOf(all, BIN_ID_MAX + 1n)),
    ],
    ["a topmost within, but nothing offered", () => CODEC_1_4_0.encodeOffer(offerOf([], 3n))],
    ["an address of 31 bytes", () => fromHex("25080112210a1f" + "11".repeat(31))!],
    ["no address", () => fromHex("08011200")!],
    ["bytes that are no message", () => Uint8Array.of(0xff, 0xff)],
  ];

  test.for(offers)("[PS20] an offer with %s is refused", async ([, offer]) => {
    await using world = memoryPullWorld();
    let sawEnd = false;
    const { client, result } = await pullFrom(world, async (stream, _get, all) => {
      await stream.send(offer(all));
      await stream.receive().catch(() => (sawEnd = true));
    });
    const code = await codeOfFailure(result);
    expect(code).toMatch(/^PULLSYNC_MALFORMED$|^WIRE_/);
    await world.breathe();
    expect(sawEnd).toBe(true);
    expect(client.syncer.metrics()).toMatchObject({ chunksWanted: 0, pullErrors: 1 });
  });

  test("[PS21] entries of another bin than was asked for, and ones named twice, are not asked for", async () => {
    await using world = memoryPullWorld();
    const [raw, client] = [await world.openRaw(), await world.open()];
    const [right] = chunksInBin(raw.overlay, 0, 1) as [VerifiedChunk];
    const [wrong] = chunksInBin(raw.overlay, 3, 1) as [VerifiedChunk];
    let want: Uint8Array | undefined;
    serveRaw(raw, async (stream) => {
      want = await offerRaw(stream, offerOf([wrong, right, right]));
      await deliverRaw(stream, right.address, right.bytes);
    });
    const result = await client.syncer.sync(raw.device, 0, 1n, { to: 3n });
    expect(result).toMatchObject({ topmost: 3n, wanted: 1, stored: 1, errors: [] });
    expect(want).toEqual(Uint8Array.of(0b010));
    expect(client.syncer.metrics().wrongBinChunks).toBe(1);
  });

  test("[PS10] cursors that are not 32, or too great, are refused; a peer whose storage fails ends the stream", async () => {
    await using world = memoryPullWorld();
    const [raw, client, server] = [await world.openRaw(), await world.open(), await world.open()];
    for (const cursors of [
      Array<bigint>(31).fill(1n),
      [],
      [...Array<bigint>(31).fill(1n), BIN_ID_MAX + 1n],
    ]) {
      serveRawCursors(raw, CODEC_1_4_0.encodeAck({ cursors, epoch: 1n }));
      await rejects(client.syncer.getCursors(raw.device), "PULLSYNC_MALFORMED");
    }
    serveRawCursors(raw, fromHex("0a21" + "00".repeat(33))!);
    await rejects(client.syncer.getCursors(raw.device), "WIRE_LIMIT");
    server.storage.cursors = () => Promise.reject(new RangeError("a disk that fails"));
    const code = await codeOfFailure(client.syncer.getCursors(server.device));
    expect(["NET_STREAM_RESET", "PULLSYNC_ENDED"]).toContain(code);
  });
});

describe("requests that cannot be", () => {
  const requests: [string, Uint8Array][] = [
    ["for bin 32", fromHex("08201001")!],
    ["for bin 256", fromHex("0880021001")!],
    ["for bin -1", fromHex("08ffffffffffffffffff011001")!],
    ["from the greatest number on", fromHex("10ffffffffffffffffff01")!],
    ["that ends before it begins", fromHex("10051804")!],
    ["that is no message", Uint8Array.of(0xff)],
    ["that is too long", new Uint8Array(65)],
  ];

  test.for(requests)("[PS23] a request %s is reset", async ([, request]) => {
    await using world = memoryPullWorld();
    const [server, raw] = [await world.open(), await world.openRaw()];
    await fill(server.storage, chunksInBin(server.overlay, 0, 5));
    const stream = await askRaw(raw, server.device, request);
    await rejects(stream.receive(), "NET_STREAM_RESET");
    await untilSo(world, () => server.syncer.metrics().exchangesServed === 0);
    expect(server.syncer.metrics().chunksSentOffered).toBe(0);
  });

  test("[PS23] a want before the offer, or of too few bits, is reset", async () => {
    await using world = memoryPullWorld();
    const [server, raw] = [await world.open(), await world.openRaw()];
    await fill(server.storage, chunksInBin(server.overlay, 0, 9));
    const early = await askRaw(
      raw,
      server.device,
      CODEC_1_4_0.encodeGet({ bin: 0, start: 10n, to: undefined }),
    );
    await early.send(CODEC_1_4_0.encodeWant(Uint8Array.of(1)));
    await rejects(early.receive(), "NET_STREAM_RESET");
    const short = await askRaw(
      raw,
      server.device,
      CODEC_1_4_0.encodeGet({ bin: 0, start: 1n, to: 9n }),
    );
    expect(CODEC_1_4_0.decodeOffer((await short.receive())!).entries).toHaveLength(9);
    await short.send(CODEC_1_4_0.encodeWant(Uint8Array.of(0xff)));
    await rejects(short.receive(), "NET_STREAM_RESET");
    expect(server.syncer.metrics().chunksSent).toBe(0);
  });

  test("[PS9] a client that asks nothing, or does not say what it wants, is reset in time", async () => {
    await using world = memoryPullWorld();
    const [server, raw] = [await world.open(), await world.openRaw()];
    await fill(server.storage, chunksInBin(server.overlay, 0, 1));
    const silent = await raw.streamer.open(server.device, "/rookery/pullsync/1.4.0/pullsync");
    const offered = await askRaw(
      raw,
      server.device,
      CODEC_1_4_0.encodeGet({ bin: 0, start: 1n, to: 1n }),
    );
    await offered.receive();
    expect(server.syncer.metrics().exchangesServed).toBe(2);
    await world.clock.advance(PEER_STALL_MS);
    await rejects(silent.receive(), "NET_STREAM_RESET");
    await rejects(offered.receive(), "NET_STREAM_RESET");
    expect(server.syncer.metrics().exchangesServed).toBe(0);
  });

  test("[PS23] a peer has so many exchanges open and no more", async () => {
    await using world = memoryPullWorld();
    const [server, raw] = [await world.open(), await world.openRaw()];
    const asking = (n: number, protocol?: string) =>
      askRaw(
        raw,
        server.device,
        CODEC_1_4_0.encodeGet({ bin: 0, start: BigInt(n + 1), to: undefined }),
        protocol,
      );
    const held = await Promise.all(
      Array.from({ length: EXCHANGES_PER_PEER_MAX }, (_, n) => asking(n)),
    );
    await untilSo(world, () => server.syncer.collections === held.length);
    // Of the other protocol: one protocol has no more streams than that.
    const over = await askRaw(
      raw,
      server.device,
      CODEC_1_4_0.encodeSyn(),
      "/rookery/pullsync/1.4.0/cursors",
    );
    await rejects(over.receive(), "NET_STREAM_RESET");
    expect(server.syncer.metrics().exchangesRefused).toBe(1);
    held[0]?.reset();
    await untilSo(world, () => server.syncer.metrics().exchangesServed === held.length - 1);
    const again = await askRaw(
      raw,
      server.device,
      CODEC_1_4_0.encodeSyn(),
      "/rookery/pullsync/1.4.0/cursors",
    );
    expect((await again.receive())?.length).toBeGreaterThan(30);
  });

  test("[PS23] a bad want takes no chunk from the reserve, a want of spare bits is served", async () => {
    await using world = memoryPullWorld();
    const [server, raw] = [await world.open(), await world.openRaw()];
    const chunks = chunksInBin(server.overlay, 0, 2);
    await fill(server.storage, chunks);
    const stream = await askRaw(
      raw,
      server.device,
      CODEC_1_4_0.encodeGet({ bin: 0, start: 1n, to: 2n }),
    );
    await stream.receive();
    await stream.send(CODEC_1_4_0.encodeWant(Uint8Array.of(0b1111_1110, 0xff)));
    const delivery = CODEC_1_4_0.decodeDelivery((await stream.receive())!);
    expect(delivery.address).toEqual(chunks[1]?.address);
    expect(delivery.data).toEqual(chunks[1]?.bytes);
    expect(await stream.receive()).toBeUndefined();
  });

  test("[PS16] deliveries come in the order of the offer, one for each bit and no more", async () => {
    await using world = memoryPullWorld();
    const [server, raw] = [await world.open(), await world.openRaw()];
    const chunks = chunksInBin(server.overlay, 0, 5);
    await fill(server.storage, chunks);
    const stream = await askRaw(
      raw,
      server.device,
      CODEC_1_4_0.encodeGet({ bin: 0, start: 1n, to: 5n }),
    );
    const { entries } = CODEC_1_4_0.decodeOffer((await stream.receive())!);
    await stream.send(CODEC_1_4_0.encodeWant(Uint8Array.of(0b0001_1010)));
    const came: Uint8Array[] = [];
    for (let frame = await stream.receive(); frame !== undefined; frame = await stream.receive())
      came.push(CODEC_1_4_0.decodeDelivery(frame).address);
    expect(came).toEqual([1, 3, 4].map((i) => entries[i]?.address));
  });
});
