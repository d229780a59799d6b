/** What devices say that they hold: the rows of holders, read from the bytes that were signed. */

import { type LogName, readVector } from "./facts.ts";
import { Message } from "./fields.ts";
import type { Ledger } from "./ledger.ts";
import type { Published } from "./rights.ts";
import type { ScopeView } from "./views.ts";

/** Row space of what holders say. */
export const HOLDER_SPACE = 2;

const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** The device that a record is about: its key is the device's peer id, which ends with the public key. */
export function deviceOfKey(key: string): string {
  let number = 0n;
  for (const digit of Buffer.from(key, "hex").toString())
    number = number * 58n + BigInt(BASE58.indexOf(digit));
  return (number % 2n ** 256n).toString(16).padStart(64, "0");
}

/** A row value of bytes (RFC 8949: a byte string) that is a vector. */
export function vectorIn(value: string): Map<LogName, number> {
  const bytes = Buffer.from(value, "hex");
  const size = (bytes[0] as number) & 0x1f;
  const at = size < 24 ? 1 : 1 + 2 ** (size - 24);
  return readVector(new Message(bytes.subarray(at)));
}

/** All that devices have ever said of themselves in what somebody holds: no revocation of theirs takes that back. [AC34] */
export function publishedUpTo(
  ledger: Ledger,
  { scope, vector }: Pick<ScopeView, "scope" | "vector">,
): Published {
  const published = new Map<string, Map<LogName, number>>();
  for (const [log, upTo] of vector) {
    const device = log.slice(0, 64);
    const all = published.get(device) ?? new Map<LogName, number>();
    published.set(device, all);
    for (const { versions } of ledger.partsUpTo(scope, log, upTo)) {
      for (const { space, key, value } of versions) {
        if (space !== HOLDER_SPACE || value === undefined || deviceOfKey(key) !== device) continue;
        for (const [of, generation] of vectorIn(value))
          all.set(of, Math.max(generation, all.get(of) ?? 0));
      }
    }
  }
  return published;
}
