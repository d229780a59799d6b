import { describe, expect, test } from "vitest";
import { deviceIdOf } from "../../base/index.ts";
import { acceptStreams, pattern, PROTOCOL, transportRules, type TransportWorld } from "../index.ts";
import { chanceOf } from "./chance.ts";
import { SimNetwork, type WireTap } from "./network.ts";
import { pump } from "./pump.ts";
import { Scheduler } from "./scheduler.ts";
import type { SimTransport } from "./transport.ts";

const IDLE_MS = 5 * 60_000;

/** A simulated network whose time passes as fast as nothing else is to be done. */
function simWorld(seed: number): TransportWorld & { readonly scheduler: Scheduler } {
  const scheduler = new Scheduler(chanceOf(seed, "ties"));
  const network = new SimNetwork({ scheduler, random: chanceOf(seed, "network") });
  const transports: SimTransport[] = [];
  let isOpen = true;
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  void (async () => {
    while (isOpen) {
      await turn();
      scheduler.step();
    }
  })();
  return {
    scheduler,
    async open({ listen } = {}) {
      const device = deviceIdOf(new Uint8Array(32).fill(transports.length + 1));
      const place = `/sim/${transports.length + 1}`;
      const transport = network.transport(device, { place, listen });
      transports.push(transport);
      return transport;
    },
    addressesOf: (transport) => transport.addresses(),
    deadAddress: "/sim/9999",
    async cut() {
      network.cutAll();
    },
    breathe: () => scheduler.sleep(60),
    idle: () => scheduler.sleep(IDLE_MS),
    async [Symbol.asyncDispose]() {
      await Promise.all(transports.map((transport) => transport.close()));
      isOpen = false;
    },
  };
}

describe("conformance", () => {
  test.for(transportRules)("[$id] simulated: $says", async (rule) => {
    await using world = simWorld(7);
    await rule.check(world);
  });
});

describe("faults", () => {
  const [A, B] = [1, 2].map((n) => deviceIdOf(new Uint8Array(32).fill(n))) as [
    ReturnType<typeof deviceIdOf>,
    ReturnType<typeof deviceIdOf>,
  ];

  function pair(seed: number, tap?: WireTap) {
    const scheduler = new Scheduler(chanceOf(seed, "ties"));
    const network = new SimNetwork({ scheduler, random: chanceOf(seed, "network"), tap });
    const a = network.transport(A, { place: "/sim/1" });
    const b = network.transport(B, { place: "/sim/2" });
    const run = <R>(main: () => Promise<R>): Promise<R> =>
      pump(scheduler, main, { eventsMax: 100_000 });
    return { scheduler, network, a, b, run };
  }

  test("[SI4] a cut at byte n lets exactly n bytes through", async () => {
    const { network, a, b, run } = pair(3);
    await run(async () => {
      const connection = await a.connect(B, b.addresses());
      const accepted = acceptStreams(b);
      const ours = await connection.open(PROTOCOL);
      const theirs = await accepted();
      expect(network.connection(A, B)?.cutInStream(1234, true, () => 0)).toBe(true);
      await ours.write(pattern(5000));
      let got = 0;
      await expect(
        (async () => {
          for (;;) got += (await theirs.read())?.length ?? 0;
        })(),
      ).rejects.toThrow(/reset/);
      expect(got).toBe(1234);
      expect(connection.closed.aborted).toBe(false);
    });
  });

  test("[SI4] what is blocked waits, arrives in order when it is let go, and each end notices by itself", async () => {
    const { scheduler, network, a, b, run } = pair(4);
    await run(async () => {
      const connection = await a.connect(B, b.addresses());
      const accepted = acceptStreams(b);
      const ours = await connection.open(PROTOCOL);
      const theirs = await accepted();
      network.block(A, B);
      await ours.write(pattern(100));
      await ours.write(pattern(50));
      await scheduler.sleep(2000);
      expect(theirs.readBuffered).toBe(0);
      network.block(A, B);
      network.unblock(A, B);
      await scheduler.sleep(200);
      // The other one goes on.
      expect(theirs.readBuffered).toBe(0);
      network.unblock(A, B);
      await scheduler.sleep(200);
      expect(theirs.readBuffered).toBe(150);
      network.block(B, A);
      await scheduler.sleep(60_000);
      expect(connection.closed.aborted).toBe(true);
      expect(b.connections()).toHaveLength(0);
    });
  });

  test("[SI10] what is killed writes nothing more, though its peer makes room for it", async () => {
    let handedOver = 0;
    const tap: WireTap = { wrote: ({ bytes }) => void (handedOver += bytes.length) };
    const { scheduler, a, b, run } = pair(8, tap);
    await run(async () => {
      const connection = await a.connect(B, b.addresses());
      const accepted = acceptStreams(b);
      const ours = await connection.open(PROTOCOL);
      const theirs = await accepted();
      let isWoken = false;
      void (async () => {
        for (;;) {
          await ours.write(pattern(10_000));
          isWoken = a.isDead;
        }
      })();
      await scheduler.sleep(1000);
      const before = handedOver;
      a.kill(() => 60_000);
      for (let got = 0; got < 500_000;) got += (await theirs.read())?.length ?? 0;
      await scheduler.sleep(1000);
      // Else this shows nothing.
      expect(isWoken).toBe(true);
      expect(handedOver).toBe(before);
    });
  });

  test("[SI1] the same seed gives the same trace, another one another", async () => {
    const traceOf = async (seed: number): Promise<string> => {
      const { scheduler, a, b, run } = pair(seed);
      await run(async () => {
        const connection = await a.connect(B, b.addresses());
        b.handle(PROTOCOL, (stream) => stream.write(pattern(100_000)));
        const stream = await connection.open(PROTOCOL);
        while ((await stream.read()) !== undefined);
      });
      return scheduler.trace.toString();
    };
    expect(await traceOf(1)).toBe(await traceOf(1));
    expect(await traceOf(1)).not.toBe(await traceOf(2));
  });

  test("[SI2] a run that waits for real time is told of, and so is one that waits for nothing", async () => {
    const { run } = pair(5);
    // Begun within the run: a timer that was there before may have gone off by then.
    const real = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 0));
    await expect(run(real)).rejects.toThrow(/\[(?:escaped|stuck)\]/);
    await expect(pair(6).run(() => new Promise(() => {}))).rejects.toThrow("[stuck]");
  });
});
