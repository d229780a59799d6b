import type { Clock } from "../base/index.ts";
import type { Connection } from "../net/index.ts";
import { STRANGER_MS_MAX } from "./limits.ts";

/**
 * Who connects and shares nothing with us may have come to join; if it has not by then, others need the place. Never
 * rejects; `ending` ends it. [SY36]
 */
export async function closeStranger(
  clock: Clock,
  connection: Connection,
  sharesAny: () => boolean,
  ending: AbortSignal,
): Promise<void> {
  try {
    const signal = AbortSignal.any([connection.closed, ending]);
    do await clock.sleep(STRANGER_MS_MAX, signal);
    while (connection.isInUse === true);
  } catch {
    return;
  }
  if (!sharesAny()) await connection.close("shares nothing");
}
