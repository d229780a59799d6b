import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf, deviceIdOf, FRAME_BYTES_MAX, frameHeader } from "../base/index.ts";
import {
  acceptStreams,
  FakeClock,
  pattern,
  PROTOCOL,
  rejects,
  seededRandom,
  settle,
} from "../testkit/index.ts";
import {
  createMemoryNetwork,
  FRAME_BATCH_BYTES,
  FRAME_COPY_BYTES,
  FRAME_QUEUE_BYTES_MAX,
  FRAME_TIMEOUT_MS,
  FramedStream,
  type FramedStreamOptions,
  type Stream,
} from "./index.ts";

/** Both ends of a stream; bytes travel in pieces of chance sizes when a seed is given. */
async function pair(seed?: number) {
  const clock = new FakeClock();
  const random = seed === undefined ? undefined : seededRandom(seed);
  const network = createMemoryNetwork({ clock, random });
  const [a, b] = [1, 2].map((n) => network.transport(deviceIdOf(new Uint8Array(32).fill(n))));
  const accepted = acceptStreams(b!);
  const ours = await (await a!.connect(b!.device, b!.addresses())).open(PROTOCOL);
  return { clock, ours, theirs: await accepted() };
}

async function framedPair(seed?: number, options?: FramedStreamOptions) {
  const { clock, ours, theirs } = await pair(seed);
  return {
    clock,
    ours: new FramedStream({ stream: ours, clock }, options),
    theirs: new FramedStream({ stream: theirs, clock }, options),
  };
}

async function receiveAll(stream: FramedStream): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for (let frame = await stream.receive(); frame !== undefined; frame = await stream.receive())
    frames.push(frame);
  return frames;
}

describe("frames", () => {
  const sizes = fc.array(
    fc.oneof(
      fc.nat(300),
      fc.constantFrom(
        0,
        1,
        127,
        128,
        FRAME_COPY_BYTES - 1,
        FRAME_COPY_BYTES,
        FRAME_BATCH_BYTES - 3,
        FRAME_BATCH_BYTES,
        FRAME_BYTES_MAX,
      ),
    ),
    { maxLength: 12 },
  );

  test("[NE24] arrive whole and in order, however they were given and however they travel", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), fc.boolean(), async (all, seed, isWaiting) => {
        const { ours, theirs } = await framedPair(seed);
        const frames = all.map((size, i) => pattern(size, i));
        const receiving = receiveAll(theirs);
        const random = seededRandom(seed);
        const sending: Promise<void>[] = [];
        for (const frame of frames) {
          const cut = random.below(frame.length + 1);
          const sent = ours.send(
            random.chance(0.5) ? frame : [frame.subarray(0, cut), frame.subarray(cut)],
          );
          if (isWaiting) await sent;
          else sending.push(sent);
        }
        await Promise.all(sending);
        await ours.closeWrite();
        const received = await receiving;
        expect(received.map((frame) => frame.length)).toEqual(all);
        expect(received.every((frame, i) => Buffer.compare(frame, frames[i]!) === 0)).toBe(true);
        expect(theirs.bytesIn).toBe(ours.bytesOut);
      }),
      { seed: 24, numRuns: 40 },
    );
  });

  test("[NE25] of one tick travel in one write, and from several tasks unmixed", async () => {
    const { ours, theirs } = await pair();
    const writes: number[] = [];
    const counting = countingWrites(ours, writes);
    const framed = new FramedStream({ stream: counting, clock: new FakeClock() });
    const receiving = receiveAll(new FramedStream({ stream: theirs, clock: new FakeClock() }));
    await Promise.all(Array.from({ length: 1000 }, (_, i) => framed.send(pattern(200, i))));
    expect(writes.length).toBe(1);
    await Promise.all([framed.send(pattern(FRAME_BYTES_MAX)), framed.send(pattern(10))]);
    await framed.closeWrite();
    expect(Math.max(...writes)).toBeLessThanOrEqual(FRAME_BATCH_BYTES);
    expect(writes.length).toBeLessThan(10);
    expect((await receiving).map((frame) => frame.length)).toEqual([
      ...Array<number>(1000).fill(200),
      FRAME_BYTES_MAX,
      10,
    ]);
  });

  test("[NE25] that nobody waits for are a mistake of the sender's, not endless memory", async () => {
    const { ours } = await framedPair();
    const send = () => ours.send(new Uint8Array(FRAME_BYTES_MAX));
    const sent: Promise<void>[] = [];
    expect(() => {
      for (let bytes = 0; bytes <= FRAME_QUEUE_BYTES_MAX; bytes += FRAME_BYTES_MAX)
        sent.push(send());
    }).toThrow("waits");
    const failing = Promise.allSettled(sent);
    ours.reset();
    expect((await failing).every(({ status }) => status === "rejected")).toBe(true);
  });

  test("[NE26] over the limit are not sent, and the stream goes on", async () => {
    const { ours, theirs } = await framedPair(undefined, { frameBytesMax: 1000 });
    await rejects(ours.send(new Uint8Array(1001)), "NET_FRAME_TOO_LARGE");
    await rejects(ours.send([new Uint8Array(500), new Uint8Array(501)]), "NET_FRAME_TOO_LARGE");
    await ours.send(pattern(1000));
    expect(await theirs.receive()).toEqual(pattern(1000));
  });

  test("[NE26] over the limit are refused by their length, before anything of them is kept", async () => {
    const { ours, theirs } = await framedPair(undefined, { frameBytesMax: 1000 });
    await ours.stream.write(Buffer.concat([frameHeader(1001), Uint8Array.of(1, 1, 1, 1)]));
    await rejects(theirs.receive(), "NET_FRAME_TOO_LARGE");
    await rejects(ours.receive(), "NET_STREAM_RESET");
    await rejects(theirs.receive(), "NET_FRAME_TOO_LARGE");
  });

  test.for([
    ["a length that never ends", new Uint8Array(100).fill(0xff)],
    ["a length longer than it need be", Uint8Array.of(0x81, 0x00, 1)],
  ] as const)("[NE27] with %s are refused", async ([, bytes]) => {
    const { ours, theirs } = await framedPair();
    await ours.stream.write(bytes);
    await rejects(theirs.receive(), "NET_FRAME_MALFORMED");
    await rejects(ours.receive(), "NET_STREAM_RESET");
  });

  test("[NE27] made of garbage never do more than end the stream with a code", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(), async (bytes, seed) => {
        const { ours, theirs } = await framedPair(seed, { frameBytesMax: 100 });
        await ours.stream.write(bytes);
        await ours.stream.closeWrite();
        try {
          for (const frame of await receiveAll(theirs))
            expect(frame.length).toBeLessThanOrEqual(100);
        } catch (error) {
          expect(codeOf(error)).toMatch(/^NET_FRAME_/);
          expect(theirs.ended.aborted).toBe(true);
        }
      }),
      { seed: 27 },
    );
  });

  test.for([1, 2, 500])("[NE28] that end after %d bytes are no end of the stream", async (sent) => {
    const { ours, theirs } = await framedPair();
    const bytes = Buffer.concat([frameHeader(1000), pattern(1000)]);
    await ours.stream.write(bytes.subarray(0, sent));
    await ours.stream.closeWrite();
    await rejects(theirs.receive(), "NET_FRAME_TRUNCATED");
    await rejects(ours.receive(), "NET_STREAM_RESET");
  });

  test("[NE29] that drip in end the stream after a time, however many bytes come", async () => {
    const { clock, ours, theirs } = await framedPair();
    const receiving = rejects(theirs.receive(), "NET_FRAME_TRUNCATED");
    await ours.stream.write(frameHeader(1000));
    for (let passed = 0; passed < FRAME_TIMEOUT_MS; passed += 1000) {
      expect(ours.ended.aborted).toBe(false);
      await ours.stream.write(Uint8Array.of(1));
      await clock.advance(1000);
    }
    await receiving;
    await rejects(ours.send(pattern(1)), "NET_STREAM_RESET");
    expect(clock.sleeperCount).toBe(0);
  });

  test("[NE29] may come as slowly as they like one after the other", async () => {
    const { clock, ours, theirs } = await framedPair();
    for (let i = 0; i < 5; i++) {
      const receiving = theirs.receive();
      await clock.advance(2 * FRAME_TIMEOUT_MS);
      await ours.stream.write(frameHeader(2));
      await ours.stream.write(Uint8Array.of(i));
      await clock.advance(FRAME_TIMEOUT_MS - 1);
      await ours.stream.write(Uint8Array.of(i));
      expect(await receiving).toEqual(Uint8Array.of(i, i));
    }
    await settle();
    expect(theirs.ended.aborted).toBe(false);
  });
});

/** `stream`, noting the sizes of its writes. */
function countingWrites(stream: Stream, writes: number[]): Stream {
  const write = stream.write.bind(stream);
  stream.write = (bytes) => {
    writes.push(bytes.length);
    return write(bytes);
  };
  return stream;
}
