/**
 * What memory knows of rivals in a scope: commits under a log and generation of which another one is held. Of them the control
 * ops are kept, by the commit's digest: others may have built on them before anybody knew of both.
 */

import type { LogNumber } from "../records/index.ts";
import type { Awaits } from "./aside.ts";
import { RIVALS_WAITING_BYTES_MAX } from "./limits.ts";

/** A commit's part whose place is another's. */
export interface Rival {
  readonly log: LogNumber;
  readonly generation: number;
  /** Of its commit, in hex. */
  readonly digest: string;
  /** Bytes of its record. */
  readonly size: number;
  readonly isVouched: boolean;
  /** `undefined`: its control ops are in the control log. */
  readonly awaits: Awaits | undefined;
}

/** The rivals of a scope. A copy shares nothing that either changes. */
export class RivalIndex {
  readonly #rivals: Map<string, Rival>;
  #waitingBytes: number;

  constructor(from?: RivalIndex) {
    this.#rivals = new Map(from === undefined ? undefined : from.#rivals);
    this.#waitingBytes = from === undefined ? 0 : from.#waitingBytes;
  }

  get size(): number {
    return this.#rivals.size;
  }

  get(log: LogNumber, generation: number, digest: string): Rival | undefined {
    return this.#rivals.get(rivalText({ log, generation, digest }));
  }

  /** Those whose control ops are in the control log, or are not. */
  *all(isHeld: boolean): Generator<Rival, void, undefined> {
    for (const rival of this.#rivals.values())
      if ((rival.awaits === undefined) === isHeld) yield rival;
  }

  /** Whether there is room for `bytes` of one that has to wait. */
  hasRoom(bytes: number): boolean {
    return this.#waitingBytes + bytes <= RIVALS_WAITING_BYTES_MAX;
  }

  put(rival: Rival): void {
    const text = rivalText(rival);
    this.#waitingBytes += chargeOf(rival) - chargeOf(this.#rivals.get(text));
    this.#rivals.set(text, rival);
  }
}

/** A rival's name among those of its scope. */
export function rivalText({
  log,
  generation,
  digest,
}: Pick<Rival, "log" | "generation" | "digest">): string {
  return `${log} ${generation} ${digest}`;
}

function chargeOf(rival: Rival | undefined): number {
  return rival?.awaits === undefined ? 0 : rival.size;
}
