import { describe, expect, test } from "vitest";
import { type DeviceId, deviceIdOf } from "../base/index.ts";
import {
  abortedBy,
  acceptStreams,
  FakeClock,
  memoryWorld,
  pattern,
  PROTOCOL,
  readPattern,
  rejects,
  seededRandom,
  serveEcho,
  settle,
  transportRules,
} from "../testkit/index.ts";
import { createMemoryNetwork, STREAM_LINGER_MS, STREAM_WINDOW_BYTES } from "./index.ts";

describe("conformance", () => {
  test.for(transportRules)("[$id] memory: $says", async (rule) => {
    await using world = memoryWorld();
    await rule.check(world);
  });

  test.for(transportRules)(
    "[$id] memory with latency, in pieces of chance sizes: $says",
    async (rule) => {
      await using world = memoryWorld({ seed: 7, latencyMs: 3 });
      await rule.check(world);
    },
  );
});

const [A, B, C] = [1, 2, 3].map((n) => deviceIdOf(new Uint8Array(32).fill(n))) as [
  DeviceId,
  DeviceId,
  DeviceId,
];

describe("memory network", () => {
  test("[NE30] a cut ends one connection and leaves the others", async () => {
    const network = createMemoryNetwork({ clock: new FakeClock() });
    const [a, b, c] = [network.transport(A), network.transport(B), network.transport(C)];
    const ab = await a.connect(B, b.addresses());
    const ac = await a.connect(C, c.addresses());
    network.cut(B, C);
    network.cut(B, A);
    await abortedBy(ab.closed, "NET_CLOSED");
    expect(ac.closed.aborted).toBe(false);
    expect((await a.connect(B, b.addresses())).closed.aborted).toBe(false);
  });

  test("[NE30] a partition cuts what crosses it and lets nothing new across until it heals", async () => {
    const network = createMemoryNetwork({ clock: new FakeClock() });
    const [a, b, c] = [network.transport(A), network.transport(B), network.transport(C)];
    const [ab, ac] = [await a.connect(B, b.addresses()), await a.connect(C, c.addresses())];
    network.partition([A, B]);
    await abortedBy(ac.closed, "NET_CLOSED");
    expect(ab.closed.aborted).toBe(false);
    await rejects(c.connect(A, a.addresses()), "NET_UNREACHABLE");
    await rejects(b.connect(C, c.addresses()), "NET_UNREACHABLE");
    network.partition([A], [B, C]);
    await abortedBy(ab.closed, "NET_CLOSED");
    await b.connect(C, c.addresses());
    network.heal();
    await c.connect(A, a.addresses());
  });

  test("[NE30] latency is what the clock says, and what is under way keeps its order when it changes", async () => {
    const clock = new FakeClock();
    const network = createMemoryNetwork({ clock }, { latencyMs: 100 });
    const [a, b] = [network.transport(A), network.transport(B)];
    const accepted = acceptStreams(b);
    const connecting = a.connect(B, b.addresses());
    await clock.advance(199);
    expect(a.connections()).toHaveLength(0);
    await clock.advance(1);
    const opening = (await connecting).open(PROTOCOL);
    await clock.advance(200);
    const [ours, theirs] = [await opening, await accepted()];
    await ours.write(pattern(10));
    network.setLatency(1);
    await ours.write(pattern(10, 10));
    await clock.advance(99);
    expect(theirs.readBuffered).toBe(0);
    await clock.advance(1);
    expect(theirs.readBuffered).toBe(20);
    expect(await readPattern(theirs, 20)).toBe(20);
  });

  test("[NE30] what is under way when a line is cut is lost", async () => {
    const clock = new FakeClock();
    const network = createMemoryNetwork({ clock });
    const [a, b] = [network.transport(A), network.transport(B)];
    const accepted = acceptStreams(b);
    const ours = await (await a.connect(B, b.addresses())).open(PROTOCOL);
    const theirs = await accepted();
    network.setLatency(100);
    await ours.write(pattern(10));
    await ours.closeWrite();
    network.cut(A, B);
    await rejects(theirs.read(), "NET_CLOSED");
    await clock.advance(1000);
    await rejects(theirs.read(), "NET_CLOSED");
    expect(clock.sleeperCount).toBe(0);
  });

  test("[NE30] the same chance gives the same run", async () => {
    const run = async (seed: number): Promise<number[]> => {
      const network = createMemoryNetwork({ clock: new FakeClock(), random: seededRandom(seed) });
      const [a, b] = [network.transport(A), network.transport(B)];
      serveEcho(b);
      const stream = await (await a.connect(B, b.addresses())).open(PROTOCOL);
      await stream.write(pattern(100_000));
      await stream.closeWrite();
      const sizes: number[] = [];
      for (let piece = await stream.read(); piece !== undefined; piece = await stream.read())
        sizes.push(piece.length);
      return sizes;
    };
    expect(await run(1)).toEqual(await run(1));
    expect(await run(1)).not.toEqual(await run(2));
    expect((await run(1)).length).toBeGreaterThan(10);
  });

  test("[NE30] a device that has left can come back under its name", async () => {
    const network = createMemoryNetwork({ clock: new FakeClock() });
    const [a, b] = [network.transport(A), network.transport(B)];
    const [before] = b.addresses();
    await b.close();
    await rejects(a.connect(B, [before!]), "NET_UNREACHABLE");
    const again = network.transport(B);
    expect((await a.connect(B, again.addresses())).peer).toBe(B);
  });
});

describe("streams that a handler has left", () => {
  /** A handler that returns at once, and the opener's end. */
  async function left() {
    const clock = new FakeClock();
    const network = createMemoryNetwork({ clock });
    const [a, b] = [network.transport(A), network.transport(B)];
    b.handle(PROTOCOL, (stream) => stream.write(pattern(10)));
    const stream = await (await a.connect(B, b.addresses())).open(PROTOCOL);
    return { clock, stream };
  }

  test("[NE16] are reset when the peer does not finish in time", async () => {
    const { clock, stream } = await left();
    expect(await readPattern(stream)).toBe(10);
    await stream.write(pattern(5 * STREAM_WINDOW_BYTES));
    await clock.advance(STREAM_LINGER_MS - 1);
    expect(stream.ended.aborted).toBe(false);
    await clock.advance(1);
    await abortedBy(stream.ended, "NET_STREAM_RESET");
  });

  test("[NE16] keep no timer when the peer finishes", async () => {
    const { clock, stream } = await left();
    await stream.closeWrite();
    await settle();
    expect(await readPattern(stream)).toBe(10);
    expect(clock.sleeperCount).toBe(0);
  });

  test("[NE16] tell the operator what went wrong, without the peer's bytes", async () => {
    const clock = new FakeClock();
    const told: unknown[] = [];
    const network = createMemoryNetwork({
      clock,
      logger: (level, event, fields) => told.push([level, event, fields]),
    });
    const [a, b] = [network.transport(A), network.transport(B)];
    b.handle(PROTOCOL, async () => {
      throw new RangeError("a fault of ours");
    });
    await (await a.connect(B, b.addresses())).open(PROTOCOL);
    await settle();
    expect(told).toEqual([
      [
        "error",
        "net.handler.failed",
        { peer: A, protocol: PROTOCOL, code: undefined, message: "a fault of ours" },
      ],
    ]);
  });
});
