import type { Clock } from "../base/index.ts";
import { Wakeup } from "../net/index.ts";
import type { Crowd } from "./crowd.ts";

export interface NewsDeps {
  readonly clock: Clock;
  readonly crowd: Pick<Crowd, "pace" | "step">;
}

/** When one serving stream looks at what there is to send: at once, but for news in a crowd. [SY88] */
export class News {
  readonly #deps: NewsDeps;
  readonly #changed = new Wakeup();
  /** When news were last looked at, by the monotonic clock. */
  #looked = Number.NEGATIVE_INFINITY;
  #isDueLater = false;

  constructor(deps: NewsDeps) {
    this.#deps = deps;
  }

  /** Resolves when there is something to look at. */
  wait(): Promise<void> {
    return this.#changed.wait();
  }

  wake(): void {
    this.#changed.wake();
  }

  /** Something was written. What comes within a while after a look is looked at together. */
  note(): void {
    if (this.#isDueLater) return;
    const { clock, crowd } = this.#deps;
    const left = this.#looked + crowd.pace - clock.monotonic();
    if (left <= 0) return this.#look();
    this.#isDueLater = true;
    void crowd.step(left).then(() => {
      this.#isDueLater = false;
      this.#look();
    });
  }

  #look(): void {
    this.#looked = this.#deps.clock.monotonic();
    this.wake();
  }
}
