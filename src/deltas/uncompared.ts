import type { Clock } from "../base/index.ts";
import type { DeltaMode } from "../wire/index.ts";
import type { Crowd } from "./crowd.ts";
import { COMPARE_AGAIN_MS, COMPARED_AGAIN_MAX } from "./limits.ts";

/**
 * Modes of one stream in which a round has not ended alike: mostly each side had something that the other lacked. A moment later both
 * have it, and on a connection that stays nobody would hold their sums against each other. [SY114]
 */
export class Uncompared {
  readonly #clock: Clock;
  readonly #crowd: Pick<Crowd, "isCrowd">;
  readonly #ask: (mode: DeltaMode) => void;
  readonly #modes = new Set<DeltaMode>();
  #times = 0;
  #isResting = false;
  #isBusy = false;

  constructor(clock: Clock, crowd: Pick<Crowd, "isCrowd">, ask: (mode: DeltaMode) => void) {
    this.#clock = clock;
    this.#crowd = crowd;
    this.#ask = ask;
  }

  /** A round has come to its end. `ended`: of the stream, once it is open. */
  note(mode: DeltaMode, isAlike: boolean, ended: AbortSignal | undefined): void {
    if (isAlike) this.#modes.delete(mode);
    else this.#modes.add(mode);
    if (ended === undefined || this.#modes.size === 0 || this.#isResting) return;
    if (this.#times < COMPARED_AGAIN_MAX) void this.#rest(ended);
  }

  /** Rows have been left out of what was written: the peer may have come by them. However often, since a writer may do so again and again. [SY115] */
  notePartial(modes: Iterable<DeltaMode>, ended: AbortSignal | undefined): void {
    for (const mode of modes) this.#modes.add(mode);
    if (ended !== undefined && this.#modes.size > 0 && !this.#isResting) void this.#rest(ended);
  }

  /** In a crowd many bring what one has written: whoever asked meanwhile would be sent it by all of them. */
  noteWritten(): void {
    this.#isBusy = true;
  }

  async #rest(ended: AbortSignal): Promise<void> {
    this.#isResting = true;
    try {
      do {
        this.#isBusy = false;
        await this.#clock.sleep(COMPARE_AGAIN_MS * 2 ** this.#times, ended);
      } while (this.#isBusy && this.#crowd.isCrowd);
    } catch {
      return; // The stream has ended: another one begins with a round.
    }
    this.#isResting = false;
    if (this.#modes.size > 0) this.#times = Math.min(this.#times + 1, COMPARED_AGAIN_MAX);
    for (const mode of [...this.#modes]) this.#ask(mode);
  }
}
