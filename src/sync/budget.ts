import { PAGES_HELD_BYTES_MAX } from "./limits.ts";

interface Taking {
  readonly bytes: number;
  readonly resolve: () => void;
}

/** A number of bytes that many share; who finds too few left waits, first come first served. */
class Semaphore {
  readonly #waiting: Taking[] = [];
  readonly #onShort: () => void;
  #left: number;

  /** `onShort` is called when somebody begins to wait. */
  constructor(bytes: number, onShort: () => void) {
    this.#left = bytes;
    this.#onShort = onShort;
  }

  /** Whether `take` would answer at once. */
  has(bytes: number): boolean {
    return this.#waiting.length === 0 && bytes <= this.#left;
  }

  /** Rejects with the signal's reason when it aborts first; nothing is taken then. */
  take(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.has(bytes)) {
      this.#left -= bytes;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(taking), 1);
        reject(signal.reason as Error);
        this.#serve();
      };
      const taking: Taking = {
        bytes,
        resolve: () => {
          signal.removeEventListener("abort", abort);
          resolve();
        },
      };
      this.#waiting.push(taking);
      signal.addEventListener("abort", abort, { once: true });
      this.#onShort();
    });
  }

  give(bytes: number): void {
    this.#left += bytes;
    this.#serve();
  }

  #serve(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && next.bytes <= this.#left;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#left -= next.bytes;
      next.resolve();
    }
  }
}

/**
 * The bytes of received pages that this process holds. Half is for frames, half for parts that go on over several
 * frames: who waits for the second holds one frame of the first and no more, so that nobody waits in a circle.
 */
export class PageBudget {
  readonly #gathering = new Set<() => void>();
  readonly frames: Semaphore;
  readonly largeParts: Semaphore;

  constructor() {
    const onShort = (): void => {
      for (const relieve of this.#gathering) relieve();
    };
    this.frames = new Semaphore(PAGES_HELD_BYTES_MAX / 2, onShort);
    this.largeParts = new Semaphore(PAGES_HELD_BYTES_MAX / 2, onShort);
  }

  /** Calls `relieve` when others wait for what this one may only be gathering. Answers a function that ends it. */
  onShort(relieve: () => void): () => void {
    this.#gathering.add(relieve);
    return () => this.#gathering.delete(relieve);
  }
}
