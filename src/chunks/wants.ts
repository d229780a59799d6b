import type { Clock } from "../base/index.ts";
import { nameText } from "./chunk-index.ts";
import type { ChunkName } from "./kind.ts";
import { WANTS_MAX } from "./limits.ts";

/** Who asks for chunks: any object, told from others by identity. */
export type WantSource = object;

interface Claim {
  readonly text: string;
  readonly source: WantSource;
  /** When another source may take it over, by the clock's monotonic time. */
  lateAt: number;
  readonly freed: PromiseWithResolvers<void>;
}

/** What stands between a chunk and a claim of it. */
interface Obstacle {
  readonly lateAt: number;
  readonly freed: PromiseWithResolvers<void>;
}

/**
 * Who is asking for which chunk, for the whole process: what one way of replication has asked for, another does not. In
 * memory only: a claim is worth nothing to a process that has died.
 *
 * Whoever claims a chunk says `stored` when it is durable, `release` when it will not come, and loses the claim to the next
 * who asks when neither has happened in time.
 */
export class Wants {
  readonly #clock: Clock;
  readonly #claims = new Map<string, Claim>();
  readonly #claimsOf = new Map<WantSource, Set<Claim>>();
  /** Not later than when the first of all claims is late. */
  #nextLateAt = Number.POSITIVE_INFINITY;
  #room = Promise.withResolvers<void>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** Claims there are, late ones included. */
  get size(): number {
    return this.#claims.size;
  }

  /**
   * Whether `source` is to ask for the chunk: nobody else does, or has been late. Its own claim is renewed. False also when
   * `WANTS_MAX` chunks are claimed. `lateMs`: milliseconds after which another may.
   */
  claim(chunk: ChunkName, source: WantSource, lateMs: number): boolean {
    const text = nameText(chunk);
    const now = this.#clock.monotonic();
    const claim = this.#claims.get(text);
    if (claim !== undefined && claim.source !== source && now < claim.lateAt) return false;
    if (claim !== undefined) this.#free(claim);
    if (this.#isFull(now)) return false;
    const made = { text, source, lateAt: now + lateMs, freed: Promise.withResolvers<void>() };
    this.#claims.set(text, made);
    this.#nextLateAt = Math.min(this.#nextLateAt, made.lateAt);
    const own = this.#claimsOf.get(source);
    if (own === undefined) this.#claimsOf.set(source, new Set([made]));
    else own.add(made);
    return true;
  }

  /** Whether `source` has the claim, late or not. */
  isClaimedBy(chunk: ChunkName, source: WantSource): boolean {
    return this.#claims.get(nameText(chunk))?.source === source;
  }

  /** Gives up the source's claim of a chunk, or all its claims. Those of others stay. */
  release(source: WantSource, chunk?: ChunkName): void {
    if (chunk === undefined) {
      for (const claim of this.#claimsOf.get(source) ?? []) this.#free(claim);
      return;
    }
    const claim = this.#claims.get(nameText(chunk));
    if (claim?.source === source) this.#free(claim);
  }

  /** The chunk is here: whoever claims it need not ask any more. */
  stored(chunk: ChunkName): void {
    const claim = this.#claims.get(nameText(chunk));
    if (claim !== undefined) this.#free(claim);
  }

  /**
   * Resolves when the chunk can be claimed: it was stored, released or is late; look whether it is here. At once when
   * nobody has it. Rejects with the signal's reason.
   */
  async freed(chunk: ChunkName, signal?: AbortSignal): Promise<void> {
    const text = nameText(chunk);
    for (;;) {
      signal?.throwIfAborted();
      const obstacle = this.#obstacle(text);
      if (obstacle === undefined) return;
      await this.#gone(obstacle, signal);
    }
  }

  #obstacle(text: string): Obstacle | undefined {
    const now = this.#clock.monotonic();
    const claim = this.#claims.get(text);
    if (claim !== undefined) return now < claim.lateAt ? claim : undefined;
    if (!this.#isFull(now)) return undefined;
    return { lateAt: this.#nextLateAt, freed: this.#room };
  }

  async #gone({ lateAt, freed }: Obstacle, signal: AbortSignal | undefined): Promise<void> {
    const over = new AbortController();
    const ends = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
    try {
      const late = this.#clock.sleep(lateAt - this.#clock.monotonic(), ends);
      await Promise.race([freed.promise, late]);
    } finally {
      over.abort();
    }
  }

  /** Whether there is no place, once late claims have made theirs. */
  #isFull(now: number): boolean {
    if (this.#claims.size < WANTS_MAX) return false;
    if (now >= this.#nextLateAt) {
      this.#nextLateAt = Number.POSITIVE_INFINITY;
      for (const claim of this.#claims.values()) {
        if (claim.lateAt <= now) this.#free(claim);
        else this.#nextLateAt = Math.min(this.#nextLateAt, claim.lateAt);
      }
    }
    return this.#claims.size >= WANTS_MAX;
  }

  #free(claim: Claim): void {
    this.#claims.delete(claim.text);
    const own = this.#claimsOf.get(claim.source);
    own?.delete(claim);
    if (own?.size === 0) this.#claimsOf.delete(claim.source);
    claim.freed.resolve();
    const room = this.#room;
    this.#room = Promise.withResolvers();
    room.resolve();
  }
}
