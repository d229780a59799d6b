import type { SeededRandom } from "../seeded-random.ts";
import { Trace } from "./trace.ts";

/** Something that happens at a moment of simulated time, unless it is called off. */
export interface SimEvent {
  readonly time: number;
  readonly label: string;
  /** Calls it off. Doing so twice, or afterwards, is harmless. */
  cancel(): void;
}

class Scheduled implements SimEvent {
  readonly time: number;
  /** Decides between events of one moment. */
  readonly tie: number;
  readonly label: string;
  run: (() => void) | undefined;

  constructor(time: number, tie: number, label: string, run: () => void) {
    this.time = time;
    this.tie = tie;
    this.label = label;
    this.run = run;
  }

  cancel(): void {
    this.run = undefined;
  }
}

/**
 * Simulated time and all that is to happen in it. Events of one moment happen in an order that chance draws, so that
 * another seed tries another order.
 */
export class Scheduler {
  readonly #heap: Scheduled[] = [];
  readonly #random: SeededRandom;
  readonly trace = new Trace();
  #now = 0;
  #popped = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Milliseconds since the run began. */
  get now(): number {
    return this.#now;
  }

  /** Events that have happened. */
  get events(): number {
    return this.#popped;
  }

  /** Calls `run` at `time`, or now when that is past. */
  at(time: number, label: string, run: () => void): SimEvent {
    const event = new Scheduled(Math.max(time, this.#now), this.#random.below(2 ** 32), label, run);
    this.#push(event);
    return event;
  }

  after(ms: number, label: string, run: () => void): SimEvent {
    return this.at(this.#now + Math.max(0, ms), label, run);
  }

  /** Resolves after `ms` milliseconds. */
  sleep(ms: number, label = "sleep"): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, label, resolve);
    });
  }

  /** Resolves after `ms` milliseconds, or rejects with the signal's reason as soon as it is aborted. */
  sleepUnless(ms: number, label: string, signal: AbortSignal | undefined): Promise<void> {
    if (signal === undefined) return this.sleep(ms, label);
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const abort = (): void => {
        event.cancel();
        reject(signal.reason as Error);
      };
      const event = this.after(ms, label, () => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  /** Lets the next event happen. Answers its label, or `undefined` when nothing is to happen any more. */
  step(): string | undefined {
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return undefined;
      const { run } = event;
      if (run === undefined) continue;
      event.cancel();
      this.#now = event.time;
      this.#popped += 1;
      this.trace.number(event.time);
      this.trace.text(event.label);
      run();
      return event.label;
    }
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Scheduled)) break;
      heap[at] = heap[parent] as Scheduled;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Scheduled | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Scheduled)) child += 1;
      const next = heap[child] as Scheduled;
      if (!isBefore(next, last)) break;
      heap[at] = next;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.time < b.time || (a.time === b.time && a.tie < b.tie);
}
