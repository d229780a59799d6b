import { type DeviceId, fromUtf8 } from "../base/index.ts";
import {
  asideKey,
  decodeRow,
  keysUnder,
  publishedIn,
  ROW_KEY_PREFIX,
  ROW_SPACE,
  rowKey,
} from "../records/index.ts";
import type { Finding } from "./finding.ts";
import { findingIn, readOr, type ScopeView } from "./scope-view.ts";

/**
 * What this device has published that it has of a collection is here: others drop what it supersedes by that. What was taken back
 * since lies aside.
 */
export async function* verifyHolder(
  view: ScopeView,
  device: DeviceId,
): AsyncGenerator<Finding, void, undefined> {
  const prefix = rowKey(view.number, ROW_SPACE.holders, new Uint8Array());
  for await (const { key, value } of view.store.scan(keysUnder(prefix))) {
    const row = readOr(decodeRow, value);
    const name = fromUtf8(key.subarray(ROW_KEY_PREFIX));
    if (row === undefined || name !== device) continue;
    const isOwnLog = (log: number): boolean => view.interner.isLogOf(log, device);
    for (const [log, published] of publishedIn(row, isOwnLog)) {
      const number = view.interner.knownLog(log);
      const known = number === undefined ? 0 : (view.vector.get(number) ?? 0);
      if (published <= known) continue;
      const aside =
        number !== undefined &&
        (await view.store.get(asideKey(view.number, number, published))) !== undefined;
      if (aside) continue;
      const says = "This device has told others that it has more of a log than is here";
      yield findingIn(view, "HO3", key, says, { row: device });
    }
  }
}
