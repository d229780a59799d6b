import type { Clock, Random } from "../base/index.ts";
import type { MemoryCarrier } from "./memory-pipe.ts";

/** What all links of a memory network share. Read anew for each piece, so that it may change while they are open. */
export interface MemoryWeather {
  readonly clock: Clock;
  /** Where given, bytes travel in pieces of chance sizes. */
  readonly random: Random | undefined;
  /** From one side to the other. 0: at once. */
  latencyMs: number;
}

/** What runs between two connected devices, in both directions, until it is cut. */
export class MemoryLink {
  readonly #weather: MemoryWeather;
  readonly #cut = new AbortController();
  /** From the device that dialled to the one that was dialled. */
  readonly there: MemoryCarrier;
  readonly back: MemoryCarrier;

  constructor(weather: MemoryWeather) {
    this.#weather = weather;
    this.there = new MemoryLane(weather, this.#cut.signal);
    this.back = new MemoryLane(weather, this.#cut.signal);
  }

  /** Loses all that is under way and carries nothing more. */
  cut(): void {
    this.#cut.abort();
  }

  /** Resolves when a message has gone one way and its answer the other. */
  async roundTrip(signal: AbortSignal): Promise<void> {
    if (this.#weather.latencyMs > 0)
      await this.#weather.clock.sleep(2 * this.#weather.latencyMs, signal);
  }
}

/** One direction of a link. First in, first out, whatever the latency does meanwhile. */
class MemoryLane implements MemoryCarrier {
  readonly #weather: MemoryWeather;
  readonly #cut: AbortSignal;
  #underWay = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(weather: MemoryWeather, cut: AbortSignal) {
    this.#weather = weather;
    this.#cut = cut;
  }

  carry(deliver: () => void): void {
    if (this.#cut.aborted) return;
    const { clock, latencyMs } = this.#weather;
    if (latencyMs === 0 && this.#underWay === 0) {
      deliver();
      return;
    }
    this.#underWay++;
    // The failure of a sleep that the cut ends is waited for at once, so that it is never unhandled.
    const crossing = clock.sleep(latencyMs, this.#cut).catch(() => {});
    this.#last = this.#last.then(() => crossing).then(() => this.#arrive(deliver));
  }

  #arrive(deliver: () => void): void {
    this.#underWay--;
    if (!this.#cut.aborted) deliver();
  }

  pieceOf(length: number): number {
    const { random } = this.#weather;
    if (random === undefined) return length;
    const [high = 0, low = 0] = random.bytes(2);
    return 1 + ((high * 256 + low) % length);
  }
}
