import { PAGES_HELD_BYTES_MAX } from "./limits.ts";

/** A number of bytes that many share; who finds too few left waits, first come first served. */
class Semaphore {
  #left: number;
  readonly #waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Whether `take` would answer at once. */
  has(bytes: number): boolean {
    return this.#waiting.length === 0 && bytes <= this.#left;
  }

  take(bytes: number): Promise<void> {
    if (this.has(bytes)) {
      this.#left -= bytes;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push({ bytes, resolve }));
  }

  give(bytes: number): void {
    this.#left += bytes;
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
  readonly frames = new Semaphore(PAGES_HELD_BYTES_MAX / 2);
  readonly largeParts = new Semaphore(PAGES_HELD_BYTES_MAX / 2);
}
