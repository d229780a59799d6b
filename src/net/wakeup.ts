/**
 * Lets one task wait until another has changed something. The one who waits looks again afterwards: a wake-up says
 * that something may have changed, not what.
 */
export class Wakeup {
  #waiting: PromiseWithResolvers<void> | undefined;

  /** Resolves at the next `wake`. All who wait share one. */
  wait(): Promise<void> {
    this.#waiting ??= Promise.withResolvers<void>();
    return this.#waiting.promise;
  }

  /** Wakes whoever waits now. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }
}
