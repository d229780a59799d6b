import type { ScopeId } from "../base/index.ts";
import type { Groups } from "./groups.ts";
import { noGroup } from "./guard.ts";

/**
 * Resolves when a group's history up to the checkpoint is here, rows included.
 *
 * @throws {SyncError} `SYNC_NO_GROUP`; the signal's reason.
 */
export async function whenReady(
  groups: Groups,
  group: ScopeId,
  signal: AbortSignal,
): Promise<void> {
  if (!groups.has(group)) throw noGroup(group);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    if (groups.progress(group) === undefined) resolve();
  };
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const stop = groups.onChange(look);
  try {
    signal.throwIfAborted();
    look();
    await promise;
  } finally {
    stop();
    signal.removeEventListener("abort", abort);
  }
}
