import { type Clock, type Random, spread } from "../base/index.ts";
import { LIVE_PER_PEER_MAX, LIVE_TURN_MS, RATE_WINDOW_MS } from "./limits.ts";

/** Milliseconds between tries: twice as many each time, up to a maximum, and spread over half of it by chance. [PS36] */
export class Backoff {
  readonly #random: Random;
  readonly #min: number;
  readonly #max: number;
  #next: number;

  constructor(random: Random, min: number, max: number) {
    this.#random = random;
    this.#min = min;
    this.#max = max;
    this.#next = min;
  }

  /** How long to wait now. */
  next(): number {
    const ms = this.#next;
    this.#next = Math.min(2 * ms, this.#max);
    return spread(this.#random, ms);
  }

  /** It went well. */
  reset(): void {
    this.#next = this.#min;
  }
}

/** Rests that can be cut short, all of them at once. */
export class Rests {
  readonly #clock: Clock;
  readonly #resting = new Set<AbortController>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rests for `ms` milliseconds, or until urged, or until the signal aborts. Never rejects. */
  async rest(ms: number, signal: AbortSignal): Promise<void> {
    const urged = new AbortController();
    this.#resting.add(urged);
    await this.#clock.sleep(ms, AbortSignal.any([signal, urged.signal])).catch(() => {});
    this.#resting.delete(urged);
  }

  /** Ends all rests: something has changed. */
  urge(): void {
    for (const urged of this.#resting) urged.abort();
  }
}

/** A place that is held. */
export interface WaitingPlace {
  /** Aborted when it is to be given up: others wait for it, and it was held long enough. */
  readonly turn: AbortSignal;
  free(): void;
}

interface Held {
  readonly since: number;
  readonly turn: AbortController;
  readonly freed: PromiseWithResolvers<void>;
}

/** Places for requests that wait at one peer. Where there are too few they are handed on in turns; without need nobody gives one up. */
export class WaitingPlaces {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  readonly #held = new Set<Held>();
  #rotating: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A place, when there is one. Rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<WaitingPlace> {
    signal.throwIfAborted();
    if (this.#held.size >= LIVE_PER_PEER_MAX || this.#waiting.length > 0) await this.#wait(signal);
    const since = this.#clock.monotonic();
    const held: Held = {
      since,
      turn: new AbortController(),
      freed: Promise.withResolvers<void>(),
    };
    this.#held.add(held);
    return {
      turn: held.turn.signal,
      free: () => {
        if (!this.#held.delete(held)) return;
        held.freed.resolve();
        this.#waiting.shift()?.();
        if (this.#waiting.length === 0) this.#rotating?.abort();
      },
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        if (this.#waiting.length === 0) this.#rotating?.abort();
        reject(signal.reason as Error);
      };
      this.#waiting.push(go);
      signal.addEventListener("abort", abort, { once: true });
      if (this.#rotating === undefined) void this.#rotate();
    });
  }

  /** While others wait, the one who has held a place the longest gives it up when its turn is over. */
  async #rotate(): Promise<void> {
    const over = new AbortController();
    this.#rotating = over;
    while (this.#waiting.length > 0) {
      const [oldest] = this.#held;
      if (oldest === undefined) break;
      const left = oldest.since + LIVE_TURN_MS - this.#clock.monotonic();
      await this.#clock.sleep(left, over.signal).catch(() => {});
      if (this.#waiting.length === 0 || over.signal.aborted) break;
      if (this.#held.has(oldest)) oldest.turn.abort();
      await oldest.freed.promise;
    }
    this.#rotating = undefined;
    if (this.#waiting.length > 0) void this.#rotate();
  }
}

/** How many a second, over the last one to two windows. */
export class Rate {
  readonly #clock: Clock;
  #began: number;
  #before = 0;
  #now = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.monotonic();
  }

  add(count: number): void {
    this.#turn();
    this.#now += count;
  }

  /** Per second. */
  get perSecond(): number {
    this.#turn();
    const share = (this.#clock.monotonic() - this.#began) / RATE_WINDOW_MS;
    return ((this.#before * (1 - share) + this.#now) * 1000) / RATE_WINDOW_MS;
  }

  #turn(): void {
    const windows = Math.floor((this.#clock.monotonic() - this.#began) / RATE_WINDOW_MS);
    if (windows === 0) return;
    this.#before = windows === 1 ? this.#now : 0;
    this.#now = 0;
    this.#began += windows * RATE_WINDOW_MS;
  }
}

/** One after another: for what must not be done twice at the same time. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  async take(work: () => Promise<void>): Promise<void> {
    const before = this.#last;
    const turn = Promise.withResolvers<void>();
    this.#last = turn.promise;
    await before;
    try {
      await work();
    } finally {
      turn.resolve();
    }
  }
}
