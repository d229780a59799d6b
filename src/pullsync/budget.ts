/** A number that many share; who finds too little left waits, first come first served. */
export class Budget {
  readonly #waiting: { readonly amount: number; readonly resolve: () => void }[] = [];
  readonly #whole: number;
  #left: number;

  constructor(whole: number) {
    this.#whole = whole;
    this.#left = whole;
  }

  /** What is taken now. */
  get taken(): number {
    return this.#whole - this.#left;
  }

  /** Takes `amount` if nobody needs to wait for it. */
  tryTake(amount: number): boolean {
    if (this.#waiting.length > 0 || amount > this.#left) return false;
    this.#left -= amount;
    return true;
  }

  /** Takes `amount` when it is there. Rejects with the signal's reason when that aborts first; nothing is taken then. */
  async take(amount: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.tryTake(amount)) return;
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal?.reason as Error);
        this.#serve();
      };
      const waiter = {
        amount,
        resolve: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      this.#waiting.push(waiter);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  give(amount: number): void {
    this.#left += amount;
    this.#serve();
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
