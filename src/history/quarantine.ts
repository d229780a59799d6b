/**
 * What this device wrote and counts no more: kept on it, so that its user can hand it to somebody who may write. Where that is
 * because its log forked, it is authored again.
 */

import {
  codeOf,
  decodeValue,
  equalBytes,
  logIdOf,
  Mergeable,
  type DeviceId,
  type GenVector,
  type LogKey,
  type ScopeId,
  type ScopeKey,
  toHex,
  type UserId,
} from "../base/index.ts";
import {
  asideKey,
  Branches,
  type BranchPart,
  type Context,
  decodeAside,
  type LogNumber,
  opsOnly,
  partSize,
  readRecord,
} from "../records/index.ts";
import {
  type DatabaseState,
  ownLogKey,
  type RowName,
  type ScopeState,
  type StagedScope,
  type Turn,
  type TurnDeps,
} from "../turns/index.ts";
import { CommitHeaderSchema, decode } from "../wire/index.ts";
import { type AuthorDeps, authorDraft, type Identity, type RowWrite } from "./author.ts";
import { ROW_SPACE } from "./authority.ts";
import { AUTHOR_AGAIN_BYTES_MAX, AUTHOR_AGAIN_OPS_MAX } from "./limits.ts";
import { type PreparedPart, type PreparedRow, preparePart } from "./prepare.ts";
import type { Written } from "./writer.ts";

interface QuarantineDeps extends TurnDeps {
  readonly identity: Identity;
}

/** One scope's part of a commit of this device that does not count. */
export interface QuarantinedPart {
  readonly log: LogKey;
  readonly generation: number;
  readonly timestamp: bigint;
  /** The application's word for the batch; empty: none. */
  readonly hint: string;
  /** `value`: CBOR, or `undefined` for a deletion. */
  readonly rows: readonly {
    readonly space: number;
    readonly key: Uint8Array;
    readonly value: Uint8Array | undefined;
  }[];
}

/** Told when something that this device wrote counts no more. */
export interface Quarantined {
  readonly scope: ScopeId;
  readonly log: LogKey;
  /** Generations, ascending. */
  readonly generations: readonly number[];
}

/** Parts of our logs that lie aside in a scope, each log by generation. Reads as it is asked. [HI45] */
export async function* quarantinedParts(
  { store, crypto, interner, identity }: QuarantineDeps,
  scope: ScopeState | undefined,
): AsyncGenerator<QuarantinedPart, void, undefined> {
  if (scope === undefined) return;
  for (const [number, { whole }] of [...scope.aside.logs()]) {
    const log = interner.logOf(number);
    if (logIdOf(log).device !== identity.device) continue;
    for (const generation of [...whole]) {
      const bytes = await store.get(asideKey(scope.number, number, generation));
      if (bytes === undefined) continue;
      const { part: raw, authored = [] } = readRecord("part aside", bytes, decodeAside);
      const part = preparePart(crypto, raw);
      const isAuthored = authored.some((digest) => equalBytes(digest, part.digest));
      if (isAuthored && part.rows.length === 0) continue;
      const { timestamp, hint } = decode(CommitHeaderSchema, part.raw.header);
      const rows = part.rows.map(({ name, value }) => ({
        space: name.space,
        key: name.key,
        value,
      }));
      yield { log, generation, timestamp, hint, rows };
    }
  }
}

/** What of a write was ours and counts no more. */
export function quarantinedBy(
  { interner, identity }: QuarantineDeps,
  scopes: () => readonly ScopeState[],
  { takenBack = [] }: Written,
): Quarantined[] {
  const isOurs = (log: LogKey): boolean => logIdOf(log).device === identity.device;
  const ours = takenBack.filter(({ log }) => isOurs(interner.logOf(log)));
  const byPlace = Map.groupBy(ours, ({ scope, log }) => `${scope} ${log}`);
  return [...byPlace.values()].flatMap((parts) => {
    const [first] = parts;
    const scope = scopes().find(({ number }) => number === first?.scope);
    if (first === undefined || scope === undefined) return [];
    const generations = parts.map(({ generation }) => generation).sort((a, b) => a - b);
    return [{ scope: scope.id, log: interner.logOf(first.log), generations }];
  });
}

/** Whose logs a freeze is of: all of a user, or those of one device. */
export type FreezeOf = { readonly user: UserId } | { readonly device: DeviceId };

/** The last generation that counts here of each log in the scope of a user or a device. [HI47] */
export function freezeIn(scope: ScopeState | undefined, of: FreezeOf): GenVector {
  if (scope === undefined) return new Map();
  const { access } = scope;
  const isOf = (device: DeviceId): boolean =>
    "device" in of
      ? device === of.device
      : access.userOf(device) === of.user || access.isRevoked(device, of.user);
  return new Map([...scope.vector()].filter(([log]) => isOf(logIdOf(log).device)));
}

/** Runs its argument as a turn of its own, as `Writer.alone`. */
type Alone = (task: (turn: Turn) => Promise<void>) => Promise<void>;

/** Whether there is anything that `authorAgain` would look at. */
export function hasForkedParts(deps: AuthorDeps, { scopes }: DatabaseState): boolean {
  for (const scope of scopes.values())
    for (const _ of forkedParts(deps, scope, scope.access)) return true;
  return false;
}

/** Whether a fork has ended the log that we have now, in any scope: what is written there next is of a new one. */
export function isOwnLogForked({ device }: Identity, { own, scopes }: DatabaseState): boolean {
  const log = ownLogKey(device, own);
  for (const { access } of scopes.values()) if (access.frozenAt(log) <= own.generation) return true;
  return false;
}

/**
 * Authors what we wrote beyond a fork of our log again, in the log that we have now: part by part, each in one store write
 * with the note that this is done. What may not be written here stays as it is. [HI75] [HI72]
 */
export async function authorAgain(
  deps: AuthorDeps,
  { scopes }: DatabaseState,
  alone: Alone,
): Promise<void> {
  const ids = Array.from(scopes.values(), ({ id }) => id);
  const pending: (ForkedPart & { readonly id: ScopeId })[] = [];
  const branches = new Map<LogNumber, Branches>();
  // Commits are of several scopes.
  await alone(async (turn) => {
    for (const id of ids)
      for (const place of forkedParts(deps, turn.scope(id), turn.scope(id).access))
        pending.push({ ...place, id });
    for (const { log } of pending)
      if (!branches.has(log)) branches.set(log, await branchesOf(deps, turn, log));
  });
  for (const { id, log, generation } of pending) {
    const ofLog = branches.get(log) ?? new Branches();
    await alone((turn) => authorPartAgain(deps, turn, turn.scope(id), { log, generation }, ofLog));
  }
}

/** What lies aside of a log in all scopes of the turn's database. */
async function branchesOf({ crypto }: AuthorDeps, turn: Turn, log: LogNumber): Promise<Branches> {
  const branches = new Branches();
  for (const { id } of [...turn.database.scopes.values()]) {
    const scope = turn.scope(id);
    for (const generation of scope.aside.log(log)?.whole ?? []) {
      const { part } = await turn.staged.aside(scope, log, generation);
      branches.add(branchPart(preparePart(crypto, part)));
    }
  }
  return branches;
}

function branchPart({ raw, digest, generation, rows, scopeKey }: PreparedPart): BranchPart {
  return {
    digest: toHex(digest),
    previous: toHex(decode(CommitHeaderSchema, raw.header).previous),
    generation,
    rows: rows.map(({ name }) => rowText(scopeKey, name)),
  };
}

function rowText(scope: ScopeKey, { space, text }: RowName): string {
  return `${scope} ${space} ${text}`;
}

interface ForkedPart {
  readonly log: LogNumber;
  readonly generation: number;
}

/** Parts of our logs beyond their forks that lie aside whole, and are not authored again yet. */
function* forkedParts(
  { interner, identity }: AuthorDeps,
  { aside }: { readonly aside: ScopeState["aside"] },
  access: ScopeState["access"],
): Generator<ForkedPart, void, undefined> {
  if (access.tagsOf(identity.certified.user) === 0) return;
  for (const [log, ofLog] of aside.logs()) {
    const name = interner.logOf(log);
    if (logIdOf(name).device !== identity.device) continue;
    const last = access.frozenAt(name);
    for (const generation of ofLog.whole) {
      const { isAuthored, awaits } = ofLog.get(generation) ?? {};
      if (generation > last && isAuthored !== true && awaits === undefined)
        yield { log, generation };
    }
  }
}

async function authorPartAgain(
  deps: AuthorDeps,
  turn: Turn,
  scope: StagedScope,
  { log, generation }: ForkedPart,
  branches: Branches,
): Promise<void> {
  const entry = scope.aside.get(log, generation);
  if (entry === undefined || entry.isLoose || entry.isAuthored === true) return;
  const record = await turn.staged.aside(scope, log, generation);
  const part = preparePart(deps.crypto, record.part);
  if (!(await authorRows(deps, turn, scope, part, branches))) return;
  // What cannot be authored again stays to be listed; control ops are served from here.
  const raw = opsOnly(
    deps.crypto,
    record.part,
    ({ control, value, space }) => control !== undefined || isKept(space, value),
  );
  const authored = [...(record.authored ?? []), part.digest];
  const changed = { ...entry, size: partSize(raw), isAuthored: true };
  turn.staged.putAside(scope, log, changed, { ...record, part: raw, authored });
}

/**
 * Authors what a peer has of the other branches of our log, whose places aside are taken by our own. What is noted with these
 * is not authored twice. [HI73]
 */
export async function authorBranches(
  deps: AuthorDeps,
  turn: Turn,
  parts: readonly PreparedPart[],
): Promise<void> {
  const ours = parts.filter(
    ({ author, rows }) => author === deps.identity.device && rows.length > 0,
  );
  for (const [log, ofLog] of Map.groupBy(ours, (part) => deps.interner.log(part.log))) {
    const fresh: PreparedPart[] = [];
    for (const part of ofLog) if (await isFresh(turn, log, part)) fresh.push(part);
    if (fresh.length === 0) continue;
    const branches = await branchesOf(deps, turn, log);
    for (const part of fresh) branches.add(branchPart(part));
    for (const part of fresh) await authorBranchPart(deps, turn, log, part, branches);
  }
}

/** Whether a part of another branch has not been authored again. Where nobody may prove the fork, what is held still counts. */
async function isFresh(turn: Turn, log: LogNumber, part: PreparedPart): Promise<boolean> {
  const { generation, digest } = part;
  const scope = turn.scope(part.scope);
  const isAside = scope.aside.get(log, generation) !== undefined;
  if (!isAside || generation <= scope.access.frozenAt(part.log)) return false;
  const { authored = [] } = await turn.staged.aside(scope, log, generation);
  return !authored.some((one) => equalBytes(one, digest));
}

async function authorBranchPart(
  deps: AuthorDeps,
  turn: Turn,
  log: LogNumber,
  part: PreparedPart,
  branches: Branches,
): Promise<void> {
  const scope = turn.scope(part.scope);
  const entry = scope.aside.get(log, part.generation);
  // What a relay left out may come from another.
  const isDone = await authorRows(deps, turn, scope, part, branches);
  if (entry === undefined || !isDone || part.raw.elided.length > 0) return;
  const record = await turn.staged.aside(scope, log, part.generation);
  const authored = [...(record.authored ?? []), part.digest];
  turn.staged.putAside(scope, log, entry, { ...record, authored });
}

/** Adds commits with a part's rows to the turn, where something is left to say of them. `false`: we may not, or there is no room. */
async function authorRows(
  deps: AuthorDeps,
  turn: Turn,
  scope: StagedScope,
  part: PreparedPart,
  branches: Branches,
): Promise<boolean> {
  const { generation, scopeKey } = part;
  const digest = toHex(part.digest);
  const rows = part.rows.filter(
    ({ name, value }) =>
      // Records of holders are written again anyway, and what they said is no longer so.
      name.space === ROW_SPACE.rows &&
      !isKept(name.space, value) &&
      !branches.isFollowed(digest, generation, rowText(scopeKey, name)),
  );
  await turn.loadRows(
    scope,
    rows.map(({ name }) => name),
  );
  const writes = rows.flatMap((row) => writeAgain(deps, turn, scope, part, row) ?? []);
  const { hint } = decode(CommitHeaderSchema, part.raw.header);
  try {
    for (const some of pagesOf(writes))
      await authorDraft(deps, turn, { parts: [{ scope: scope.state.id, rows: some }], hint });
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code !== "HISTORY_UNAUTHORISED" && code !== "HISTORY_CONTEXT_FULL") throw error;
    deps.logger("warn", "history.again.failed", { database: part.scope.database, code });
    return false;
  }
}

/**
 * Whether a value stays in quarantine: a counter, set or map says what its log added by the dots of versions, and these are
 * beyond the fork. Under other dots a counter's total would count twice.
 */
function isKept(space: number, value: Uint8Array | undefined): boolean {
  if (value === undefined || space !== ROW_SPACE.rows) return false;
  const content = decodeValue(value);
  return typeof content === "object" && content !== null && Mergeable.isMergeable(content);
}

/** A row as it was written, its writer having seen what it had then; `undefined`: there is nothing to write. */
function writeAgain(
  { interner }: AuthorDeps,
  turn: Turn,
  scope: StagedScope,
  { logs }: PreparedPart,
  { name, value, context: pairs }: PreparedRow,
): RowWrite | undefined {
  const seen = new Map<LogNumber, number>();
  for (let i = 0; i < pairs.length; i += 2) {
    const log = interner.knownLog(logs[pairs[i] as number] as LogKey);
    // Nothing beyond what counts here: contexts beyond a fork cover nothing.
    const most = log === undefined ? 0 : (scope.vector.get(log) ?? 0);
    const generation = Math.min(pairs[i + 1] as number, most);
    if (log !== undefined && generation > 0) seen.set(log, generation);
  }
  const { heads } = turn.row(scope, name);
  const isSaid = heads.some(
    (head) => head.value !== undefined && value !== undefined && equalBytes(head.value, value),
  );
  const hasSeen = heads.some(
    (head) => head.value !== undefined && head.generation <= (seen.get(head.log) ?? 0),
  );
  if (isSaid || (value === undefined && !hasSeen)) return undefined;
  const context: Context = Array.from(seen, ([log, generation]) => ({ log, generation })).sort(
    (a, b) => a.log - b.log,
  );
  return { name, value, context };
}

/** Writes as commits of a bounded size. */
function* pagesOf(writes: readonly RowWrite[]): Generator<readonly RowWrite[], void, undefined> {
  let page: RowWrite[] = [];
  let bytes = 0;
  for (const write of writes) {
    const isFull = page.length === AUTHOR_AGAIN_OPS_MAX || bytes > AUTHOR_AGAIN_BYTES_MAX;
    if (isFull) yield page;
    if (isFull) [page, bytes] = [[], 0];
    page.push(write);
    bytes += write.value?.length ?? 0;
  }
  if (page.length > 0) yield page;
}
