import { Budget } from "../base/index.ts";
import { PAGES_HELD_BYTES_MAX } from "./limits.ts";

/**
 * The bytes of received pages that this process holds. Half is for frames, half for parts that go on over several
 * frames: who waits for the second holds one frame of the first and no more, so that nobody waits in a circle.
 */
export class PageBudget {
  readonly frames = new Budget(PAGES_HELD_BYTES_MAX / 2);
  readonly largeParts = new Budget(PAGES_HELD_BYTES_MAX / 2);

  /** Calls `relieve` when others wait for what this one may only be gathering. Answers a function that ends it. */
  onShort(relieve: () => void): () => void {
    const ends = [this.frames, this.largeParts].map((budget) => budget.onShort(relieve));
    return () => {
      for (const end of ends) end();
    };
  }
}
