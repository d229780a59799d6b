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

/** The first timestamp of a millisecond. Milliseconds outside 48 bits are taken as the nearest within. */
export function timestampOf(millis: number): bigint {
  return BigInt(Math.min(Math.max(Math.floor(millis), 0), MILLIS_MAX)) << COUNTER_BITS;
}

/** What an observed timestamp did. */
export type Observation = "advanced" | "behind" | "tooFarAhead";

/**
 * A hybrid logical clock (Kulkarni et al., *Logical Physical Clocks*, 2014): timestamps near the wall clock that never
 * decrease and follow all that was observed, however the wall clock jumps. 48 bits of milliseconds, 16 of counter.
 * [BA7] [BA8] [BA9]
 */
export class HybridClock {
  readonly #clock: Clock;
  #last: bigint;

  /** `initial`: the last timestamp given out or observed before, or 0. */
  constructor(deps: { readonly clock: Clock }, initial: bigint) {
    assert(initial >= 0n && initial <= TIMESTAMP_MAX, "a timestamp has 64 bits");
    this.#clock = deps.clock;
    this.#last = initial;
  }

  /** The greatest timestamp given out or followed so far. */
  get last(): bigint {
    return this.#last;
  }

  /** A timestamp greater than all before. A full counter carries into the milliseconds. */
  next(): bigint {
    const wall = timestampOf(this.#clock.now());
    const next = wall > this.#last ? wall : this.#last + 1n;
    assert(next <= TIMESTAMP_MAX, "timestamps have not run out");
    this.#last = next;
    return next;
  }

  /** Follows a peer's timestamp, unless it is more than `CLOCK_AHEAD_MS_MAX` ahead of our wall clock. */
  observe(remote: bigint): Observation {
    if (remote <= this.#last) return "behind";
    if (timestampMillis(remote) > this.#clock.now() + CLOCK_AHEAD_MS_MAX) return "tooFarAhead";
    this.#last = remote;
    return "advanced";
  }
}
