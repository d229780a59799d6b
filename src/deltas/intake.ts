/**
 * From frames to store writes: what one stream has received and not written yet. A small catch-up is one write, visible
 * at once; a larger one is written page by page, the next page being read meanwhile.
 */

import {
  type Crypto,
  type DeviceId,
  type LogKey,
  type ScopeKey,
  scopeKeyOf,
  type ScopeId,
} from "../base/index.ts";
import { FRAME_BYTES_MAX } from "../base/index.ts";
import type { CommitPart, Delivery, History, PreparedPart, Receipt } from "../history/index.ts";
import type { PageBudget } from "./budget.ts";
import type { Crowd } from "./crowd.ts";
import {
  CATCH_UP_AT_ONCE_BYTES,
  CATCH_UP_AT_ONCE_OPS,
  GATHERED_BYTES_MAX,
  GATHERED_OPS_MAX,
  PAGE_BYTES_MAX,
  PAGES_TOGETHER_BYTES,
  PAGES_IN_FLIGHT_MAX,
} from "./limits.ts";
import type { ScopeClaim } from "./page.ts";

export interface IntakeDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly budget: PageBudget;
  readonly crowd: Pick<Crowd, "gathered">;
}

/** What a delivery came to, and the control heads of its scopes before it. */
export type Took = (receipt: Receipt, headsBefore: ReadonlyMap<ScopeKey, string>) => void;

/** Bytes that a page which goes on over several frames may come to: the last may be as large as a frame. */
export const LARGE_PAGE_BYTES = PAGE_BYTES_MAX + FRAME_BYTES_MAX;

/** How a page is to be written. */
export interface PageOptions {
  /** Now, since nothing more is to come of a catch-up. */
  readonly isLive: boolean;
  /** Whether it holds control ops alone, which nothing claims. */
  readonly isLoose: boolean;
  /** Scopes of which what is known is looked through for what is lacking. */
  readonly restores: ReadonlySet<ScopeKey>;
  /** Whether all of a log is asked for, known or not. */
  readonly isFromStart: NonNullable<Delivery["isFromStart"]>;
}

export class Intake {
  readonly #deps: IntakeDeps;
  readonly #from: DeviceId;
  readonly #database: string;
  readonly #took: Took;
  readonly #onFailure: () => void;
  readonly #stopRelief: () => void;
  readonly #inFlight = new Set<Promise<void>>();
  /** Of these, those that the store is not at work on yet, each until it is. */
  readonly #unwritten = new Set<Promise<void>>();
  #parts: PreparedPart[] = [];
  /** Parts that bring control ops alone. */
  #loose: PreparedPart[] = [];
  #claims = new Map<ScopeKey, { readonly scope: ScopeId; readonly vector: Map<LogKey, number> }>();
  #asked: Delivery["asked"] = new Set();
  #restores: ReadonlySet<ScopeKey> = new Set();
  #isFromStart: PageOptions["isFromStart"] = () => false;
  /** The last generation that waits, by log and scope. */
  #last = new Map<string, number>();
  /** Parts that a page's end has claimed, of all that wait. */
  #ended = 0;
  #ops = 0;
  #bytes = 0;
  /** Bytes taken from the budget for what waits. */
  #held = 0;
  #holdsLarge = false;
  /** Until what came last has been gathered. */
  #gathered: Promise<void> | undefined;
  /** Whether what waits is written as soon as a write under way has ended. */
  #followsWrite = false;
  #failure: { readonly error: unknown } | undefined;

  /** `onFailure`: called when a write failed that nobody may be waiting for. */
  constructor(
    deps: IntakeDeps,
    from: DeviceId,
    database: string,
    took: Took,
    onFailure: () => void,
  ) {
    this.#deps = deps;
    this.#from = from;
    this.#database = database;
    this.#took = took;
    this.#onFailure = onFailure;
    // A peer that sends half of a small catch-up and then nothing must not hold up all others.
    this.#stopRelief = deps.budget.onShort(() => this.#writeEnded());
  }

  /** What a page under way failed with, if one did. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /**
   * Waits until the process may hold another frame. `goesOn`: it continues a page that an earlier one began. Rejects when
   * `signal` aborts.
   */
  async hold(bytes: number, goesOn: boolean, signal: AbortSignal): Promise<void> {
    const { frames, largeParts } = this.#deps.budget;
    if (goesOn) {
      if (this.#holdsLarge) return;
      await largeParts.take(LARGE_PAGE_BYTES, signal);
      this.#holdsLarge = true;
      return;
    }
    // Others may wait for what this stream only gathers.
    if (!frames.has(bytes)) await this.flush();
    await frames.take(bytes, signal);
    this.#held += bytes;
    this.#bytes += bytes;
  }

  /** Whether the page under way has a part of a commit of several: others of it may be on their way. */
  get mayLackParts(): boolean {
    return this.#parts.slice(this.#ended).some(({ partCount }) => partCount > 1);
  }

  /** Takes whole parts apart. @throws a coded error: the peer is at fault. */
  add(parts: readonly CommitPart[]): void {
    for (const part of parts) {
      const prepared = this.#deps.history.prepare(part);
      const place = `${prepared.log} ${prepared.scopeKey}`;
      // The answer to a later request begins again where that one was: what came before it is a delivery of its own.
      const isAgain = prepared.generation <= (this.#last.get(place) ?? 0);
      if (isAgain && this.#ended > 0) this.#writeEnded();
      this.#last.set(place, prepared.generation);
      this.#parts.push(prepared);
      this.#ops += part.ops.length;
    }
  }

  /** All that waits may be written, with these claims. `isLive`: do so now. */
  async endPage(
    claims: readonly ScopeClaim[],
    asked: ReadonlyMap<ScopeKey, ScopeId>,
    { isLive, isLoose, restores, isFromStart }: PageOptions,
  ): Promise<void> {
    for (const claim of claims) this.#claim(claim);
    if (isLoose) this.#loose.push(...this.#parts.splice(this.#ended));
    this.#asked = new Set(asked.keys());
    this.#ended = this.#parts.length;
    this.#restores = restores;
    this.#isFromStart = isFromStart;
    const isLarge = this.#ops >= CATCH_UP_AT_ONCE_OPS || this.#bytes >= CATCH_UP_AT_ONCE_BYTES;
    if (!isLive && !isLarge && !this.#holdsLarge) return;
    // What comes while the disk is at work is one write, with one sync.
    const hasRoom = this.#bytes < PAGES_TOGETHER_BYTES && !this.#holdsLarge;
    this.#followsWrite = !isLive && hasRoom && this.#inFlight.size > 0;
    if (this.#followsWrite) return;
    this.#writeEnded();
    // The next page is taken apart while the store is at work, which leaves this thread idle.
    while (this.#unwritten.size >= PAGES_IN_FLIGHT_MAX || this.#inFlight.size > PAGES_IN_FLIGHT_MAX)
      await Promise.race([...this.#unwritten, ...this.#inFlight]);
    this.#throwFailure();
  }

  /** Resolves when all pages that have ended are durable. */
  async flush(): Promise<void> {
    this.#writeEnded();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  /** Waits for writes under way, drops what has no page's end, gives everything back. */
  async close(): Promise<void> {
    this.#stopRelief();
    this.#followsWrite = false;
    await Promise.all(this.#inFlight);
    this.#giveBack(this.#held, this.#holdsLarge);
    this.#held = 0;
    this.#holdsLarge = false;
    this.#parts = [];
    this.#loose = [];
  }

  #claim({ scope, vector }: ScopeClaim): void {
    const key = scopeKeyOf(scope);
    let claim = this.#claims.get(key);
    if (claim === undefined) this.#claims.set(key, (claim = { scope, vector: new Map() }));
    for (const [log, generation] of vector)
      claim.vector.set(log, Math.max(generation, claim.vector.get(log) ?? 0));
  }

  #writeEnded(): void {
    if (this.#ended + this.#loose.length + this.#claims.size > 0) return this.#write();
    if (this.#parts.length > 0) return;
    // Nothing came of what was held.
    this.#giveBack(this.#held, this.#holdsLarge);
    this.#held = 0;
    this.#bytes = 0;
    this.#holdsLarge = false;
  }

  #write(): void {
    const { promise: unwritten, resolve: noteWriting } = Promise.withResolvers<void>();
    const onWriting = (): void => {
      this.#unwritten.delete(unwritten);
      noteWriting();
    };
    this.#unwritten.add(unwritten);
    const delivery: Delivery = {
      from: this.#from,
      asked: this.#asked,
      parts: this.#parts.splice(0, this.#ended),
      loose: this.#loose.splice(0),
      claims: [...this.#claims.values()],
      isFromStart: fromStartOf(this.#restores, this.#isFromStart),
      onWriting,
    };
    const [held, holdsLarge] = [this.#held, this.#holdsLarge];
    const isSmall = this.#ops <= GATHERED_OPS_MAX && held <= GATHERED_BYTES_MAX && !holdsLarge;
    this.#claims = new Map();
    if (this.#parts.length === 0) this.#last = new Map();
    this.#ended = 0;
    this.#ops = 0;
    this.#bytes = 0;
    this.#held = 0;
    this.#holdsLarge = false;
    this.#followsWrite = false;
    const written = this.#receive(delivery, isSmall).finally(() => {
      onWriting();
      this.#giveBack(held, holdsLarge);
      this.#inFlight.delete(written);
      if (this.#followsWrite && this.#failure === undefined) this.#writeEnded();
    });
    this.#inFlight.add(written);
  }

  async #receive(delivery: Delivery, isSmall: boolean): Promise<void> {
    const { history, crowd } = this.#deps;
    const restores = this.#restores;
    try {
      // What is large is worth a write of its own, after what came before it.
      if (isSmall) this.#gathered = crowd.gathered();
      await this.#gathered;
      const heads = new Map(
        delivery.claims.map(({ scope }) => [scopeKeyOf(scope), controlHeads(history, scope)]),
      );
      this.#took(await history.receive(this.#database, delivery), heads);
      const known = delivery.parts.filter(({ scopeKey }) => restores.has(scopeKey));
      if (known.length > 0) await history.restore(this.#database, known);
    } catch (error) {
      this.#failure ??= { error };
      this.#onFailure();
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #giveBack(held: number, holdsLarge: boolean): void {
    if (held > 0) this.#deps.budget.frames.give(held);
    if (holdsLarge) this.#deps.budget.largeParts.give(LARGE_PAGE_BYTES);
  }
}

/** Where a scope is asked for from scratch, so are all of its logs. */
function fromStartOf(
  restores: ReadonlySet<ScopeKey>,
  isFromStart: PageOptions["isFromStart"],
): PageOptions["isFromStart"] {
  return (scope, log) => restores.has(scope) || isFromStart(scope, log);
}

/** The heads of a scope's control log, as one text: another text when it has grown. */
export function controlHeads(history: History, scope: ScopeId): string {
  return history.scope(scope)?.access.heads.join(" ") ?? "";
}
