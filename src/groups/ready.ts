import type { ScopeId } from "../base/index.ts";
import type { Groups } from "./groups.ts";
import { refuseEnded } from "./guard.ts";

/**
 * Resolves when a group's history up to the checkpoint is here, rows included.
 *
 * @throws {SyncError} `SYNC_NO_GROUP`, `SYNC_GROUP_ENDED` when the group has ended here, also while it is waited for; the signal's reason. [SY119]
 */
export async function whenReady(
  groups: Groups,
  group: ScopeId,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    try {
      refuseEnded(groups, group);
      if (groups.progress(group) === undefined) resolve();
    } catch (error) {
      reject(error);
    }
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
