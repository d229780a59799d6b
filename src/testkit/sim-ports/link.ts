import { assert } from "../../base/index.ts";
import type { MemoryCarrier } from "../../net/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { Scheduler } from "./scheduler.ts";

/** One direction between two devices: shared by all connections and streams that run along it. */
export class LinkState {
  readonly #random: SeededRandom;
  readonly #scheduler: Scheduler;
  /** How many block it: partitions overlap. */
  #blocks = 0;
  #held: (() => void)[] = [];
  /** Milliseconds for one way at least. */
  latencyMs = 1;
  /** Milliseconds more at most, drawn for each piece: streams overtake each other by it. */
  spreadMs = 4;
  /** Bytes that get through in a millisecond. */
  bytesPerMs = 12_500;

  constructor({ random, scheduler }: { random: SeededRandom; scheduler: Scheduler }) {
    this.#random = random;
    this.#scheduler = scheduler;
  }

  get isBlocked(): boolean {
    return this.#blocks > 0;
  }

  get scheduler(): Scheduler {
    return this.#scheduler;
  }

  /** Milliseconds for the next piece. */
  draw(bytes = 0): number {
    const spread = this.spreadMs > 0 ? this.#random.below(1024 * this.spreadMs) / 1024 : 0;
    return this.latencyMs + spread + bytes / this.bytesPerMs;
  }

  /** A length from 1 to `most`: often all of it. */
  piece(most: number): number {
    return most > 1 && this.#random.chance(0.1) ? 1 + this.#random.below(most) : most;
  }

  block(): void {
    this.#blocks += 1;
  }

  /** Takes back one `block`; after the last what was held goes on, in the order in which it was held. */
  unblock(): void {
    assert(this.#blocks > 0, "what is unblocked is blocked");
    this.#blocks -= 1;
    if (this.isBlocked) return;
    const held = this.#held;
    this.#held = [];
    for (const arrive of held) this.#scheduler.after(this.draw(), "net.held", arrive);
  }

  /** Calls `arrive` when the link is open: at once if it is now. */
  pass(arrive: () => void): void {
    if (this.isBlocked) this.#held.push(arrive);
    else arrive();
  }
}

/** What a lane asks of the two ends of its connection. */
export interface LaneEnds {
  /** Whether the sender's end is over: it hands over nothing more. What is under way still arrives. */
  readonly isClosed: () => boolean;
  /** Whether the receiver's end is over: nothing arrives there any more. */
  readonly isLost: () => boolean;
}

/** One direction of one stream, or of a connection's own words. First in, first out, apart from all others. */
export class Lane implements MemoryCarrier {
  readonly #link: LinkState;
  readonly #label: string;
  readonly #ends: LaneEnds;
  #queue: (() => void)[] = [];
  #due = 0;
  #piece = 0;
  #left: number | undefined;
  #onCut: (() => void) | undefined;

  constructor(link: LinkState, label: string, ends: LaneEnds) {
    this.#link = link;
    this.#label = label;
    this.#ends = ends;
  }

  carry(deliver: () => void): void {
    if (this.#ends.isClosed()) return;
    const { scheduler } = this.#link;
    this.#queue.push(deliver);
    this.#due = Math.max(this.#due, scheduler.now + this.#link.draw(this.#piece));
    this.#piece = 0;
    if (this.#left === 0) {
      this.#left = undefined;
      const onCut = this.#onCut;
      if (onCut !== undefined) this.#queue.push(() => this.#cut(onCut));
      scheduler.at(this.#due, this.#label, () => this.#arrive());
    }
    scheduler.at(this.#due, this.#label, () => this.#arrive());
  }

  pieceOf(length: number): number {
    let piece = this.#link.piece(length);
    if (this.#left !== undefined) {
      piece = Math.min(piece, this.#left);
      this.#left -= piece;
    }
    this.#piece = piece;
    return piece;
  }

  /** Calls `onCut` when `bytes` more (at least 1) have got through, and before anything after them does. */
  cutAfter(bytes: number, onCut: () => void): void {
    this.#left = bytes;
    this.#onCut = onCut;
  }

  #cut(onCut: () => void): void {
    this.#queue = [];
    onCut();
  }

  #arrive(): void {
    this.#link.pass(() => {
      const deliver = this.#queue.shift();
      if (!this.#ends.isLost()) deliver?.();
    });
  }
}
