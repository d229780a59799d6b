/** Whether this device may go on with its log of a database after the store was opened. */

import {
  CALLED_OFF,
  type Clock,
  codeOf,
  type DeviceId,
  type Logger,
  logIdOf,
  type Random,
} from "../base/index.ts";
import { encodeEpochs, epochsKey, epochsWith, type Interner } from "../records/index.ts";
import type { Store, StoreOrigin } from "../store/index.ts";
import type { DatabaseState, IncarnationReason, Turn } from "../turns/index.ts";
import type { Identity } from "./author.ts";
import { CLOCK_LOGS_MAX, OWN_LOG_WORD_MS_MAX } from "./limits.ts";

/** Milliseconds since 1970 as far as they can be known; `undefined`: not at all. May be more than a wall clock. */
export type TrueTime = () => number | undefined;

interface NoteDeps {
  readonly store: Pick<Store, "origin" | "settleOrigin">;
  readonly random: Random;
  readonly logger: Logger;
}

export interface DoubtDeps {
  readonly origin: StoreOrigin;
  readonly trueTime: TrueTime;
  readonly identity: Identity;
  readonly interner: Interner;
}

/** Why a database that was just opened may not be written to under its log as it is, or `undefined`. [HI50] */
export function doubtOf(deps: DoubtDeps, database: DatabaseState): IncarnationReason | undefined {
  if (deps.origin === "copy") return "copied";
  if (deps.origin === "unknown") return "unconfirmed";
  return isClockAhead(deps, database) ? "clockAhead" : undefined;
}

/**
 * Notes that the store is another than the one that was closed here, if it is: an epoch begins, and with a copy our log ends. At
 * once, since the next opening finds the store that this one leaves. Answers whether that is durable. [HI50] [HI60]
 */
export async function noteOrigin(
  deps: NoteDeps,
  database: DatabaseState,
  alone: (task: (turn: Turn) => Promise<void>) => Promise<void>,
): Promise<boolean> {
  if (deps.store.origin === "same" && database.epochs.length > 0) return true;
  const epochs = epochsWith(deps.random, database);
  let isNoted = true;
  try {
    await alone(async (turn) => {
      turn.add({ type: "put", key: epochsKey(database.number), value: encodeEpochs(epochs) });
      if (database.doubt === "copied") beginIncarnation(deps, turn, "copied");
    });
  } catch (error) {
    // What cannot be written to is read all the same. Markers given meanwhile are unknown after the next opening, and a
    // copy is found to be one again.
    isNoted = false;
    const fields = { database: database.name, code: codeOf(error) };
    deps.logger("warn", "history.epoch.failed", fields);
  }
  database.epochs = epochs;
  return isNoted;
}

/** Lets a copy be a store like others from the next opening on, once none of its logs can be taken for those of the original. [ST44] */
export async function settleOrigin({ store, logger }: Omit<NoteDeps, "random">): Promise<void> {
  try {
    await store.settleOrigin();
  } catch (error) {
    // One more log at the next opening, no more.
    logger("warn", "history.origin.failed", { code: codeOf(error) });
  }
}

function isClockAhead(deps: DoubtDeps, { clock, own }: DatabaseState): boolean {
  const { identity, interner } = deps;
  const now = deps.trueTime();
  // A time before our certificate was issued is no estimate: a device without a battery begins in 1970.
  if (own.generation === 0 || now === undefined || now < identity.certified.issued) return false;
  return clock.isAheadOf(now) && logsOf(interner, identity.device) < CLOCK_LOGS_MAX;
}

function logsOf(interner: Interner, device: DeviceId): number {
  let count = 0;
  for (const log of interner.logs()) if (logIdOf(log).device === device) count += 1;
  return count;
}

/** What peers say of our log of one database, for writes that wait for it. */
export class OwnLogWord {
  readonly #clock: Clock;
  readonly #database: DatabaseState;
  #expected = 0;
  #settled = Promise.withResolvers<void>();

  constructor(clock: Clock, database: DatabaseState) {
    this.#clock = clock;
    this.#database = database;
  }

  /** Somebody who may know our log is being reached. Answers a function that says this has come to an end. */
  expect(): () => void {
    this.#expected += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#expected -= 1;
      if (this.#expected === 0) this.#settle();
    };
  }

  /** A peer that knows our log knows no more of it than is here. */
  confirm(): void {
    if (this.#database.doubt === "unconfirmed") this.#database.doubt = undefined;
    this.#settle();
  }

  /**
   * Resolves when a peer's word is here, none is to be expected, or `OWN_LOG_WORD_MS_MAX` are over; `undefined` when there is
   * nothing to wait for.
   */
  wait(): Promise<void> | undefined {
    const { doubt, own } = this.#database;
    // A log without commits is given up for another at no cost.
    if (doubt !== "unconfirmed" || own.generation === 0 || this.#expected === 0) return undefined;
    return this.#wait();
  }

  async #wait(): Promise<void> {
    const timer = new AbortController();
    const over = this.#clock.sleep(OWN_LOG_WORD_MS_MAX, timer.signal).catch(() => {});
    await Promise.race([this.#settled.promise, over]);
    timer.abort(CALLED_OFF);
  }

  #settle(): void {
    this.#settled.resolve();
    this.#settled = Promise.withResolvers<void>();
  }
}

/** 64 random bits: a new name for our log, that no backup and no copy of a store has used. */
export function randomIncarnation(random: Random): bigint {
  return new DataView(random.bytes(8).slice().buffer).getBigUint64(0);
}

/**
 * Gives our log up: what is authored from this turn on, in it too, is of a new log. Once a turn; the only place where that
 * happens. Durable with the turn, which is written even if it brings nothing else. With `clockAhead` our clock begins anew
 * too: only within a log do timestamps never decrease. [HI14] [HI50]
 */
export function beginIncarnation(
  { random, logger }: { readonly random: Random; readonly logger: Logger },
  turn: Turn,
  reason: IncarnationReason,
): void {
  if (turn.hasBegunAgain) return;
  const incarnation = randomIncarnation(random);
  turn.own = { ...turn.own, incarnation, generation: 0, digest: undefined };
  if (reason === "clockAhead") turn.clock = turn.clock.restarted();
  turn.touch();
  logger("warn", "history.incarnation", { database: turn.database.name, reason });
}
