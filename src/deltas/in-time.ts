import { CALLED_OFF, type Clock } from "../base/index.ts";
import { SyncError } from "./errors.ts";

/** What `answer` resolves to, unless it takes longer than `ms` milliseconds. @throws {SyncError} `SYNC_TIMEOUT` with `why`. */
export async function inTime<T>(
  clock: Clock,
  answer: Promise<T>,
  ms: number,
  why: string,
): Promise<T> {
  const timer = new AbortController();
  const late = clock.sleep(ms, timer.signal).then(
    () => {
      throw new SyncError("SYNC_TIMEOUT", why);
    },
    // Called off: the answer came first.
    () => answer,
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.abort(CALLED_OFF);
  }
}
