/**
 * The other side of walk 2: the commits of a scope that a peer lacks, put together again from rows, byte for byte as they
 * were signed.
 */

import { controlIdBytes } from "../access/index.ts";
import { Budget, type GenVector, generationIn } from "../base/index.ts";
import {
  assemblePart,
  commitKey,
  controlKey,
  decodeControlRecord,
  type CommitPart,
  decodeHeld,
  type HeldOp,
  HistoryError,
  isUnsigned,
  type LogNumber,
  readRecord,
  type RowRecords,
  rowsOf,
  storedOps,
  asideKey,
  controlsOnly,
  decodeAside,
} from "../records/index.ts";
import type { Store } from "../store/index.ts";
import { CommitHeaderSchema, decode, decodeStoredCommit } from "../wire/index.ts";
import { readRival, RecentParts, type ScopeState, type TurnDeps } from "../turns/index.ts";
import { generationOf, LogSource, type StoredPart } from "./scans.ts";
import {
  SERVE_AHEAD_PARTS,
  SERVE_READS_MAX,
  SERVE_SCANS_MAX,
  SERVE_TOGETHER_BYTES,
  SERVE_TOGETHER_BYTES_MAX,
  SERVE_TOGETHER_OPS_MAX,
  SERVE_TOGETHER_PARTS_MAX,
} from "./limits.ts";

/** What all who are served share. */
export class Serving {
  readonly recent = new RecentParts();
  /** Reads of rows for several parts: only after them is known how many bytes they came to. */
  readonly reads = new Budget(SERVE_READS_MAX);
}

export interface ServeDeps extends TurnDeps {
  readonly serving: Serving;
}

/** A part with its place, as a peer is sent it. */
export interface ServedPart {
  readonly scope: ScopeState;
  readonly part: CommitPart;
  readonly log: LogNumber;
  readonly generation: number;
  /** Of each commit of which a part has been given up to here, every part that is due has been. */
  readonly isWhole: boolean;
}

/** A scope, and what a peer has of it. */
export interface WantedScope {
  readonly scope: ScopeState;
  readonly vector: GenVector;
}

/**
 * The parts of some scopes of one database above what a peer has, up to the knowledge at the time of the call: in
 * generation order per log and scope, otherwise in the order in which they arrived here. What one store write brought is
 * therefore given together, whatever its scopes. Reads as it is asked, and what follows while that is being sent: a slow peer
 * costs no more memory than that. [HI37]
 */
export async function* partsAbove(
  deps: ServeDeps,
  wanted: readonly WantedScope[],
): AsyncGenerator<ServedPart, void, undefined> {
  const ahead = new ReadAhead(deps, dueParts(deps, wanted));
  let following = ahead.next();
  for (let due = await following; due.length > 0; due = await following) {
    following = ahead.next();
    // Met when it is waited for; who asks no more waits for nothing.
    following.catch(() => {});
    for (const { scope, log, stored, isWhole, rows } of due) {
      const part = await servedPart(deps, scope, log, stored, rows);
      // Taken back since it was found, as is all that follows in its log.
      if (part !== undefined) yield { scope, part, log, generation: stored.generation, isWhole };
    }
  }
}

/** A part that is due, and its place. */
interface DuePart extends Omit<ServedPart, "part" | "generation"> {
  readonly stored: StoredPart;
}

/** What is due, in order, as it is stored. */
async function* dueParts(
  deps: TurnDeps,
  wanted: readonly WantedScope[],
): AsyncGenerator<DuePart, void, undefined> {
  const sources = wanted.flatMap((one) => sourcesOf(deps, one));
  const ahead = Math.max(1, Math.floor(SERVE_AHEAD_PARTS / Math.max(1, sources.length)));
  const siblings = new Siblings(deps, sources);
  for (let from = 0; from < sources.length; from += SERVE_SCANS_MAX) {
    const page = sources.slice(from, from + SERVE_SCANS_MAX);
    await Promise.all(page.map((source) => source.advance(ahead)));
  }
  // The earliest last: it is taken, and put back where its next part belongs.
  const waiting = sources.filter(({ current }) => current !== undefined).sort(laterFirst);
  for (let next = waiting.pop(); next?.current !== undefined; next = waiting.pop()) {
    const { scope, log, current } = next;
    yield { scope, log, stored: current, isWhole: await siblings.note(next, current) };
    await next.advance(ahead);
    if (next.current !== undefined) waiting.splice(placeFor(waiting, next), 0, next);
  }
}

/** Reads the rows of several parts together, as many as come to few bytes by what those before them came to. */
class ReadAhead {
  readonly #deps: ServeDeps;
  readonly #due: AsyncGenerator<DuePart, void, undefined>;
  /** Ops that are read together: the first part alone, since nothing is known of how large rows are. */
  #opsMax = 1;

  constructor(deps: ServeDeps, due: AsyncGenerator<DuePart, void, undefined>) {
    this.#deps = deps;
    this.#due = due;
  }

  /** The next parts, with what was read of their rows; none: there are no more. */
  async next(): Promise<readonly (DuePart & { readonly rows?: RowRecords | undefined })[]> {
    const { serving } = this.#deps;
    const parts: DuePart[] = [];
    for (let ops = 0; ops < this.#opsMax && parts.length < SERVE_TOGETHER_PARTS_MAX;) {
      const { value } = await this.#due.next();
      if (value === undefined) break;
      parts.push(value);
      ops += value.stored.record.held.length;
    }
    const unread = parts.filter(
      ({ scope, log, stored: { generation, record } }) =>
        serving.recent.get({ scope: scope.number, log, generation }, record) === undefined,
    );
    const held = unread.map(({ scope, stored }) => ({
      scope: scope.number,
      held: stored.record.held,
    }));
    const rows = new Map((await this.#read(held)).map((one, i) => [unread[i], one]));
    let bytes = 0;
    let ops = 0;
    const read = parts.map((part) => {
      const ofPart = rows.get(part);
      ops += ofPart?.length ?? 0;
      for (const record of ofPart ?? []) bytes += record?.length ?? 0;
      // Larger than those before it: what is beyond is read again when it is its turn.
      const isKept = part === parts[0] || bytes <= SERVE_TOGETHER_BYTES_MAX;
      return { ...part, rows: isKept ? ofPart : undefined };
    });
    const fitting = Math.ceil((ops * SERVE_TOGETHER_BYTES) / Math.max(1, bytes));
    if (ops > 0) this.#opsMax = Math.min(fitting, SERVE_TOGETHER_OPS_MAX);
    return read;
  }

  /** A few streams at a time: the store reads no faster for more, and each may meet rows far larger than those before. */
  async #read(held: Parameters<typeof rowsOf>[1]): Promise<RowRecords[]> {
    const { store, serving } = this.#deps;
    await serving.reads.take(1);
    try {
      return await rowsOf(store, held);
    } finally {
      serving.reads.give(1);
    }
  }
}

function sourcesOf(deps: TurnDeps, { scope, vector }: WantedScope): LogSource[] {
  const sources: LogSource[] = [];
  for (const [log, last] of scope.numbers) {
    const after = generationIn(vector, deps.interner.logOf(log));
    if (last > after) sources.push(new LogSource(deps.store, scope, log, { after, last }));
  }
  return sources;
}

const arrivalOf = ({ current }: LogSource): number => current?.record.sequence ?? 0;

function laterFirst(a: LogSource, b: LogSource): number {
  return arrivalOf(b) - arrivalOf(a);
}

/** Where `source` belongs among those that wait, the latest first. */
function placeFor(waiting: readonly LogSource[], source: LogSource): number {
  const arrival = arrivalOf(source);
  let [low, high] = [0, waiting.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (arrivalOf(waiting[middle] as LogSource) > arrival) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What is held of a part. */
export interface HeldPart {
  readonly generation: number;
  readonly ops: readonly HeldOp[];
}

/** The parts of one log in a scope from the generation `from` down, with the ops held of each. */
export async function* partsBefore(
  store: Store,
  scope: ScopeState,
  log: LogNumber,
  from: number,
): AsyncGenerator<HeldPart, void, undefined> {
  const range = {
    gte: commitKey(scope.number, log, 1),
    lt: commitKey(scope.number, log, from + 1),
  };
  for await (const { key, value } of store.scan(range, { reverse: true })) {
    const { held } = readRecord("commit", value, decodeStoredCommit);
    yield { generation: generationOf(key), ops: held.map(decodeHeld) };
  }
}

/** A part as it was signed; `undefined` when it does not count any more. `rows`: what was read of its rows before. */
async function servedPart(
  deps: ServeDeps,
  scope: ScopeState,
  log: LogNumber,
  { generation, record }: StoredPart,
  rows?: RowRecords,
): Promise<CommitPart | undefined> {
  const name = { scope: scope.number, log, generation };
  const { recent } = deps.serving;
  const isCounted = (): boolean => generation <= (scope.numbers.get(log) ?? 0);
  let sources = storedOps(deps.store, scope.number, log, generation, rows);
  let current = record;
  for (let isAgain = false; isCounted();) {
    try {
      const known = recent.get(name, current);
      if (known !== undefined) return known;
      const part = await assemblePart(deps, current, sources);
      // Of a device whose store this was: who is sent it could only blame us.
      if (isUnsigned(part.signature))
        throw new HistoryError("HISTORY_CORRUPT", "Cannot read commit: nobody here can sign it");
      recent.put(name, part);
      return part;
    } catch (error) {
      const bytes = await deps.store.get(commitKey(scope.number, log, generation));
      const now = bytes && readRecord("commit", bytes, decodeStoredCommit);
      // What was dropped since the record was read is not in the one that is there now: each time round it holds less.
      const isLess = now !== undefined && now.held.length < current.held.length;
      if (isAgain && !isLess && isCounted()) throw error;
      // Or a write has moved a version between two reads.
      if (!isLess && rows === undefined) isAgain = true;
      current = now ?? current;
      rows = undefined;
      sources = storedOps(deps.store, scope.number, log, generation);
    }
  }
  return undefined;
}

/** Which parts of commits of several scopes are still to come. */
class Siblings {
  readonly #deps: TurnDeps;
  readonly #byLog: ReadonlyMap<LogNumber, readonly LogSource[]>;
  readonly #missing = new Set<string>();

  constructor(deps: TurnDeps, sources: readonly LogSource[]) {
    this.#deps = deps;
    this.#byLog = Map.groupBy(sources, ({ log }) => log);
  }

  /** Takes note of the part that is given next; answers whether nothing is missing then. */
  async note(source: LogSource, { generation, record }: StoredPart): Promise<boolean> {
    if (this.#missing.delete(placeOf(source, generation))) return this.#missing.size === 0;
    const others = (this.#byLog.get(source.log) ?? []).filter(
      (other) => other !== source && other.isDue(generation),
    );
    // The others of a commit that was begun before are missing already, or have been given.
    if (others.length > 0 && decode(CommitHeaderSchema, record.header).parts.length > 1) {
      const found = await this.#deps.store.getMany(
        others.map(({ scope, log }) => commitKey(scope.number, log, generation)),
      );
      others.forEach((other, i) => {
        if (found[i] !== undefined) this.#missing.add(placeOf(other, generation));
      });
    }
    return this.#missing.size === 0;
  }
}

function placeOf({ scope, log }: LogSource, generation: number): string {
  return `${scope.number} ${log} ${generation}`;
}

/** Where control ops stand; `digest`: of the commit, where that is a rival. */
export interface LoosePlace {
  readonly log: LogNumber;
  readonly generation: number;
  readonly digest?: string | undefined;
}

/** Where the control ops stand that a peer has not been told of by the parts up to `vector`. */
export function* loosePlaces(
  { controlPlaces, rivals }: ScopeState,
  vector: ReadonlyMap<LogNumber, number>,
): Generator<LoosePlace, void, undefined> {
  yield* controlPlaces.beyond(vector);
  yield* rivals.all(true);
}

/**
 * Parts with control ops, without their rows: others may have built on them. In order of their time, so that one mostly
 * follows what it names.
 */
export async function loosePartsOf(
  deps: ServeDeps,
  scope: ScopeState,
  places: Iterable<LoosePlace> = loosePlaces(scope, scope.numbers),
): Promise<CommitPart[]> {
  const loose: { readonly part: CommitPart; readonly timestamp: bigint }[] = [];
  for (const place of places) {
    const whole = await partAt(deps, scope, place);
    const part = whole && controlsOnly(deps.crypto, whole);
    // Moved meanwhile; or the control ops of this place are a rival's.
    if (part === undefined || part.ops.length === 0 || isUnsigned(part.signature)) continue;
    const { timestamp } = decode(CommitHeaderSchema, part.header);
    loose.push({ part, timestamp });
  }
  return loose.sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1)).map(({ part }) => part);
}

async function partAt(
  deps: ServeDeps,
  scope: ScopeState,
  { log, generation, digest }: LoosePlace,
): Promise<CommitPart | undefined> {
  if (digest !== undefined)
    return (await readRival(deps.store, scope.number, { log, generation, digest })).part;
  const aside = await deps.store.get(asideKey(scope.number, log, generation));
  if (aside !== undefined) return readRecord("part aside", aside, decodeAside).part;
  const bytes = await deps.store.get(commitKey(scope.number, log, generation));
  if (bytes === undefined) return undefined;
  const record = readRecord("commit", bytes, decodeStoredCommit);
  return servedPart(deps, scope, log, { generation, record });
}

/** The control ops that a scope begins with, as signed. */
export async function rootsOf(
  { store }: Pick<TurnDeps, "store">,
  { number, control }: ScopeState,
): Promise<Uint8Array[]> {
  const keys = control.roots.map((id) => controlKey(number, controlIdBytes(id)));
  const found = (await store.getMany(keys)).filter((bytes) => bytes !== undefined);
  return found.map((bytes) => readRecord("control op", bytes, decodeControlRecord).op);
}
