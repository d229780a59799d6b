import { expect, test } from "vitest";
import { openPeer } from "../peer/index.ts";
import { NtpServerOnLoopback } from "../testkit/ntp-server.ts";
import { parseNtpServers, TrueTime } from "../time/index.ts";
import { nodeClock, nodeDatagrams, nodeRandom, nodeUptime } from "./ports.ts";

const YEARS = 10 * 365 * 24 * 3_600_000;

/** The machine's clock, but for waits, which are over at once; those for an answer never are. */
function hastyClock(answerMs: number) {
  const clock = nodeClock();
  return {
    ...clock,
    sleep: (ms: number, signal?: AbortSignal) =>
      clock.sleep(ms === 2000 ? 0 : ms === 5000 ? answerMs : 3_600_000, signal),
  };
}

async function openTime(servers: readonly string[], answerMs = 5000): Promise<TrueTime> {
  return TrueTime.open({
    clock: hastyClock(answerMs),
    random: nodeRandom(),
    logger: () => {},
    uptime: nodeUptime,
    ntp: { servers: parseNtpServers(servers), datagrams: nodeDatagrams() },
  });
}

test("[TI2] [TI3] [TI6] the time is asked of real servers by UDP, and found to a few milliseconds", async () => {
  await using server = await NtpServerOnLoopback.open(() => Date.now() + YEARS);
  await using late = await NtpServerOnLoopback.open(() => Date.now());
  late.change = () => undefined;
  await using time = await openTime([server.name, late.name], 200);
  await expect.poll(() => time.status().source).toBe("ntp");
  expect(Math.abs(time.now() - Date.now() - YEARS)).toBeLessThan(500);
  expect(server.requests.length).toBe(4);
  expect(new Set(server.requests.map((bytes) => bytes.subarray(40).toString())).size).toBe(4);
  expect(server.requests.every((bytes) => bytes.length === 48 && bytes[0] === 0x23)).toBe(true);
});

test("[TI6] a server that does not answer, says nonsense or is not there changes nothing", async () => {
  await using server = await NtpServerOnLoopback.open(() => Date.now() + YEARS);
  for (const change of [
    () => undefined,
    (answer: Uint8Array) => answer.subarray(1),
    (answer: Uint8Array) => answer.fill(0, 24, 32),
    (answer: Uint8Array) => answer.fill(0, 1, 2),
  ]) {
    server.change = change;
    await using time = await openTime([server.name], 100);
    await expect.poll(() => time.status().lastError?.code).toBe("TIME_NTP_FAILED");
    expect(time.status()).toMatchObject({ offsetMs: 0, source: "system" });
  }
  await using nowhere = await openTime(["127.0.0.1:1", "no.such.host.invalid"]);
  await expect.poll(() => nowhere.status().lastError?.code).toBe("TIME_NTP_FAILED");
});

test("[TI6] closing ends a question that is under way", async () => {
  await using server = await NtpServerOnLoopback.open(() => Date.now());
  server.change = () => undefined;
  const time = await openTime([server.name], 3_600_000);
  await expect.poll(() => server.requests.length).toBe(1);
  await time.close();
});

test.for(["", "a b", "host:0", "host:65536", "[::1", "x".repeat(300), "-h/…"])(
  "[TI6] %s is no server, and nothing is opened",
  async (name) => {
    await expect(openPeer({ ntpServers: [name] })).rejects.toMatchObject({
      code: "TIME_SERVER_INVALID",
    });
  },
);

test("[TI1] a peer that is told of a server stamps by it, and shows it", async () => {
  await using server = await NtpServerOnLoopback.open(() => Date.now() + YEARS);
  await using peer = await openPeer({ ntpServers: [server.name, "[::1]:123"].slice(0, 1) });
  expect(peer.time()).toMatchObject({ offsetMs: 0, source: "system" });
  // Four packets, two seconds apart.
  await expect.poll(() => peer.time().source, { timeout: 15_000 }).toBe("ntp");
  expect((await peer.status()).time.offsetMs).toBeGreaterThan(YEARS - 1000);
}, 20_000);
