/** A client of NTP, as simple as RFC 4330 allows: a few packets to each server, the fastest of each, the middle of all. */

import { type Clock, type Random, utf8 } from "../base/index.ts";
import { TimeError } from "./errors.ts";
import {
  CLOCK_STEP_MS_MIN,
  NTP_ANSWER_MS_MAX,
  NTP_SAMPLE_INTERVAL_MS,
  NTP_SAMPLES,
  NTP_SERVER_BYTES_MAX,
  NTP_SERVERS_MAX,
} from "./limits.ts";
import { decodeNtpAnswer, encodeNtpRequest, NTP_COOKIE_SIZE } from "./ntp-packet.ts";

/** Where NTP is spoken unless a server's name says otherwise. */
const NTP_PORT = 123;

export interface NtpServer {
  readonly host: string;
  readonly port: number;
}

/** Datagrams, by the platform. */
export interface Datagrams {
  /** Sends one to the server, and answers the first that comes back from it. Rejects when it cannot, and with the signal's reason. */
  ask(server: NtpServer, request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/** What one packet came to. */
export interface NtpSample {
  /** Milliseconds by which the server's clock is ahead of this device's. */
  readonly offsetMs: number;
  readonly delayMs: number;
  /** When the server answered, by its clock. */
  readonly transmit: number;
}

/**
 * The servers of `host`, `host:port` or `[v6 address]:port`.
 *
 * @throws {TimeError} `TIME_SERVER_INVALID` for what is none, and for more than `NTP_SERVERS_MAX`.
 */
export function parseNtpServers(texts: readonly string[]): readonly NtpServer[] {
  if (texts.length > NTP_SERVERS_MAX)
    throw new TimeError("TIME_SERVER_INVALID", `Cannot use NTP: over ${NTP_SERVERS_MAX} servers`);
  return texts.map(parseServer);
}

function parseServer(text: string): NtpServer {
  const match =
    utf8(text).length > NTP_SERVER_BYTES_MAX
      ? undefined
      : (/^\[([0-9a-fA-F:.]+)\](?::(\d{1,5}))?$/.exec(text) ??
        /^([A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(text) ??
        undefined);
  const port = Number(match?.[2] ?? NTP_PORT);
  if (match === undefined || port === 0 || port > 65_535)
    throw new TimeError("TIME_SERVER_INVALID", `Cannot use NTP: "${text}" is no server`);
  return { host: match[1] as string, port };
}

export interface NtpDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly datagrams: Datagrams;
}

/** What the servers say, together. @throws {TimeError} `TIME_NTP_FAILED` when none gave the time; the signal's reason. [TI3] */
export async function measureNtp(
  deps: NtpDeps,
  servers: readonly NtpServer[],
  signal: AbortSignal,
): Promise<NtpSample> {
  const failures: unknown[] = [];
  const found = await Promise.all(
    servers.map((server) =>
      bestOf(deps, server, signal).catch((error: unknown) => void failures.push(error)),
    ),
  );
  signal.throwIfAborted();
  const samples = found.filter((sample) => sample !== undefined);
  if (samples.length === 0) {
    const [cause] = failures;
    const why = cause instanceof Error ? cause.message : "no server answered";
    throw new TimeError("TIME_NTP_FAILED", `Cannot measure time by NTP: ${why}`, { cause });
  }
  // One server in three may lie and leads nobody; of two the faster is the better guess.
  if (samples.length === 2) return fastest(samples);
  const sorted = samples.toSorted((a, b) => a.offsetMs - b.offsetMs);
  return sorted[Math.floor(sorted.length / 2)] as NtpSample;
}

function fastest(samples: readonly NtpSample[]): NtpSample {
  return samples.toSorted((a, b) => a.delayMs - b.delayMs)[0] as NtpSample;
}

/** The fastest of a few packets to one server. */
async function bestOf(deps: NtpDeps, server: NtpServer, signal: AbortSignal): Promise<NtpSample> {
  const samples: NtpSample[] = [];
  let failure = new Error(`${server.host} did not give the time`);
  for (let i = 0; i < NTP_SAMPLES; i++) {
    if (i > 0) await deps.clock.sleep(NTP_SAMPLE_INTERVAL_MS, signal);
    try {
      const sample = await askOnce(deps, server, signal);
      if (sample === "kiss") {
        failure = new Error(`${server.host} refuses to be asked`);
        break;
      }
      if (sample !== undefined) samples.push(sample);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Error) failure = error;
      // Who does not answer once is not waited for three times more.
      break;
    }
  }
  if (samples.length > 0) return fastest(samples);
  throw failure;
}

/** One packet; `undefined` for an answer that gives no time, or during which this device's clock was moved. */
async function askOnce(
  { clock, random, datagrams }: NtpDeps,
  server: NtpServer,
  signal: AbortSignal,
): Promise<NtpSample | "kiss" | undefined> {
  const cookie = random.bytes(NTP_COOKIE_SIZE);
  const timer = new AbortController();
  const late = new Error(`${server.host} did not answer in time`);
  clock.sleep(NTP_ANSWER_MS_MAX, timer.signal).then(
    () => timer.abort(late),
    () => {},
  );
  try {
    const ended = AbortSignal.any([signal, timer.signal]);
    const [origin, began] = [clock.now(), clock.monotonic()];
    const bytes = await datagrams.ask(server, encodeNtpRequest(cookie), ended);
    const [back, elapsed] = [clock.now(), clock.monotonic() - began];
    const answer = decodeNtpAnswer(bytes, cookie);
    if (answer === "kiss") return "kiss";
    if (typeof answer === "string") return undefined;
    if (!(Math.abs(back - origin - elapsed) <= CLOCK_STEP_MS_MIN)) return undefined;
    const { receive, transmit } = answer;
    const offsetMs = (receive - origin + (transmit - (origin + elapsed))) / 2;
    const delayMs = elapsed - (transmit - receive);
    // A server that had the request longer than we waited was stepped meanwhile.
    return delayMs < -1 ? undefined : { offsetMs, delayMs, transmit };
  } finally {
    timer.abort(late);
  }
}
