import type { Clock } from "../base/index.ts";
import type { Connection } from "../net/index.ts";
import { STRANGER_MS_MAX } from "./limits.ts";

export interface StrangerDeps {
  readonly clock: Clock;
  /** Whether the peer shares a syncgroup with us. */
  readonly sharesAny: () => boolean;
  /** Whether it pulls from us, since it may read a collection of which we know no syncgroup. */
  readonly pulls: () => boolean;
  /** Ends it. */
  readonly ending: AbortSignal;
}

/**
 * Who connects and shares nothing with us may have come to join; if it has not by then, others need the place. Never
 * rejects. [SY36]
 */
export async function closeStranger(
  { clock, sharesAny, pulls, ending }: StrangerDeps,
  connection: Connection,
): Promise<void> {
  try {
    const signal = AbortSignal.any([connection.closed, ending]);
    do {
      await clock.sleep(STRANGER_MS_MAX, signal);
      if (sharesAny()) return;
    } while (connection.isInUse === true || pulls());
  } catch {
    return;
  }
  await connection.close("shares nothing");
}
