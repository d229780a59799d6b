interface Taking {
  readonly bytes: number;
  readonly resolve: () => void;
}

/** Bytes that may be under way at once: who finds too few left waits, first come first served. */
export class Window {
  readonly #size: number;
  readonly #waiting: Taking[] = [];
  #left: number;

  constructor(bytes: number) {
    this.#size = bytes;
    this.#left = bytes;
  }

  /** Bytes that are taken now. */
  get taken(): number {
    return this.#size - this.#left;
  }

  /** Takes bytes, all there are at most. Rejects with the signal's reason when it aborts first, and nothing is taken then. */
  take(bytes: number, signal: AbortSignal): Promise<void> {
    const wanted = this.#capped(bytes);
    if (this.#waiting.length === 0 && wanted <= this.#left) {
      this.#left -= wanted;
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
        bytes: wanted,
        resolve: () => {
          signal.removeEventListener("abort", abort);
          resolve();
        },
      };
      this.#waiting.push(taking);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  /** Gives back what `take` took for as many bytes. */
  give(bytes: number): void {
    this.#left += this.#capped(bytes);
    this.#serve();
  }

  /** What is larger than the window goes alone. */
  #capped(bytes: number): number {
    return Math.min(bytes, this.#size);
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
