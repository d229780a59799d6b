import {
  type Clock,
  codeOf,
  type Logger,
  type Random,
  spread,
  type UserId,
} from "../base/index.ts";
import type { Store } from "../store/index.ts";
import {
  afterNtp,
  afterOpening,
  afterPeer,
  afterStep,
  type ClockState,
  initialState,
  judgePeer,
  type PeerSample,
  type PeerVerdict,
} from "./clock-state.ts";
import {
  CLOCK_STEP_MS_MIN,
  NTP_INTERVAL_MS,
  NTP_RETRY_MS,
  PEER_WORD_MS_MAX,
  PEER_WORDS_MAX,
  PEERS_AGREE_MS_MAX,
} from "./limits.ts";
import { type Datagrams, measureNtp, type NtpServer } from "./ntp-client.ts";
import { CLOCK_KEY, decodeClock, encodeClock } from "./record.ts";

export interface TrueTimeDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Where what is known is kept; without one it ends with the process. */
  readonly store?: Store | undefined;
  /** Milliseconds since the machine was started, the time that it slept included. Default: the monotonic clock. */
  readonly uptime?: (() => number) | undefined;
  /** The user of this device: their devices believe each other. */
  readonly user?: (() => UserId) | undefined;
  /** NTP; without it, or without servers, only peers are heard. */
  readonly ntp?: { readonly servers: readonly NtpServer[]; readonly datagrams: Datagrams };
}

/** What the estimate rests on: this device's clock alone, an NTP server, or peers that have heard one. */
export type TimeSource = "system" | "ntp" | "peer";

/** The estimate of true time, for people. */
export interface TimeStatus {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Milliseconds by which it is ahead of this device's clock. */
  readonly offsetMs: number;
  readonly source: TimeSource;
  /** When an NTP server was last heard, in milliseconds since 1970. */
  readonly lastNtp?: number | undefined;
  /** Peers between here and that server, and restarts since. */
  readonly hops: number;
  readonly reboots: number;
  /** Why NTP could not be asked last, until it could. */
  readonly lastError?: { readonly code: string; readonly message: string } | undefined;
}

/** A peer's answer to GetTime: stamps by its estimate, and what that rests on. */
export interface PeerStamps {
  readonly receive: number;
  readonly send: number;
  readonly lastNtp: number | undefined;
  readonly hops: number;
  readonly reboots: number;
}

/** A measurement under way. */
export interface Exchange {
  /** When the request was sent, by our estimate. */
  readonly origin: number;
  /** What it came to; `undefined` when a clock was moved meanwhile: then it says nothing. [TI10] */
  end(stamps: PeerStamps): PeerSample | undefined;
}

interface Reading {
  readonly wall: number;
  readonly monotonic: number;
}

/** The greatest time that JavaScript's dates, and our timestamps, can hold. */
const TIME_MAX = 8_640_000_000_000_000;

/**
 * The estimate of true time: this device's clock, put right by NTP and by peers that have heard it. It may go either way; who
 * needs time that only grows takes the hybrid clock. Rules: docs/spec/time.md.
 */
export class TrueTime implements AsyncDisposable {
  readonly #deps: TrueTimeDeps;
  readonly #ending = new AbortController();
  readonly #words = new Map<UserId, { readonly offset: number; readonly at: number }>();
  #state: ClockState;
  #last: Reading;
  /** Milliseconds that the machine slept, as of the last look: uptime counts them and the monotonic clock may not. */
  #slept: number;
  /** How often the clock was found moved. */
  #steps = 0;
  #written: Promise<void> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();
  #lastError: TimeStatus["lastError"];

  private constructor(deps: TrueTimeDeps, stored: ClockState | undefined) {
    this.#deps = deps;
    this.#last = this.#read();
    this.#slept = this.#uptime() - this.#last.monotonic;
    const bootedAt = isTime(this.#last.wall) ? Math.round(this.#last.wall - this.#uptime()) : 0;
    this.#state =
      stored === undefined
        ? initialState(bootedAt)
        : afterOpening(stored, bootedAt, CLOCK_STEP_MS_MIN);
    if (this.#state !== stored) this.#keep();
  }

  /** Takes up what was known, and begins to ask NTP servers where there are any. @throws {StoreError} */
  static async open(deps: TrueTimeDeps): Promise<TrueTime> {
    const bytes = await deps.store?.get(CLOCK_KEY);
    const time = new TrueTime(deps, bytes === undefined ? undefined : decodeClock(bytes));
    time.#running = time.#runNtp();
    return time;
  }

  /** The estimate of a clock about which nobody says anything yet; nothing is kept. */
  static of(deps: Omit<TrueTimeDeps, "store" | "ntp">): TrueTime {
    return new TrueTime(deps, undefined);
  }

  /** Milliseconds since 1970, as far as we know. What this device's clock says when that is no time at all. */
  now(): number {
    this.#look();
    return this.#last.wall + this.#state.offset;
  }

  status(): TimeStatus {
    const now = this.now();
    const { offset, lastNtp, hops, reboots } = this.#state;
    const source = lastNtp === undefined ? "system" : hops === 0 ? "ntp" : "peer";
    const error = this.#lastError === undefined ? {} : { lastError: this.#lastError };
    return { now, offsetMs: offset, source, lastNtp, hops, reboots, ...error };
  }

  /** What we answer to GetTime, but for the stamps. */
  get claim(): Pick<PeerStamps, "lastNtp" | "hops" | "reboots"> {
    const { lastNtp, hops, reboots } = this.#state;
    return { lastNtp, hops, reboots };
  }

  /** Begins to measure a peer's clock. */
  beginExchange(): Exchange {
    const origin = Math.max(1, Math.floor(this.now()));
    const [began, steps] = [this.#last, this.#steps];
    return {
      origin,
      end: ({ receive, send, ...claim }) => {
        this.#look();
        if (this.#steps !== steps || send < receive) return undefined;
        // Our second stamp is the first and the elapsed time.
        const elapsed = this.#last.monotonic - began.monotonic;
        const roundTripMs = elapsed - (send - receive);
        // Stamps are whole milliseconds.
        if (roundTripMs < -1) return undefined;
        const offsetMs = (receive - origin + (send - (origin + elapsed))) / 2;
        return { offsetMs, roundTripMs: Math.max(0, roundTripMs), sent: send, ...claim };
      },
    };
  }

  /** Takes a peer's word, the peer being a device of `user`'s. [TI7] [TI8] [TI9] */
  noteSample(sample: PeerSample, user: UserId): PeerVerdict {
    const verdict = judgePeer(this.#state, sample);
    if (verdict !== "followed") return verdict;
    const state = afterPeer(this.#state, sample, this.#isConfirmed(sample, user));
    if (state === undefined) return "unconfirmed";
    this.#change(state, "peer");
    return "followed";
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
    await this.#written;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Whether it is not one user's word alone: our own user's devices are ours, or another user's peer says the same. */
  #isConfirmed(sample: PeerSample, user: UserId): boolean {
    if (user === this.#deps.user?.()) return true;
    const offset = this.#state.offset + sample.offsetMs;
    const at = this.#deps.clock.monotonic();
    this.#words.delete(user);
    for (const [other, word] of this.#words)
      if (at - word.at > PEER_WORD_MS_MAX || this.#words.size >= PEER_WORDS_MAX)
        this.#words.delete(other);
    this.#words.set(user, { offset, at });
    return Array.from(this.#words).some(
      ([other, word]) => other !== user && Math.abs(word.offset - offset) <= PEERS_AGREE_MS_MAX,
    );
  }

  /** Reads the clocks, and notices when this device's was moved against elapsed time. */
  #look(): void {
    const [before, now] = [this.#last, this.#read()];
    this.#last = now;
    const apart = now.wall - before.wall - (now.monotonic - before.monotonic);
    // A clock that says no time at all is not followed, nor is its return from there.
    if (Math.abs(apart) <= CLOCK_STEP_MS_MIN || !isTime(now.wall) || !isTime(before.wall)) return;
    const slept = this.#uptime() - now.monotonic;
    const step = apart - Math.max(0, slept - this.#slept);
    this.#slept = slept;
    if (Math.abs(step) <= CLOCK_STEP_MS_MIN) return;
    this.#steps += 1;
    // What others said was measured against the clock as it was.
    this.#words.clear();
    this.#deps.logger("info", "time.clock.moved", { ms: Math.round(step) });
    this.#change(afterStep(this.#state, Math.round(step)), "step");
  }

  async #runNtp(): Promise<void> {
    const { ntp, clock, random, logger } = this.#deps;
    const { signal } = this.#ending;
    if (ntp === undefined || ntp.servers.length === 0) return;
    let retry = NTP_RETRY_MS;
    while (!signal.aborted) {
      let wait = NTP_INTERVAL_MS;
      try {
        this.#look();
        const steps = this.#steps;
        const sample = await measureNtp({ ...ntp, clock, random }, ntp.servers, signal);
        this.#look();
        retry = NTP_RETRY_MS;
        this.#lastError = undefined;
        // A clock that was moved between the samples makes them say different things.
        if (this.#steps === steps)
          this.#change(afterNtp(this.#state, sample.offsetMs, sample.transmit), "ntp");
        else wait = NTP_RETRY_MS;
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        this.#lastError = { code: codeOf(error) ?? "UNKNOWN", message };
        logger("info", "time.ntp.failed", { code: codeOf(error) });
        wait = retry;
        retry = Math.min(2 * retry, NTP_INTERVAL_MS);
      }
      await clock.sleep(spread(random, wait), signal).catch(() => {});
    }
  }

  #change(state: ClockState, source: "ntp" | "peer" | "step"): void {
    const moved = state.offset - this.#state.offset;
    this.#state = state;
    if (moved !== 0 && source !== "step")
      this.#deps.logger("info", "time.estimate.moved", { source, ms: moved });
    this.#keep();
  }

  /** Writes what is known, later states after earlier ones. A write that fails costs a measurement at the next start. */
  #keep(): void {
    const { store, logger } = this.#deps;
    if (store === undefined) return;
    this.#written = this.#written.then(async () => {
      try {
        await store.write([{ type: "put", key: CLOCK_KEY, value: encodeClock(this.#state) }]);
      } catch (error) {
        logger("debug", "time.write.failed", { code: codeOf(error) });
      }
    });
  }

  #read(): Reading {
    return { wall: this.#deps.clock.now(), monotonic: this.#deps.clock.monotonic() };
  }

  #uptime(): number {
    return this.#deps.uptime?.() ?? this.#deps.clock.monotonic();
  }
}

function isTime(wall: number): boolean {
  return Math.abs(wall) <= TIME_MAX;
}
