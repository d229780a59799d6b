import type { Clock } from "../base/index.ts";

interface Sleeper {
  readonly wakeAt: number;
  readonly wake: () => void;
}

/**
 * Time that passes only when a test says so.
 *
 * Sleepers wake in the order of their times, those of one time in the order of their calls, and each runs as far as it
 * gets without real I/O before the next one wakes. So a run is the same every time.
 */
export class FakeClock implements Clock {
  readonly #sleepers: Sleeper[] = [];
  #monotonic = 0;
  #wallOffset: number;

  /** `now` in milliseconds since 1970. */
  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#wallOffset = now;
  }

  now(): number {
    return this.#wallOffset + this.#monotonic;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Those asleep now. */
  get sleeperCount(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = (): void => {
        this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1);
        reject(signal?.reason as Error);
      };
      const sleeper: Sleeper = {
        wakeAt: this.#monotonic + Math.max(0, ms),
        wake: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      const later = this.#sleepers.findIndex((other) => other.wakeAt > sleeper.wakeAt);
      this.#sleepers.splice(later < 0 ? this.#sleepers.length : later, 0, sleeper);
    });
  }

  /** Lets `ms` milliseconds pass, waking everyone whose time comes, those included who fall asleep meanwhile. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    while ((this.#sleepers[0]?.wakeAt ?? Number.POSITIVE_INFINITY) <= end) await this.#wakeFirst();
    this.#monotonic = end;
    await settle();
  }

  /** Lets time pass until the first sleeper wakes. Answers false, and does nothing, when nobody sleeps. */
  async advanceToNext(): Promise<boolean> {
    await settle();
    if (this.#sleepers.length === 0) return false;
    await this.#wakeFirst();
    return true;
  }

  /** Sets the wall clock forward, or back when negative, as its owner may. Sleepers are not moved. */
  jump(ms: number): void {
    this.#wallOffset += ms;
  }

  async #wakeFirst(): Promise<void> {
    const sleeper = this.#sleepers.shift();
    if (sleeper === undefined) return;
    this.#monotonic = sleeper.wakeAt;
    sleeper.wake();
    await settle();
  }
}

/** Resolves when everything has run that waits for nothing outside this process. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
