import { assert } from "./assert.ts";
import { CLOCK_AHEAD_MS_MAX } from "./limits.ts";
import type { Clock } from "./ports.ts";

/** Bits of a timestamp that count events within a millisecond. */
const COUNTER_BITS = 16n;
/** Greatest timestamp: 64 bits. */
const TIMESTAMP_MAX = 2n ** 64n - 1n;
/** Greatest milliseconds: 48 bits, the year 10889. */
const MILLIS_MAX = 2 ** 48 - 1;

/** Milliseconds since 1970 in a timestamp. */
export function timestampMillis(timestamp: bigint): number {
  return Number(timestamp >> COUNTER_BITS);
}

/** The first timestamp of a millisecond. @throws {RangeError} for what is no number of 48 bits. */
export function timestampOf(millis: number): bigint {
  if (!isTime(millis)) throw new RangeError("A timestamp has 48 bits of milliseconds");
  return BigInt(Math.floor(millis)) << COUNTER_BITS;
}

function isTime(millis: number): boolean {
  return millis >= 0 && Math.floor(millis) <= MILLIS_MAX;
}

/** What an observed timestamp did to ours. `tooFarAhead` is worth telling the operator: somebody's clock is wrong. */
export type Observation = "advanced" | "behind" | "tooFarAhead";

/**
 * A hybrid logical clock (Kulkarni et al., *Logical Physical Clocks*, 2014): timestamps near the wall clock that never
 * decrease and follow all that was observed, however the wall clock jumps. 48 bits of milliseconds, 16 of counter.
 * [BA7] [BA8] [BA9]
 */
export class HybridClock {
  readonly #clock: Pick<Clock, "now">;
  #last: bigint;

  /** `initial`: the last timestamp given out or observed before, or 0. */
  constructor(deps: { readonly clock: Pick<Clock, "now"> }, initial: bigint) {
    assert(initial >= 0n && initial <= TIMESTAMP_MAX, "a timestamp has 64 bits");
    this.#clock = deps.clock;
    this.#last = initial;
  }

  /** The greatest timestamp given out or followed so far. */
  get last(): bigint {
    return this.#last;
  }

  /** Whether it has run more than `CLOCK_AHEAD_MS_MAX` ahead of `now`, milliseconds since 1970. */
  isAheadOf(now: number): boolean {
    return timestampMillis(this.#last) > now + CLOCK_AHEAD_MS_MAX;
  }

  /** One over the same wall clock that has given out or observed `initial` last, by default nothing: for a new log. */
  restarted(initial = 0n): HybridClock {
    return new HybridClock({ clock: this.#clock }, initial);
  }

  /** A timestamp greater than all before. A full counter carries into the milliseconds. */
  next(): bigint {
    const wall = timestampOf(this.#now());
    const next = wall > this.#last ? wall : this.#last + 1n;
    assert(next <= TIMESTAMP_MAX, "timestamps have not run out");
    this.#last = next;
    return next;
  }

  /** Follows a peer's timestamp, unless it is more than `CLOCK_AHEAD_MS_MAX` ahead of our clock. */
  observe(remote: bigint): Observation {
    if (remote <= this.#last) return "behind";
    assert(remote <= TIMESTAMP_MAX, "a timestamp has 64 bits");
    if (timestampMillis(remote) > this.#now() + CLOCK_AHEAD_MS_MAX) return "tooFarAhead";
    this.#last = remote;
    return "advanced";
  }

  /** The clock, which may be an estimate of true time; 1970 when it says what no timestamp holds, so that such a clock neither leads nor vouches. */
  #now(): number {
    const now = this.#clock.now();
    return isTime(now) ? now : 0;
  }
}
