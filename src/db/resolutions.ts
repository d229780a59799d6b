/** From tied rows to what a resolver is given, and from its answer to the rows that are written. */

import { encodeValue, Mergeable, decodeValue, type ScopeId, logIdOf } from "../base/index.ts";
import { contentOf, mergeableOf, readKind } from "../conflicts/index.ts";
import { ROW_SPACE, type RowWrite, type Version } from "../history/index.ts";
import type {
  Conflict,
  ConflictCommit,
  ConflictHead,
  ConflictRow,
  Resolutions,
} from "./resolver-types.ts";
import { headOf, valueOf } from "./row-view.ts";
import { type Hints, versionInfo } from "./row-versions.ts";
import { policyText, type Tied, type TiedRow } from "./ties.ts";
import type { DbWorld } from "./world.ts";

/** A conflict as it is offered, and which version stands behind each value in it. */
export interface Offered<T> {
  readonly conflict: Conflict<T>;
  readonly versions: ReadonlyMap<ConflictHead<T>, Version>;
}

/** What is offered of tied rows. [CO19] */
export async function offerOf<T>(
  world: DbWorld,
  scope: ScopeId,
  { rows, partial }: Tied,
  signal: AbortSignal,
): Promise<Offered<T>> {
  const versions = new Map<ConflictHead<T>, Version>();
  const hints: Hints = new Map();
  const offered: ConflictRow<T>[] = [];
  for (const one of rows) offered.push(await rowOf(world, scope, one, versions, hints));
  const commits = new Map<string, ConflictCommit & { readonly keys: string[] }>();
  for (const { key, heads } of offered) {
    for (const { commit, device, ours, timestampMs, hint } of heads) {
      const known = commits.get(commit);
      if (known === undefined)
        commits.set(commit, { commit, device, ours, timestampMs, hint, keys: [key] });
      else known.keys.push(key);
    }
  }
  return { conflict: { rows: offered, commits: [...commits.values()], partial, signal }, versions };
}

async function rowOf<T>(
  world: DbWorld,
  scope: ScopeId,
  tied: TiedRow,
  versions: Map<ConflictHead<T>, Version>,
  hints: Hints,
): Promise<ConflictRow<T>> {
  const { history } = world;
  const heads: ConflictHead<T>[] = [];
  for (const [i, version] of tied.row.heads.entries()) {
    const log = history.logOf(version.log);
    const head: ConflictHead<T> = {
      ...(await versionInfo<T>(world, scope, version, hints)),
      winner: i === 0,
      commit: `${log}/${version.generation}`,
      ours: logIdOf(log).device === history.identity.device,
    };
    heads.push(head);
    versions.set(head, version);
  }
  return {
    key: tied.name.text,
    policy: policyText(tied),
    conflict: tied.conflict,
    heads,
    local: heads.find(({ ours }) => ours),
    remote: heads.find(({ ours }) => !ours),
    ancestor: tied.conflict ? await ancestorOf(world, scope, tied) : undefined,
  };
}

/** The latest kept version that the writers of all heads had seen. */
async function ancestorOf<T>(
  world: DbWorld,
  scope: ScopeId,
  { name, row }: TiedRow,
): Promise<{ readonly value: T | undefined } | undefined> {
  const isSeenByAll = ({ log, generation }: Version): boolean =>
    row.heads.every(({ context }) =>
      context.some((entry) => entry.log === log && entry.generation >= generation),
    );
  const { rows } = ROW_SPACE;
  const [latest] = await world.history.versionsOf(scope, rows, name.key, 1, isSeenByAll);
  return latest && { value: valueOf(world, latest) as T | undefined };
}

/**
 * The rows that an answer writes; rows that it leaves, or does not name, are not among them.
 *
 * @throws {TypeError} when it names a row that was not offered, twice, or says what is no resolution; {ValueError}.
 */
export function writesOf<T>(
  world: DbWorld,
  { rows }: Tied,
  { versions }: Offered<T>,
  answer: Resolutions<T> | void,
): RowWrite[] {
  const offered = new Map(rows.map(({ name }) => [name.text, name]));
  const writes: RowWrite[] = [];
  for (const [key, resolution] of answer ?? []) {
    const name = offered.get(key);
    if (name === undefined)
      throw new TypeError("A resolver answers each offered row once, and no other");
    offered.delete(key);
    if (resolution === "leave") continue;
    if ("take" in resolution) {
      const version = versions.get(resolution.take);
      if (version === undefined)
        throw new TypeError("A resolver takes a value that it was offered");
      writes.push({ name, value: bytesOf(world, version) });
    } else if ("value" in resolution) {
      writes.push({ name, value: encodeValue(resolution.value) });
    } else if ((resolution as { delete?: unknown }).delete === true) {
      writes.push({ name, value: undefined });
    } else throw new TypeError("A resolver takes a value, gives one, deletes the row or leaves it");
  }
  return writes;
}

/** A version's value as it is written again: what a mergeable one brought itself stays under its own name. */
function bytesOf(world: DbWorld, version: Version): Uint8Array | undefined {
  if (version.value === undefined || !(decodeValue(version.value) instanceof Mergeable))
    return version.value;
  const head = headOf(world, version);
  const kind = readKind(head);
  return kind === undefined ? version.value : encodeValue(mergeableOf(contentOf(kind, [head])));
}
