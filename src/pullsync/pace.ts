import type { Clock, Random } from "../base/index.ts";
import { RATE_WINDOW_MS } from "./limits.ts";

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
    const [byte] = this.#random.bytes(1);
    return ms * (0.75 + (byte as number) / 512);
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
