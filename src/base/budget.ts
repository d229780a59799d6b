interface Waiter {
  readonly amount: number;
  readonly resolve: () => void;
}

/**
 * An amount that many share, of bytes, requests or whatever is to be bounded: who finds too little left waits, first come first
 * served, however small the next.
 */
export class Budget {
  readonly #whole: number;
  readonly #waiting: Waiter[] = [];
  readonly #holders = new Set<() => void>();
  #left: number;

  constructor(whole: number) {
    this.#whole = whole;
    this.#left = whole;
  }

  /** What is taken now. */
  get taken(): number {
    return this.#whole - this.#left;
  }

  /** Whether `take` would resolve at once. */
  has(amount: number): boolean {
    return this.#waiting.length === 0 && this.#capped(amount) <= this.#left;
  }

  /** Takes `amount` if nobody needs to wait for it. */
  tryTake(amount: number): boolean {
    if (!this.has(amount)) return false;
    this.#left -= this.#capped(amount);
    return true;
  }

  /**
   * Takes `amount` when it is there; what is larger than the whole goes alone. Rejects with the signal's reason when that aborts
   * while it waits, and nothing is taken then.
   */
  take(amount: number, signal?: AbortSignal): Promise<void> {
    if (this.tryTake(amount)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal?.reason as Error);
        this.#serve();
      };
      const waiter: Waiter = {
        amount: this.#capped(amount),
        resolve: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      this.#waiting.push(waiter);
      signal?.addEventListener("abort", abort, { once: true });
      for (const spare of [...this.#holders]) spare();
    });
  }

  /** Gives back what one `take` took, or several that together were no more than the whole. */
  give(amount: number): void {
    this.#left += this.#capped(amount);
    this.#serve();
  }

  /** Calls `spare` whenever somebody has to wait, until the answered function is called: to give back soon what can be. */
  onShort(spare: () => void): () => void {
    this.#holders.add(spare);
    return () => void this.#holders.delete(spare);
  }

  #capped(amount: number): number {
    return Math.min(amount, this.#whole);
  }

  #serve(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && next.amount <= this.#left;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#left -= next.amount;
      next.resolve();
    }
  }
}
