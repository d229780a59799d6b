/** Devices without a network: a history over a store in memory, and what one device gives another by hand. */

import { issueCertificate, type Role, tagsOfRole, verifyCertificate } from "../access/index.ts";
import {
  type Clock,
  type Crypto,
  type DeviceId,
  deviceIdOf,
  fromUtf8,
  generationIn,
  type GenVector,
  type Logger,
  type LogKey,
  type ScopeId,
  scopeKeyOf,
  toHex,
  type UserId,
} from "../base/index.ts";
import {
  type Collection,
  type Database,
  type DatabaseDeps,
  openDatabase,
  type ScanOptions,
} from "../db/index.ts";
import {
  History,
  type Identity,
  type PreparedPart,
  type Receipt,
  ROW_SPACE,
  type RowWrite,
} from "../history/index.ts";
import { openMemoryStore, type Store } from "../store/index.ts";
import { cryptoAtOnce } from "./crypto.ts";
import { FakeClock } from "./fake-clock.ts";
import { seededRandom } from "./seeded-random.ts";

/** A device as tests see it: the same seed makes the same device. */
export interface TestDevice extends AsyncDisposable {
  readonly device: DeviceId;
  readonly user: UserId;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly store: Store;
  readonly history: History;
  /** Opens a database, made unless it is there: a new handle each time. */
  db(name: string): Promise<Database>;
  /** Closes the history, and the store unless it was given. */
  close(): Promise<void>;
}

export interface TestDeviceOptions {
  /** Devices with equal users belong to one: any whole number. Default: a user of the device's own. */
  readonly user?: number | undefined;
  /** Default: one of its own that stands still until it is told otherwise. */
  readonly clock?: Clock | undefined;
  /** Default: a new one in memory. One that is given stays open, so that the device can be made again over it. */
  readonly store?: Store | undefined;
  readonly logger?: Logger | undefined;
  /** How often its store was opened, copies of it included: each draws other chance. Default: as often as this very store was. */
  readonly opening?: number | undefined;
  readonly readOnlyReason?: DatabaseDeps["readOnlyReason"];
  /** Default: that of Node.js, which signs at once. Another makes other keys. */
  readonly crypto?: Crypto | undefined;
}

/** When certificates of tests are issued: milliseconds since 1970. */
const ISSUED = Date.UTC(2026, 0, 1);

/** Keys of devices, of users and all other chance come from sequences of their own. */
const SEEDS = { device: 1_000_000, user: 2_000_000, history: 3_000_000 } as const;

/** The device of `seed`, a whole number below a million. */
export async function makeDevice(
  seed: number,
  options: TestDeviceOptions = {},
): Promise<TestDevice> {
  const { user = seed, clock = new FakeClock(), logger = (): void => {}, readOnlyReason } = options;
  const { crypto = cryptoAtOnce() } = options;
  const identity = await makeDeviceIdentity(seed, user, crypto);
  const store = options.store ?? (await openMemoryStore());
  // Another opening draws other chance, as it would on a real device.
  const openings = options.opening ?? (OPENINGS.get(store) ?? 0) + 1;
  OPENINGS.set(store, openings);
  const random = seededRandom(SEEDS.history + seed + openings * 10_000_000);
  const history = await History.open({ store, crypto, clock, random, logger, identity });
  const close = async (): Promise<void> => {
    await history.close();
    if (options.store === undefined) await store.close();
  };
  return {
    device: identity.device,
    user: identity.certified.user,
    identity,
    clock,
    store,
    history,
    db: (name) => openDatabase({ history, clock, logger, readOnlyReason }, name),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const OPENINGS = new WeakMap<Store, number>();

/** Keys of the device of `seed`, and the word of its user. */
export async function makeDeviceIdentity(
  seed: number,
  user = seed,
  crypto: Crypto = cryptoAtOnce(),
): Promise<Identity> {
  const deviceSeed = seededRandom(SEEDS.device + seed).bytes(32);
  const userSeed = seededRandom(SEEDS.user + user).bytes(32);
  const device = deviceIdOf(await crypto.publicKey(deviceSeed));
  const request = { device, name: `device ${seed}`, issued: ISSUED };
  const bytes = await issueCertificate({ crypto }, userSeed, request);
  return { device, deviceSeed, certified: await verifyCertificate({ crypto }, bytes) };
}

/** What a scan gives, in its order. */
export async function rowsOf<T>(
  collection: Collection<T>,
  options?: ScanOptions,
): Promise<[key: string, value: T][]> {
  const rows: [string, T][] = [];
  for await (const { key, value } of collection.scan(options)) rows.push([key, value]);
  return rows;
}

/** Writes rows as one commit. */
export function writeRows(
  by: TestDevice,
  scope: ScopeId,
  ...rows: readonly RowWrite[]
): Promise<unknown> {
  return by.history.write({ parts: [{ scope, rows }] });
}

/** The rows that a device shows, each with the texts of its heads in order; `-`: a deletion. Values are short texts. */
export async function shownIn(
  { history }: TestDevice,
  scope: ScopeId,
): Promise<Record<string, string>> {
  const rows: Record<string, string> = {};
  for await (const { key, row } of history.scan(scope, ROW_SPACE.rows))
    rows[fromUtf8(key) ?? ""] = row.heads
      .map(({ value }) => (value === undefined ? "-" : fromUtf8(value.subarray(1))))
      .toSorted((a = "", b = "") => (a < b ? -1 : 1))
      .join(" ");
  return rows;
}

/** All that a device holds of a scope, by names that are the same on every device. */
export async function holdingsOf({ history }: TestDevice, scope: ScopeId): Promise<unknown> {
  const state = history.scope(scope);
  if (state === undefined) return undefined;
  const named = (
    context: readonly { readonly log: number; readonly generation: number }[],
  ): string[] =>
    context.map(({ log, generation }) => `${history.logOf(log)} ${generation}`).toSorted();
  const rows: unknown[] = [];
  for (const space of [ROW_SPACE.rows, ROW_SPACE.holders]) {
    for await (const { key, row } of history.scan(scope, space)) {
      rows.push({
        space,
        key: fromUtf8(key),
        heads: row.heads.map(({ log, generation, timestamp, salt, context, value }) => ({
          dot: `${history.logOf(log)} ${generation}`,
          timestamp,
          salt: toHex(salt),
          context: named(context),
          value: value && toHex(value),
        })),
        seen: named(row.seen),
      });
    }
  }
  return {
    rows,
    vector: [...state.vector()].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    sum: toHex(state.sum.toBytes()),
    control: toHex(state.access.controlSum(cryptoAtOnce())),
  };
}

/** Gives `user` a role in a scope, by a device that may. */
export async function grant(
  by: TestDevice,
  scope: ScopeId,
  user: UserId,
  role: Role,
): Promise<void> {
  const tags = tagsOfRole(role, scope.kind);
  await by.history.write({
    parts: [{ scope, rows: [], controls: [{ type: "grant", user, tags }] }],
  });
}

export interface ExchangeOptions {
  /** Parts given at most, of all scopes together; what is claimed then ends with the last one given. Default: all. */
  readonly limit?: number | undefined;
}

/**
 * Brings `to` what it lacks of `scopes`, which are of one database, as a round of deltas does: one delivery, one store
 * write. Answers what it came to, or `undefined` when `from` holds nothing of them.
 */
export async function exchange(
  from: TestDevice,
  to: TestDevice,
  scopes: readonly ScopeId[],
  { limit = Number.POSITIVE_INFINITY }: ExchangeOptions = {},
): Promise<Receipt | undefined> {
  const held = scopes.flatMap((id) => from.history.scope(id) ?? []);
  const [first] = held;
  if (first === undefined) return undefined;
  const parts: PreparedPart[] = [];
  const loose: PreparedPart[] = [];
  const claims: { scope: ScopeId; vector: GenVector }[] = [];
  await to.history.createDatabase(first.id.database);
  for (const scope of held) {
    // Together with the first step of the loop: the parts are those up to this vector.
    const vector = scope.vector();
    const known = to.history.scope(scope.id)?.vector() ?? new Map<LogKey, number>();
    const given = new Map<LogKey, number>();
    let isCut = false;
    for await (const { part } of from.history.partsAbove([{ scope, vector: known }])) {
      if ((isCut = parts.length >= limit)) break;
      const prepared = to.history.prepare(part);
      parts.push(prepared);
      given.set(prepared.log, prepared.generation);
    }
    for (const part of isCut ? [] : await from.history.looseParts(scope))
      loose.push(to.history.prepare(part));
    claims.push({ scope: scope.id, vector: isCut ? given : vector });
  }
  const asked = new Set(scopes.map(scopeKeyOf));
  return to.history.receive(first.id.database, { from: from.device, asked, parts, loose, claims });
}

/** Exchanges until every device has what any other has of `scopes`, but for what has to wait for a grant. */
export async function settleDevices(
  devices: readonly TestDevice[],
  scopes: readonly ScopeId[],
): Promise<void> {
  // Each round brings what one device has to all others; what waited for a grant comes a round later.
  for (let round = 0; round < 2; round++) {
    for (const from of devices) {
      for (const to of devices) {
        if (from !== to && isBehind(to, from, scopes)) await exchange(from, to, scopes);
      }
    }
  }
}

function isBehind(to: TestDevice, from: TestDevice, scopes: readonly ScopeId[]): boolean {
  return scopes.some((id) => {
    const known = to.history.scope(id)?.vector() ?? new Map<LogKey, number>();
    const there = from.history.scope(id)?.vector() ?? new Map<LogKey, number>();
    return [...there].some(([log, generation]) => generation > generationIn(known, log));
  });
}
