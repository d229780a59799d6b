import { INTERVALS_MAX } from "./limits.ts";

/** Numbers from `first` to `last`, both included. */
export interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

/** Numbers that are not in a set yet; without `last` all from `first` on. */
export interface Gap {
  readonly first: bigint;
  readonly last: bigint | undefined;
}

/**
 * A set of numbers from a lowest one on, as ascending intervals that neither overlap nor touch: which of a peer's BinIDs are done.
 * Never changed; `with` answers another. [PS30]
 */
export class Intervals {
  readonly ranges: readonly Interval[];
  readonly lowest: bigint;

  private constructor(ranges: readonly Interval[], lowest: bigint) {
    this.ranges = ranges;
    this.lowest = lowest;
  }

  /** The set with nothing in it. BinIDs begin at 1. */
  static empty(lowest = 1n): Intervals {
    return new Intervals([], lowest);
  }

  /** The set of what these cover, in whatever order. */
  static of(ranges: Iterable<Interval>, lowest = 1n): Intervals {
    let set = Intervals.empty(lowest);
    for (const { first, last } of ranges) set = set.with(first, last);
    return set;
  }

  /** This set and the numbers from `first` to `last`; those below the lowest do not count. */
  with(first: bigint, last: bigint): Intervals {
    const from = first < this.lowest ? this.lowest : first;
    if (last < from) return this;
    const below = this.ranges.filter((range) => range.last + 1n < from);
    const above = this.ranges.filter((range) => range.first > last + 1n);
    const touched = this.ranges.slice(below.length, this.ranges.length - above.length);
    const joined = {
      first: least(from, touched[0]?.first),
      last: greatest(last, touched.at(-1)?.last),
    };
    // What does not fit is not done: it is asked for again.
    const ranges = [...below, joined, ...above].slice(0, INTERVALS_MAX);
    return new Intervals(ranges, this.lowest);
  }

  /** This set and another. */
  union(other: Intervals): Intervals {
    return Intervals.of([...this.ranges, ...other.ranges], this.lowest);
  }

  /** The first gap; with a ceiling only what of it is not above that, `undefined` when nothing is. */
  gap(ceiling?: bigint): Gap | undefined {
    const [head, next] = this.ranges;
    const begins = head !== undefined && head.first === this.lowest;
    const first = begins ? head.last + 1n : this.lowest;
    const end = begins ? next?.first : head?.first;
    const last = end === undefined ? ceiling : least(end - 1n, ceiling);
    return last !== undefined && last < first ? undefined : { first, last };
  }

  /** The greatest number in it; 0 when there is none. */
  get last(): bigint {
    return this.ranges.at(-1)?.last ?? 0n;
  }

  /** How many numbers up to `ceiling` are in it. */
  countTo(ceiling: bigint): bigint {
    let count = 0n;
    for (const { first, last } of this.ranges) {
      const end = least(last, ceiling);
      if (end >= first) count += end - first + 1n;
    }
    return count;
  }

  has(number: bigint): boolean {
    return this.ranges.some(({ first, last }) => first <= number && number <= last);
  }
}

function least(a: bigint, b: bigint | undefined): bigint {
  return b === undefined || a < b ? a : b;
}

function greatest(a: bigint, b: bigint | undefined): bigint {
  return b === undefined || a > b ? a : b;
}
