import type { Clock } from "../base/index.ts";
import { Wakeup } from "../net/index.ts";
import type { Crowd } from "./crowd.ts";

export interface NewsDeps {
  readonly clock: Clock;
  readonly crowd: Pick<Crowd, "pace">;
  /** Aborted when the stream has ended. */
  readonly ended: AbortSignal;
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
    const { clock, crowd, ended } = this.#deps;
    const now = clock.monotonic();
    const left = this.#looked + crowd.pace - now;
    if (left <= 0) {
      this.#looked = now;
      this.wake();
      return;
    }
    this.#isDueLater = true;
    clock.sleep(left, ended).then(
      () => {
        this.#isDueLater = false;
        this.#looked = clock.monotonic();
        this.wake();
      },
      () => {}, // The stream has ended.
    );
  }
}
