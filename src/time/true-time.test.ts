import { describe, expect, test } from "vitest";
import { type UserId, userIdOf } from "../base/index.ts";
import { openMemoryStore, type Store } from "../store/index.ts";
import { FakeClock, settle } from "../testkit/fake-clock.ts";
import { ntpAnswerTo } from "../testkit/ntp-server.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import type { PeerSample } from "./clock-state.ts";
import { NTP_ANSWER_MS_MAX, NTP_INTERVAL_MS, NTP_RETRY_MS, NTP_SAMPLES } from "./limits.ts";
import type { Datagrams } from "./ntp-client.ts";
import { type PeerStamps, TrueTime, type TrueTimeDeps } from "./index.ts";

const NOW = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const YEARS = 10 * 365 * 24 * HOUR;
const userOf = (n: number): UserId => userIdOf(new Uint8Array(32).fill(n));
const [OWN, BEN, EVE] = [userOf(1), userOf(2), userOf(3)] as const;

/** NTP servers by host: each says true time and an error, after a delay; or nothing. */
class Servers implements Datagrams {
  readonly #clock: FakeClock;
  readonly #truth: () => number;
  readonly errors = new Map<string, number>();
  readonly asked: string[] = [];
  delayMs = 0;
  onAsk: () => void = () => {};

  constructor(clock: FakeClock, truth: () => number) {
    this.#clock = clock;
    this.#truth = truth;
  }

  async ask({ host }: { host: string }, request: Uint8Array, signal: AbortSignal) {
    this.asked.push(host);
    const error = this.errors.get(host);
    await this.#clock.sleep(error === undefined ? 1e9 : this.delayMs, signal);
    this.onAsk();
    const at = this.#truth() + (error ?? 0);
    return ntpAnswerTo(request, { receive: at, transmit: at });
  }
}

interface World {
  readonly clock: FakeClock;
  readonly truth: () => number;
  readonly servers: Servers;
  readonly open: (
    options?: Partial<TrueTimeDeps> & { readonly hosts?: readonly string[] },
  ) => Promise<TrueTime>;
}

/** A device whose clock is `errorMs` ahead of true time, which passes as the clock does and never jumps. */
function worldOf(errorMs = 0): World {
  const clock = new FakeClock(NOW + errorMs);
  const truth = (): number => NOW + clock.monotonic();
  const servers = new Servers(clock, truth);
  return {
    clock,
    truth,
    servers,
    open: ({ hosts = [], ...options } = {}) =>
      TrueTime.open({
        clock,
        random: seededRandom(7),
        logger: () => {},
        user: () => OWN,
        ntp: { servers: hosts.map((host) => ({ host, port: 123 })), datagrams: servers },
        ...options,
      }),
  };
}

/** What a peer says whose estimate is true but for `errorMs`. */
function sampleAt(time: TrueTime, truth: number, fields: Partial<PeerSample> = {}): PeerSample {
  const sent = truth;
  const offsetMs = truth - time.now();
  return { offsetMs, roundTripMs: 0, sent, lastNtp: truth, hops: 0, reboots: 0, ...fields };
}

describe("the estimate", () => {
  test("[TI1] begins as what the clock says, and passes with it", async () => {
    const { clock, open } = worldOf(5000);
    await using time = await open();
    expect(time.status()).toMatchObject({ now: NOW + 5000, offsetMs: 0, source: "system" });
    await clock.advance(1234);
    expect(time.now()).toBe(NOW + 6234);
  });

  test("[TI4] nobody was heard: a step of the clock is followed", async () => {
    const { clock, open } = worldOf(-YEARS);
    await using time = await open();
    clock.jump(YEARS);
    expect(time.status()).toMatchObject({ now: NOW, offsetMs: 0 });
  });

  test("[TI4] a step of a clock that was put right is undone, drift is followed, sleep is neither", async () => {
    const { clock, servers, open } = worldOf(YEARS);
    servers.errors.set("one", 0);
    let slept = 0;
    await using time = await open({
      hosts: ["one"],
      uptime: () => 90_000 + clock.monotonic() + slept,
    });
    await clock.advance(10_000);
    expect(time.status()).toMatchObject({ now: NOW + 10_000, offsetMs: -YEARS, source: "ntp" });
    for (const step of [-2 * YEARS, 1001, -1001, YEARS]) {
      const before = time.now();
      clock.jump(step);
      expect(time.now()).toBe(before);
    }
    const before = time.now();
    clock.jump(1000);
    expect(time.now()).toBe(before + 1000);
    // The machine sleeps for a night: the clock goes on, the monotonic one does not.
    clock.jump(8 * HOUR);
    slept += 8 * HOUR;
    expect(time.now()).toBe(before + 1000 + 8 * HOUR);
    clock.jump(8 * HOUR);
    expect(time.now()).toBe(before + 1000 + 8 * HOUR);
  });

  test("[TI13] a clock that says no time is answered as it is, and its return is no step", async () => {
    const { clock, servers, open } = worldOf(3000);
    servers.errors.set("one", 0);
    await using time = await open({ hosts: ["one"] });
    await clock.advance(10_000);
    for (const nonsense of [Number.NaN, Infinity, 1e30]) {
      const real = clock.now.bind(clock);
      clock.now = () => nonsense;
      const said = time.now();
      expect(Object.is(said, nonsense) || said === nonsense - 3000).toBe(true);
      clock.now = real;
      expect(time.now()).toBe(NOW + 10_000);
    }
  });
});

describe("restarts", () => {
  async function reopened(
    change: (clock: FakeClock, store: Store) => Promise<void> | void,
    uptime: (clock: FakeClock) => number = (clock) => clock.monotonic(),
  ) {
    const { clock, servers, open } = worldOf(HOUR);
    servers.errors.set("one", 0);
    const store = await openMemoryStore();
    {
      await using time = await open({ hosts: ["one"], store, uptime: () => uptime(clock) });
      await clock.advance(10_000);
      expect(time.status()).toMatchObject({ offsetMs: -HOUR, reboots: 0 });
    }
    await change(clock, store);
    await using time = await open({ store, uptime: () => uptime(clock) });
    return time.status();
  }

  test("[TI5] offset and source hold over a restart of the process", async () => {
    const status = await reopened((clock) => clock.advance(50_000));
    expect(status).toMatchObject({
      now: NOW + 60_000,
      offsetMs: -HOUR,
      source: "ntp",
      hops: 0,
      reboots: 0,
    });
  });

  test("[TI5] a restart of the machine, or a clock moved meanwhile, counts as one, and the offset stays", async () => {
    let started = 0;
    const again = await reopened(
      async (clock) => {
        await clock.advance(50_000);
        started = 55_000;
      },
      (clock) => clock.monotonic() - started,
    );
    expect(again).toMatchObject({ offsetMs: -HOUR, reboots: 1 });
    expect(await reopened((clock) => clock.jump(2 * HOUR))).toMatchObject({
      offsetMs: -HOUR,
      reboots: 1,
    });
  });

  test("[TI5] a record that cannot be read counts as none", async () => {
    const status = await reopened((_, store) =>
      store.write([{ type: "put", key: Uint8Array.of(0x50), value: Uint8Array.of(9) }]),
    );
    expect(status).toMatchObject({ offsetMs: 0, source: "system" });
  });

  test("[TI5] what is known is written when it changes, and not each second", async () => {
    const { clock, servers, open } = worldOf(HOUR);
    servers.errors.set("one", 0);
    const store = await openMemoryStore();
    let writes = 0;
    const write = store.write.bind(store);
    store.write = (batch) => {
      writes += 1;
      return write(batch);
    };
    await using time = await open({ hosts: ["one"], store });
    for (let i = 0; i < 100; i++) {
      await clock.advance(1000);
      time.now();
    }
    expect(writes).toBe(2);
  });
});

describe("NTP", () => {
  test("[TI6] [TI3] asked at the start and hourly, not in between, a few packets each", async () => {
    const { clock, servers, open } = worldOf(HOUR);
    servers.errors.set("one", 0);
    await using time = await open({ hosts: ["one"] });
    await clock.advance(60_000);
    expect(servers.asked.length).toBe(NTP_SAMPLES);
    expect(time.status()).toMatchObject({ offsetMs: -HOUR, lastNtp: NOW });
    await clock.advance(NTP_INTERVAL_MS * 0.7);
    expect(servers.asked.length).toBe(NTP_SAMPLES);
    await clock.advance(NTP_INTERVAL_MS * 0.6);
    expect(servers.asked.length).toBe(2 * NTP_SAMPLES);
  });

  test("[TI6] without servers nothing is asked", async () => {
    const { clock, servers, open } = worldOf();
    await using _ = await open();
    await clock.advance(10 * NTP_INTERVAL_MS);
    expect(servers.asked).toEqual([]);
  });

  test("[TI6] a failure changes nothing but what is shown, and is tried again with growing waits", async () => {
    const { clock, servers, open } = worldOf(HOUR);
    await using time = await open({ hosts: ["gone"] });
    await clock.advance(NTP_ANSWER_MS_MAX);
    expect(time.status()).toMatchObject({
      offsetMs: 0,
      source: "system",
      lastError: { code: "TIME_NTP_FAILED" },
    });
    await clock.advance(1.3 * NTP_RETRY_MS);
    expect(servers.asked.length).toBe(2);
    await clock.advance(1.3 * NTP_RETRY_MS);
    expect(servers.asked.length).toBe(2);
    await clock.advance(1.3 * NTP_RETRY_MS);
    expect(servers.asked.length).toBe(3);
    servers.errors.set("gone", 0);
    await clock.advance(NTP_INTERVAL_MS);
    expect(time.status()).toMatchObject({ offsetMs: -HOUR, source: "ntp" });
    expect(time.status().lastError).toBeUndefined();
  });

  test("[TI3] of three servers one may lie, of two the faster counts", async () => {
    const { clock, servers, open } = worldOf(HOUR);
    for (const [host, error] of [
      ["a", 10],
      ["b", YEARS],
      ["c", 20],
    ] as const)
      servers.errors.set(host, error);
    await using time = await open({ hosts: ["a", "b", "c"] });
    await clock.advance(60_000);
    expect(time.status().offsetMs).toBe(-HOUR + 20);
  });

  test("[TI3] packets during which the clock was moved do not count, nor measurements that it cuts in two", async () => {
    const { clock, servers, open } = worldOf(HOUR);
    servers.errors.set("one", 0);
    let jumps = 0;
    servers.onAsk = () => {
      if (jumps++ === 1) clock.jump(-YEARS);
    };
    servers.delayMs = 10;
    await using time = await open({ hosts: ["one"] });
    await clock.advance(30_000);
    expect(time.status()).toMatchObject({ offsetMs: 0, source: "system" });
    await clock.advance(1.3 * NTP_RETRY_MS);
    expect(time.status()).toMatchObject({ offsetMs: YEARS - HOUR + 5, source: "ntp" });
    expect(time.now()).toBe(NOW + 30_000 + 1.3 * NTP_RETRY_MS + 5);
  });
});

describe("peers", () => {
  test("[TI7] a chain hands on what the first has heard, as far as hops allow, and a newer one replaces it everywhere", async () => {
    const errors = [0, 20_000, -30_000, 40_000];
    const worlds = errors.map(worldOf);
    const times = await Promise.all(worlds.map(({ open }) => open()));
    const [first] = times as [TrueTime];
    const advance = (ms: number) => Promise.all(worlds.map(({ clock }) => clock.advance(ms)));
    const handOn = (): void => {
      for (const [i, time] of times.entries()) {
        const before = times[i - 1];
        if (before === undefined) continue;
        const exchange = time.beginExchange();
        const now = before.now();
        const sample = exchange.end({ receive: now, send: now, ...before.claim });
        if (sample !== undefined) time.noteSample(sample, userOf(10 + i));
      }
    };
    expect(times.map((time) => time.status().source)).toEqual(Array(4).fill("system"));
    handOn();
    expect(times.map((time) => time.status().offsetMs)).toEqual([0, 0, 0, 0]);
    const truth = first.now();
    first.noteSample(sampleAt(first, truth + 5000, { hops: 0 }), OWN);
    expect(first.status()).toMatchObject({ offsetMs: 5000, source: "peer", hops: 1 });
    handOn();
    // Two hops are the most, and each of a chain adds one.
    expect(times.map((time) => time.status().hops)).toEqual([1, 2, 0, 0]);
    expect(times.map((time) => Math.round(time.now() - truth))).toEqual([
      5000, 5000, -30_000, 40_000,
    ]);
    await advance(60_000);
    first.noteSample(sampleAt(first, first.now() + 9000), OWN);
    handOn();
    expect(times.map((time) => time.now() - truth - 60_000)).toEqual([
      14_000, 14_000, -30_000, 40_000,
    ]);
    for (const time of times) await time.close();
  });

  test("[TI9] one user's word leads to the bound, two users' beyond it, and our own user's at once", async () => {
    const { clock, open } = worldOf(-YEARS);
    {
      await using time = await open();
      const truth = (): number => NOW + clock.monotonic();
      expect(time.noteSample(sampleAt(time, truth()), EVE)).toBe("unconfirmed");
      expect(time.noteSample(sampleAt(time, truth()), EVE)).toBe("unconfirmed");
      const near = time.now() + 299_000;
      expect(time.noteSample(sampleAt(time, near), EVE)).toBe("followed");
      expect(time.noteSample(sampleAt(time, time.now() + 5000), EVE)).toBe("unconfirmed");
      expect(time.status()).toMatchObject({ offsetMs: 299_000, source: "peer" });
      // Another user says something else again, then the same as one before.
      expect(time.noteSample(sampleAt(time, truth() + HOUR), BEN)).toBe("unconfirmed");
      expect(time.noteSample(sampleAt(time, truth()), EVE)).toBe("unconfirmed");
      expect(time.noteSample(sampleAt(time, truth() + 3000), BEN)).toBe("followed");
      expect(time.now()).toBe(truth() + 3000);
    }
    await using other = await open();
    expect(other.noteSample(sampleAt(other, NOW), OWN)).toBe("followed");
    expect(other.now()).toBe(NOW);
  });

  test("[TI9] what a user's device said long ago confirms nothing, nor what it said before the clock was moved", async () => {
    const { clock, truth, open } = worldOf(-YEARS);
    await using time = await open();
    expect(time.noteSample(sampleAt(time, truth()), EVE)).toBe("unconfirmed");
    await clock.advance(HOUR);
    expect(time.noteSample(sampleAt(time, truth()), BEN)).toBe("unconfirmed");
    clock.jump(HOUR);
    expect(time.noteSample(sampleAt(time, truth()), EVE)).toBe("unconfirmed");
  });

  test.for([
    ["our clock was moved", (clock: FakeClock) => clock.jump(HOUR), {}],
    ["our clock was moved back", (clock: FakeClock) => clock.jump(-1500), {}],
    ["the peer's clock was moved back", () => {}, { send: NOW - HOUR, receive: NOW }],
    ["the peer had it longer than we waited", () => {}, { send: NOW + HOUR, receive: NOW }],
  ] as const)("[TI10] nothing is measured when %s meanwhile", async ([, change, stamps]) => {
    const { clock, open } = worldOf();
    await using time = await open();
    const exchange = time.beginExchange();
    await clock.advance(40);
    change(clock);
    const answer: PeerStamps = {
      receive: NOW,
      send: NOW,
      lastNtp: NOW,
      hops: 0,
      reboots: 0,
      ...stamps,
    };
    expect(exchange.end(answer)).toBeUndefined();
  });

  test("[TI7] offset and round trip come from four stamps", async () => {
    const { clock, open } = worldOf();
    await using time = await open();
    const exchange = time.beginExchange();
    await clock.advance(100);
    await settle();
    const claim = { lastNtp: undefined, hops: 0, reboots: 0 };
    expect(exchange.end({ receive: NOW + 5030, send: NOW + 5050, ...claim })).toEqual({
      offsetMs: 4990,
      roundTripMs: 80,
      sent: NOW + 5050,
      ...claim,
    });
  });
});
