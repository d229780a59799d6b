/** Reads what a history keeps in memory: names, knowledge, control logs, our own logs. */

import { type ControlEntry, ControlLog } from "../access/index.ts";
import {
  type Clock,
  equalBytes,
  fromUtf8,
  HybridClock,
  parseDeviceId,
  scopeKeyOf,
} from "../base/index.ts";
import {
  asideRange,
  rivalDigestOf,
  rivalRange,
  decodeAside,
  decodeEpochs,
  epochsKey,
  partSize,
  placeOf,
  storedControl,
  changeRange,
  controlRange,
  type DatabaseNumber,
  ownKey,
  scopeStateKey,
  sequenceOf,
  decodeControlRecord,
  decodeOwnLog,
  decodeScopeRecord,
  type OwnLog,
  readRecord,
  decodeRow,
  publishedIn,
  ROW_KEY_PREFIX,
  ROW_SPACE,
  rowRange,
} from "../records/index.ts";
import type { TrueTime } from "./own-log.ts";
import {
  AsideIndex,
  ControlPlaces,
  RivalIndex,
  DatabaseState,
  LateCommits,
  ScopeState,
  type TurnDeps,
} from "../turns/index.ts";
import { preparePart } from "./prepare.ts";

export interface LoadDeps extends TurnDeps {
  readonly clock: Clock;
  readonly trueTime?: TrueTime | undefined;
}

/** The databases that the store holds. */
export async function loadDatabases(deps: LoadDeps): Promise<Map<string, DatabaseState>> {
  const databases = new Map<string, DatabaseState>();
  for (const name of deps.interner.databases()) {
    const number = deps.interner.database(name);
    const bytes = await deps.store.get(ownKey(number));
    // A name without a log of ours was given for a write that never became durable.
    if (bytes === undefined) continue;
    const database = createDatabase(deps, name, readRecord("own log", bytes, decodeOwnLog));
    database.sequence = await lastSequence(deps, number);
    database.late = await LateCommits.load(deps, database.own);
    const epochs = await deps.store.get(epochsKey(number));
    if (epochs !== undefined) database.epochs = readRecord("epochs", epochs, decodeEpochs);
    databases.set(name, database);
  }
  for (const id of deps.interner.scopes()) {
    const database = databases.get(id.database);
    const scope = new ScopeState(id, deps.interner.scope(id), deps.interner);
    if (database !== undefined && (await loadScope(deps, scope)))
      database.scopes.set(scope.key, scope);
  }
  return databases;
}

export function createDatabase(
  { interner, clock, trueTime }: LoadDeps,
  name: string,
  own: OwnLog,
): DatabaseState {
  // What is not known neither leads nor vouches, like a clock that says what is no time.
  const time = trueTime === undefined ? clock : { now: () => trueTime() ?? Number.NaN };
  return new DatabaseState(
    name,
    interner.database(name),
    own,
    new HybridClock({ clock: time }, own.timestamp),
  );
}

/** Brings what is in memory of a database to what the store holds: after a write of which nobody knows whether it is there. */
export async function reloadDatabase(deps: LoadDeps, database: DatabaseState): Promise<void> {
  const { interner, store } = deps;
  const bytes = await store.get(ownKey(database.number));
  if (bytes === undefined) return;
  const own = readRecord("own log", bytes, decodeOwnLog);
  if (own.incarnation !== database.own.incarnation) {
    database.doubt = undefined;
    database.clock = database.clock.restarted(own.timestamp);
  }
  database.own = own;
  database.late = await LateCommits.load(deps, own);
  database.recent.forget();
  database.sequence = await lastSequence(deps, database.number);
  for (const id of interner.scopes()) {
    if (id.database !== database.name) continue;
    const known = database.scopes.get(scopeKeyOf(id));
    const scope = known ?? new ScopeState(id, interner.scope(id), interner);
    if (await loadScope(deps, scope)) database.scopes.set(scope.key, scope);
  }
}

async function lastSequence({ store }: LoadDeps, database: DatabaseNumber): Promise<number> {
  for await (const { key } of store.scan(changeRange(database, 0), { reverse: true, limit: 1 }))
    return sequenceOf(key);
  return 0;
}

async function loadScope(deps: LoadDeps, scope: ScopeState): Promise<boolean> {
  const { store, interner } = deps;
  const bytes = await store.get(scopeStateKey(scope.number));
  if (bytes === undefined) return false;
  const { vector, sum } = readRecord("scope", bytes, decodeScopeRecord);
  scope.numbers = vector;
  scope.sum = sum;
  const controls: ControlEntry[] = [];
  const places = new ControlPlaces();
  for await (const { key, value } of store.scan(controlRange(scope.number))) {
    const record = readRecord("control op", value, decodeControlRecord);
    controls.push(storedControl(interner, key.subarray(5), record));
    places.add(record.log, record.generation);
  }
  scope.control = ControlLog.of(scope.id, controls);
  for await (const { key, value } of store.scan(rowRange(scope.number, ROW_SPACE.holders))) {
    const device = parseDeviceId(fromUtf8(key.subarray(ROW_KEY_PREFIX)) ?? "");
    if (device === undefined) continue;
    const row = readRecord("row", value, decodeRow);
    const published = publishedIn(row, (log) => interner.isLogOf(log, device));
    scope.control.notePublished(device, published);
  }
  scope.controlPlaces = places;
  scope.aside = await loadAside(deps, scope);
  scope.rivals = await loadRivals(deps, scope);
  return true;
}

/** What lies aside. All of it is read: it is little, or was much that one write took back. */
async function loadAside(
  { store, crypto }: LoadDeps,
  { number, access }: ScopeState,
): Promise<AsideIndex> {
  const index = new AsideIndex();
  for await (const { key, value } of store.scan(asideRange(number))) {
    const { log, generation } = placeOf(key);
    const { part: raw, authored = [], ...flags } = readRecord("part aside", value, decodeAside);
    const part = preparePart(crypto, raw);
    // What exactly it waits for is found out when it is looked at.
    const isHeld = part.controls.every(({ id }) => access.has(id));
    const awaits = isHeld ? undefined : "vouch";
    const isAuthored = authored.some((digest) => equalBytes(digest, part.digest));
    index.put(log, { ...flags, generation, size: partSize(raw), awaits, isAuthored });
  }
  return index;
}

async function loadRivals(
  { store, crypto }: LoadDeps,
  { number, access }: ScopeState,
): Promise<RivalIndex> {
  const index = new RivalIndex();
  for await (const { key, value } of store.scan(rivalRange(number))) {
    const { part: raw, isVouched } = readRecord("rival", value, decodeAside);
    const isHeld = preparePart(crypto, raw).controls.every(({ id }) => access.has(id));
    const awaits = isHeld ? undefined : "vouch";
    const digest = rivalDigestOf(key);
    index.put({ ...placeOf(key), digest, size: partSize(raw), isVouched, awaits });
  }
  return index;
}
