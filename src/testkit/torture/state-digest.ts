import { createHash } from "node:crypto";
import { toHex } from "../../base/index.ts";
import type { Context, History, LogNumber, ScopeState, Version } from "../../history/index.ts";
import { ROW_SPACE } from "../../history/index.ts";
import { simCrypto, KeyRing } from "../sim-ports/index.ts";

/** Kept versions of one row that a state names: more than any test writes. */
const VERSIONS_MAX = 1000;

/**
 * All that must be the same on two devices that hold the same parts, as lines of JSON. Of each scope, in the order of their keys:
 *
 *     [scope key, vector, head sum, control heads, control sum]
 *     [space, key, heads, seen, kept versions]     for each row
 *
 * Logs stand by their names, since their numbers are each store's own; heads and kept versions in the order in which the device
 * has them, since that decides what is shown. What lies aside is no part of it.
 */
export async function stateText(history: History, database: string): Promise<string> {
  const scopes = history.scopes(database).sort((a, b) => (a.key < b.key ? -1 : 1));
  const lines: unknown[] = [];
  for (const scope of scopes) lines.push(...(await linesOf(history, scope)));
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** SHA-256 of `stateText`, as hexadecimal digits. */
export async function stateDigest(history: History, database: string): Promise<string> {
  return createHash("sha256")
    .update(await stateText(history, database))
    .digest("hex");
}

const crypto = simCrypto(new KeyRing(false));

async function linesOf(history: History, scope: ScopeState): Promise<unknown[]> {
  const logOf = (log: LogNumber): string => history.logOf(log);
  const rows: unknown[] = [];
  for (const space of Object.values(ROW_SPACE)) {
    for await (const { key, row } of history.scan(scope.id, space)) {
      // A row whose versions have all been taken back is one that nobody has written.
      if (row.heads.length === 0) continue;
      const kept = await history.versionsOf(scope.id, space, key, VERSIONS_MAX);
      const versions = (list: readonly Version[]): unknown[] =>
        list.map((version) => versionOf(version, logOf));
      const seen = contextOf(row.seen, logOf);
      rows.push([space, toHex(key), versions(row.heads), seen, versions(kept)]);
    }
  }
  const head = [
    scope.key,
    [...scope.vector()].sort(([a], [b]) => (a < b ? -1 : 1)),
    toHex(scope.sum.toBytes()),
    scope.access.heads.toSorted(),
    toHex(scope.access.controlSum(crypto)),
  ];
  return [head, ...rows];
}

function versionOf(version: Version, logOf: (log: LogNumber) => string): unknown {
  const { log, generation, timestamp, digest, context, value } = version;
  const name = `${logOf(log)} ${generation}`;
  const content = value === undefined ? null : toHex(value);
  return [name, String(timestamp), toHex(digest), contextOf(context, logOf), content];
}

function contextOf(context: Context, logOf: (log: LogNumber) => string): string[] {
  return context.map(({ log, generation }) => `${logOf(log)} ${generation}`).sort();
}
