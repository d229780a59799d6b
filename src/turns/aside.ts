/** What memory knows of a scope's parts that are held and do not count: which there are, and what their control ops wait for. */

import type { ControlId } from "../access/index.ts";
import type { LogKey } from "../base/index.ts";
import type { LogNumber } from "../records/index.ts";
import { ASIDE_LOG_BYTES_MAX, ASIDE_SCOPE_BYTES_MAX, ASIDE_SCOPE_PARTS_MAX } from "./limits.ts";

/**
 * Why the control ops of a part aside are not in the control log. A control id: it is a parent that is not held. `vouch`: they
 * came from their author alone, whose right has ended. `version`: they are of a later version. `room`: the log is full.
 */
export type Awaits = ControlId | "vouch" | "version" | "room";

/** A part aside. */
export interface AsideEntry {
  readonly generation: number;
  /** Bytes of its record. */
  readonly size: number;
  readonly isLoose: boolean;
  readonly isVouched: boolean;
  readonly hasCounted: boolean;
  /** Its rows were authored again. */
  readonly isAuthored?: boolean | undefined;
  /** `undefined`: it has no control ops, or they are in the control log. */
  readonly awaits: Awaits | undefined;
}

/** `access`: what the control log says. Otherwise what its contexts name, which does not count here yet. */
export type HeldUpBy = "access" | ReadonlyMap<LogKey, number>;

/** The parts aside of one log in one scope. */
export class AsideLog {
  readonly #entries: Map<number, AsideEntry>;
  /** Generations of the parts that are here whole, ascending: each follows the one before it, and the first what counts. */
  #whole: number[];
  /** Of the parts whose control ops are not in the control log. */
  readonly #awaiting: Set<number>;
  /** Bytes that count against the quota: what has counted here does not. */
  #bytes: number;
  /** Why the first whole part does not count; `undefined`: nobody has looked since it is the first. */
  heldUpBy: HeldUpBy | undefined;

  constructor(from?: AsideLog) {
    this.#entries = new Map(from?.entries());
    this.#whole = [...(from?.whole ?? [])];
    this.#awaiting = new Set(from?.awaiting);
    this.#bytes = from?.bytes ?? 0;
    this.heldUpBy = from?.heldUpBy;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get awaiting(): ReadonlySet<number> {
    return this.#awaiting;
  }

  get whole(): readonly number[] {
    return this.#whole;
  }

  /** The generation up to which whole parts follow on what counts; `undefined`: none does. */
  get end(): number | undefined {
    return this.#whole.at(-1);
  }

  entries(): MapIterator<[number, AsideEntry]> {
    return this.#entries.entries();
  }

  get(generation: number): AsideEntry | undefined {
    return this.#entries.get(generation);
  }

  put(entry: AsideEntry): void {
    this.delete(entry.generation);
    this.#entries.set(entry.generation, entry);
    this.#bytes += chargeOf(entry);
    if (entry.awaits !== undefined) this.#awaiting.add(entry.generation);
    if (entry.isLoose) return;
    if (entry.generation < (this.#whole[0] ?? Number.POSITIVE_INFINITY)) this.heldUpBy = undefined;
    let place = this.#whole.length;
    while (place > 0 && (this.#whole[place - 1] as number) > entry.generation) place -= 1;
    this.#whole.splice(place, 0, entry.generation);
  }

  delete(generation: number): void {
    const entry = this.#entries.get(generation);
    if (entry === undefined) return;
    this.#entries.delete(generation);
    this.#awaiting.delete(generation);
    this.#bytes -= chargeOf(entry);
    if (entry.isLoose) return;
    if (generation === this.#whole[0]) this.heldUpBy = undefined;
    this.#whole.splice(this.#whole.indexOf(generation), 1);
  }
}

/** What an entry takes of the quota: what has counted here, or whose control ops alone are kept and held, was let in before. */
function chargeOf({ hasCounted, isLoose, awaits, size }: AsideEntry): number {
  return hasCounted || (isLoose && awaits === undefined) ? 0 : size;
}

/** The parts aside of a scope. A copy shares what it does not change. */
export class AsideIndex {
  readonly #logs: Map<LogNumber, AsideLog>;
  /** Logs that are this copy's own. */
  readonly #own = new Set<LogNumber>();

  constructor(from?: AsideIndex) {
    this.#logs = new Map(from?.logs());
  }

  get isEmpty(): boolean {
    return this.#logs.size === 0;
  }

  logs(): MapIterator<[LogNumber, AsideLog]> {
    return this.#logs.entries();
  }

  log(log: LogNumber): AsideLog | undefined {
    return this.#logs.get(log);
  }

  get(log: LogNumber, generation: number): AsideEntry | undefined {
    return this.#logs.get(log)?.get(generation);
  }

  /** Parts whose control ops are not in the control log. */
  *awaiting(): Generator<readonly [LogNumber, AsideEntry], void, undefined> {
    for (const [log, of] of this.#logs) {
      for (const generation of of.awaiting) {
        const entry = of.get(generation);
        if (entry !== undefined) yield [log, entry];
      }
    }
  }

  put(log: LogNumber, entry: AsideEntry): void {
    this.#ownLog(log).put(entry);
  }

  delete(log: LogNumber, generation: number): void {
    if (this.get(log, generation) === undefined) return;
    const own = this.#ownLog(log);
    own.delete(generation);
    if (own.size === 0) this.#logs.delete(log);
  }

  /** Whether there is room for `bytes` more of a log that a peer sent; `undefined`: of one that has no number here. */
  hasRoom(log: LogNumber | undefined, bytes: number): boolean {
    const known = log === undefined ? undefined : this.#logs.get(log);
    if ((known?.bytes ?? 0) + bytes > ASIDE_LOG_BYTES_MAX) return false;
    let total = bytes;
    let parts = 1;
    for (const one of this.#logs.values()) {
      total += one.bytes;
      parts += one.bytes > 0 ? one.size : 0;
    }
    return total <= ASIDE_SCOPE_BYTES_MAX && parts <= ASIDE_SCOPE_PARTS_MAX;
  }

  #ownLog(log: LogNumber): AsideLog {
    const known = this.#logs.get(log);
    if (known !== undefined && this.#own.has(log)) return known;
    const own = new AsideLog(known);
    this.#own.add(log);
    this.#logs.set(log, own);
    return own;
  }
}
