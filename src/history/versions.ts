import type { Store } from "../store/index.ts";
import { CommitHeaderSchema, decode, decodeStoredCommit } from "../wire/index.ts";
import {
  commitKey,
  compareHeads,
  decodeVersion,
  type Interner,
  oldRange,
  type PartName,
  readRecord,
  type Row,
  type ScopeNumber,
  type Version,
} from "../records/index.ts";

interface VersionsDeps {
  readonly store: Store;
  readonly interner: Interner;
}

/**
 * The versions of a row that are still kept, heads and superseded ones, the newest first by (timestamp, log, generation):
 * `limit` at most, of those that `isMeant`. What is older is read, but not held.
 */
export async function keptVersions(
  { store, interner }: VersionsDeps,
  scope: ScopeNumber,
  space: number,
  key: Uint8Array,
  { heads }: Row,
  limit: number,
  isMeant: (version: Version) => boolean = () => true,
): Promise<Version[]> {
  const order = (a: Version, b: Version): number =>
    compareHeads(a, b, (left, right) => interner.compareLogs(left, right));
  const newest = heads.filter(isMeant).sort(order).slice(0, limit);
  for await (const { value } of store.scan(oldRange(scope, space, key))) {
    const version = readRecord("superseded version", value, decodeVersion);
    if (!isMeant(version)) continue;
    const place = newest.findIndex((other) => order(version, other) < 0);
    if (place === -1 && newest.length >= limit) continue;
    newest.splice(place === -1 ? newest.length : place, 0, version);
    if (newest.length > limit) newest.pop();
  }
  return newest;
}

/** What the application said of the commit that this part is of; `undefined`: nothing, or it is not here any more. */
export async function hintOfPart(
  { store }: Pick<VersionsDeps, "store">,
  { scope, log, generation }: PartName,
): Promise<string | undefined> {
  const bytes = await store.get(commitKey(scope, log, generation));
  if (bytes === undefined) return undefined;
  const { header } = readRecord("commit", bytes, decodeStoredCommit);
  const { hint } = readRecord("commit header", header, (one) => decode(CommitHeaderSchema, one));
  return hint === "" ? undefined : hint;
}
