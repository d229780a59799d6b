/** What is sent of scopes, cut into pages. */

import { assert, type GenVector, generationIn, type LogKey, type ScopeId } from "../base/index.ts";
import { type CommitPart, partSize, type ScopeState, type ServedPart } from "../history/index.ts";
import type { DeltaResponseSchema, MessageInitShape, WirePart } from "../wire/index.ts";
import { DELTA_FRAME_BYTES, FRAME_VECTOR_ENTRIES_MAX, PAGE_BYTES_MAX } from "./limits.ts";
import { claimToWire, FrameFiller } from "./page.ts";

/** One scope as it was asked for, and what the initiator has of it by now. */
export interface AskedScope {
  readonly id: ScopeId;
  /** What the initiator said that it has. */
  readonly asked: GenVector;
  /** Over the control heads that it knows; empty: it has not said. */
  readonly controlSum: Uint8Array;
  /** The parts that it was sent without their rows, by place. */
  readonly loose: Set<string>;
  /** Whether all of its control ops are still to be sent, known or not. */
  controls: boolean;
  /** Whether it is sent all above that, also what it is known to hold. */
  readonly isWhole: boolean;
  readonly sent: Map<LogKey, number>;
  /** What `sent` was before it was raised by what the initiator has claimed elsewhere, by log. */
  readonly assumed: Map<LogKey, number>;
  /** The knowledge that was sent last: the same object means nothing new. */
  numbers: ScopeState["numbers"] | undefined;
}

/** Sends a frame of these parts; `pageEnd`: what it says of the page that ends with it. */
export type SendFrame = (
  parts: readonly WirePart[],
  pageEnd?: MessageInitShape<typeof DeltaResponseSchema>["pageEnd"],
) => Promise<void>;

/**
 * Frames of one answer. A frame is a page as soon as it is full, unless a commit of which a part is in the page has
 * another one to come: then the page goes on over more frames, as far as `PAGE_BYTES_MAX`. [SY8]
 */
export class Page {
  readonly #filler = new FrameFiller();
  readonly #send: SendFrame;
  readonly #claims = new Map<AskedScope, Map<LogKey, number>>();
  #claimCount = 0;
  #bytes = 0;
  #isWhole = true;

  constructor(send: SendFrame) {
    this.#send = send;
  }

  async add(
    scope: AskedScope,
    { part, generation, isWhole }: ServedPart,
    log: LogKey,
  ): Promise<void> {
    const size = partSize(part);
    const isFull = this.#filler.size + size > DELTA_FRAME_BYTES;
    const isOver = this.#bytes + size > PAGE_BYTES_MAX;
    if (this.#bytes > 0 && ((isFull && this.#isWhole) || isOver)) await this.end();
    for (const frame of this.#filler.add(part)) await this.#send(frame);
    this.#bytes += size;
    this.#isWhole = isWhole;
    await this.#claim(scope, log, generation);
  }

  /** Everything of the scope up to `until` has been sent, or there is nothing to send of it. */
  async claimAll(scope: AskedScope, until: GenVector): Promise<void> {
    for (const [log, generation] of until) {
      if (generation <= generationIn(scope.sent, log)) continue;
      await this.#claim(scope, log, generation);
    }
  }

  /** Sends what is left with the claims that it allows. */
  async end(): Promise<void> {
    if (this.#claims.size === 0) {
      assert(this.#bytes === 0, "what is sent is claimed");
      return;
    }
    const vectors = Array.from(this.#claims, ([scope, vector]) =>
      claimToWire({ scope: scope.id, vector }),
    );
    this.#claims.clear();
    this.#claimCount = 0;
    this.#bytes = 0;
    await this.#send(this.#filler.take(), { vectors });
  }

  /** Sends parts without their rows: pages of their own, which claim nothing. [SY8] */
  async addLoose(parts: readonly CommitPart[]): Promise<void> {
    await this.end();
    for (const part of parts) {
      if (this.#filler.size > 0 && this.#filler.size + partSize(part) > DELTA_FRAME_BYTES)
        await this.#endLoose();
      for (const frame of this.#filler.add(part)) await this.#send(frame);
    }
    await this.#endLoose();
  }

  async #endLoose(): Promise<void> {
    await this.#send(this.#filler.take(), { loose: true });
  }

  /** Notes what the page's end may claim; ends it when it can claim no more. */
  async #claim(scope: AskedScope, log: LogKey, generation: number): Promise<void> {
    let claims = this.#claims.get(scope);
    if (claims === undefined) this.#claims.set(scope, (claims = new Map<LogKey, number>()));
    if (!claims.has(log)) this.#claimCount += 1;
    claims.set(log, generation);
    scope.sent.set(log, generation);
    if (this.#claimCount >= FRAME_VECTOR_ENTRIES_MAX) await this.end();
  }
}
