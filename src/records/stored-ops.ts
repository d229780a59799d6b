/** Where the ops of a part that counts lie: rows, versions beside them, the control log. */

import type { Store } from "../store/index.ts";
import type { PartSources } from "./assemble.ts";
import { controlKey, oldKey, rowKey, type ScopeNumber } from "./keys.ts";
import { READ_ROWS_MAX } from "./limits.ts";
import type { HeldOp } from "./part.ts";
import { decodeControlRecord, decodeRow, decodeVersion, readRecord } from "./records.ts";
import type { LogNumber, Version } from "./version.ts";

/** The sources of a stored part's ops: rows, versions beside them, the control log. */
export function storedOps(
  store: Store,
  scope: ScopeNumber,
  log: LogNumber,
  generation: number,
): PartSources {
  return {
    versions: (held) => versionsOf(store, scope, log, generation, held),
    async controlOp(id) {
      const bytes = await store.get(controlKey(scope, id));
      return bytes && readRecord("control op", bytes, decodeControlRecord).op;
    },
  };
}

/** For each row op the version that it made: still a head, or kept beside its row. */
async function versionsOf(
  store: Store,
  scope: ScopeNumber,
  log: LogNumber,
  generation: number,
  held: readonly HeldOp[],
): Promise<(Version | undefined)[]> {
  const versions: (Version | undefined)[] = held.map(() => undefined);
  const rows = held.flatMap((op, index) => (op === "control" ? [] : [{ ...op, index }]));
  for (let from = 0; from < rows.length; from += READ_ROWS_MAX) {
    const page = rows.slice(from, from + READ_ROWS_MAX);
    const found = await store.getMany(page.map(({ space, key }) => rowKey(scope, space, key)));
    for (const [i, { space, key, index }] of page.entries()) {
      const bytes = found[i];
      const heads = bytes === undefined ? [] : readRecord("row", bytes, decodeRow).heads;
      versions[index] =
        heads.find((head) => head.log === log && head.generation === generation) ??
        (await supersededVersion(store, oldKey(scope, space, key, log, generation)));
    }
  }
  return versions;
}

async function supersededVersion(store: Store, key: Uint8Array): Promise<Version | undefined> {
  const bytes = await store.get(key);
  return bytes && readRecord("version", bytes, decodeVersion);
}
