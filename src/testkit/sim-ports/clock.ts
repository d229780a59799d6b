import type { Clock } from "../../base/index.ts";
import type { Scheduler, SimEvent } from "./scheduler.ts";

/** When runs begin by a right clock: milliseconds since 1970. */
export const SIM_EPOCH = Date.UTC(2026, 0, 1);

/** A machine's clocks, which outlive its processes: the wall clock may be wrong, run fast, jump or stand still. */
export class MachineClock {
  readonly #scheduler: Scheduler;
  /** Milliseconds that the wall clock is ahead. */
  offset: number;
  /** Milliseconds of this machine in one of simulated time: 1 but for a little. */
  readonly rate: number;
  #frozenAt: number | undefined;

  constructor(scheduler: Scheduler, offset = 0, rate = 1) {
    this.#scheduler = scheduler;
    this.offset = offset;
    this.rate = rate;
  }

  get wall(): number {
    return Math.floor(this.#frozenAt ?? SIM_EPOCH + this.offset + this.running);
  }

  /** Milliseconds for which it has run. */
  get running(): number {
    return this.#scheduler.now * this.rate;
  }

  freeze(): void {
    this.#frozenAt = this.wall;
  }

  /** Runs again, from where it stood still or where it would be. */
  thaw(): void {
    this.#frozenAt = undefined;
  }
}

/** The clock of one process. When the process is killed nobody who sleeps wakes any more. */
export class SimClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #machine: MachineClock;
  readonly #began: number;
  readonly #label: string;
  readonly #sleepers = new Set<SimEvent>();
  #isDead = false;

  constructor(scheduler: Scheduler, machine: MachineClock, name: string) {
    this.#scheduler = scheduler;
    this.#machine = machine;
    this.#began = machine.running;
    this.#label = `wake ${name}`;
  }

  now(): number {
    return this.#machine.wall;
  }

  monotonic(): number {
    return this.#machine.running - this.#began;
  }

  /** Those asleep now. */
  get sleeperCount(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isDead) return;
      signal?.throwIfAborted();
      const abort = (): void => {
        event.cancel();
        this.#sleepers.delete(event);
        reject(signal?.reason as Error);
      };
      const event = this.#scheduler.after(ms / this.#machine.rate, this.#label, () => {
        this.#sleepers.delete(event);
        signal?.removeEventListener("abort", abort);
        resolve();
      });
      this.#sleepers.add(event);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  kill(): void {
    this.#isDead = true;
    for (const event of this.#sleepers) event.cancel();
    this.#sleepers.clear();
  }
}
