import type { Logger, Random } from "../base/index.ts";
import type { IncarnationReason, Turn } from "../turns/index.ts";

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
