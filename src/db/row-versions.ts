import {
  decodeValue,
  type DeviceId,
  logIdOf,
  Mergeable,
  type ScopeId,
  timestampMillis,
  type UserId,
} from "../base/index.ts";
import { shownOf } from "../conflicts/index.ts";
import { ROW_SPACE, type RowName, type Version } from "../history/index.ts";
import { ROW_HISTORY_DEFAULT, ROW_HISTORY_MAX } from "./limits.ts";
import { keyText } from "./names.ts";
import { valueOf, visibleIn } from "./row-view.ts";
import { type DbWorld, refuseUnusable } from "./world.ts";

/** One version of a row: what somebody wrote. */
export interface VersionInfo<T> {
  /** What it says by itself; `undefined`: it deletes the row. */
  readonly value: T | undefined;
  /** Who wrote it. */
  readonly device: DeviceId;
  /** Whom that device acts for, as far as this device knows. */
  readonly user: UserId | undefined;
  /** Milliseconds since 1970 by the writer's hybrid clock. */
  readonly timestampMs: number;
  /** What the application said of the write: `WriteOptions.hint`. */
  readonly hint: string | undefined;
}

/** One value of a row in conflict. */
export interface ConflictingValue<T> extends VersionInfo<T> {
  /** Whether last-write-wins shows it, which is what `get` answers while the row is in conflict. */
  readonly winner: boolean;
}

/** A version that is still kept here. */
export interface KeptVersion<T> extends VersionInfo<T> {
  /** Whether nobody has written over it. */
  readonly head: boolean;
}

/** A row as this device wrote it in a commit that counts no more. */
export interface QuarantinedRow<T> {
  readonly key: string;
  /** `undefined`: it deleted the row. */
  readonly value: T | undefined;
  /** Milliseconds since 1970 by this device's hybrid clock. */
  readonly timestampMs: number;
  /** What the application said of the write: `WriteOptions.hint`. */
  readonly hint: string | undefined;
}

export interface HistoryOptions {
  /** Versions at most: 1 to 1 000, default 100. */
  readonly limit?: number | undefined;
}

/** What was said of commits, by log and generation: many rows may be of one. */
export type Hints = Map<string, string | undefined>;

async function hintOf(
  { history }: DbWorld,
  scope: number,
  { log, generation }: Version,
  hints: Hints,
): Promise<string | undefined> {
  const id = `${log}.${generation}`;
  if (!hints.has(id)) hints.set(id, await history.hintOf({ scope, log, generation }));
  return hints.get(id);
}

/** What a version is, with what is known of its commit. */
export async function versionInfo<T>(
  world: DbWorld,
  scope: ScopeId,
  version: Version,
  hints: Hints,
): Promise<VersionInfo<T>> {
  const { history } = world;
  const { log, timestamp } = version;
  const state = history.scope(scope);
  const { device } = logIdOf(history.logOf(log));
  return {
    value: valueOf(world, version) as T | undefined,
    device,
    user: state?.access.userOf(device),
    timestampMs: timestampMillis(timestamp),
    hint: state && (await hintOf(world, state.number, version, hints)),
  };
}

/** The values that contend for a row, the one that last-write-wins shows first; none when it is in no conflict. [CO16] */
export async function conflictsOf<T>(
  world: DbWorld,
  scope: ScopeId,
  name: RowName,
): Promise<ConflictingValue<T>[]> {
  refuseUnusable(world, scope);
  const row = await world.history.row(scope, name.space, name.key);
  if (!visibleIn(world, scope, name.text, row).conflict) return [];
  const hints: Hints = new Map();
  const values: ConflictingValue<T>[] = [];
  for (const [i, head] of row.heads.entries())
    values.push({ ...(await versionInfo<T>(world, scope, head, hints)), winner: i === 0 });
  return values;
}

/** The versions of a row that are still kept here, the newest first. @throws {RangeError}. [CO18] */
export async function historyOf<T>(
  world: DbWorld,
  scope: ScopeId,
  name: RowName,
  { limit = ROW_HISTORY_DEFAULT }: HistoryOptions,
): Promise<KeptVersion<T>[]> {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > ROW_HISTORY_MAX)
    throw new RangeError(`A row's history has a limit of 1 to ${ROW_HISTORY_MAX} versions`);
  refuseUnusable(world, scope);
  const row = await world.history.row(scope, name.space, name.key);
  const versions = await world.history.versionsOf(scope, name.space, name.key, limit);
  const hints: Hints = new Map();
  const kept: KeptVersion<T>[] = [];
  for (const version of versions) {
    const head = row.heads.some(
      ({ log, generation }) => log === version.log && generation === version.generation,
    );
    kept.push({ ...(await versionInfo<T>(world, scope, version, hints)), head });
  }
  return kept;
}

/** What this device wrote in a collection and counts no more, each of its logs from its first commit on. [DB41] */
export async function* quarantinedOf<T>(
  world: DbWorld,
  scope: ScopeId,
): AsyncGenerator<QuarantinedRow<T>, void, undefined> {
  for await (const part of world.history.quarantined(scope)) {
    const { log, generation, timestamp, hint } = part;
    for (const { space, key, value } of part.rows) {
      if (space !== ROW_SPACE.rows) continue;
      const decoded = value && decodeValue(value);
      const shown =
        decoded instanceof Mergeable
          ? shownOf({ log, generation, timestamp, context: new Map(), value })
          : decoded;
      yield {
        key: keyText(key),
        value: shown as T | undefined,
        timestampMs: timestampMillis(timestamp),
        hint: hint === "" ? undefined : hint,
      };
    }
  }
}
