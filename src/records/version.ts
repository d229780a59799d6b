/**
 * Versions of a row, and how they merge. Everything here is a plain function over interned logs; docs/spec/history.md
 * says the rules, and property tests hold the algebra.
 */

/** A log's number in this store. Never leaves it. */
export type LogNumber = number;

/** A set of dots closed downwards, by log: entry (log, generation) stands for generations 1 to `generation`, 1 or more. */
export type Context = readonly ContextEntry[];

export interface ContextEntry {
  readonly log: LogNumber;
  readonly generation: number;
}

/** One value that a row was given, or its deletion, with what its writer had seen of the row. */
export interface Version {
  readonly log: LogNumber;
  readonly generation: number;
  /** Hybrid logical clock of the commit. */
  readonly timestamp: bigint;
  /** 16 random bytes of the op, kept so that the op can be sent on as signed. */
  readonly salt: Uint8Array;
  /** SHA-256 of the op as signed, 32 bytes: what the head sum is over, without hashing it again. [HI13] */
  readonly digest: Uint8Array;
  readonly context: Context;
  /** CBOR, or `undefined` for a deletion. */
  readonly value: Uint8Array | undefined;
}

/** What a row is: the versions nobody has seen past, and all that any version of it had seen. */
export interface Row {
  /** Nobody has seen past these. One: no conflict. The first is the winner by (timestamp, log id). */
  readonly heads: readonly Version[];
  /** The join of the contexts of all versions of this row held or dropped, in order of log number. */
  readonly seen: Context;
}

/** A row that nobody has written. */
export const ABSENT_ROW: Row = { heads: [], seen: [] };

/** What a merge did to a row: its new form, and what is kept beside it from now on. */
export interface Merged {
  readonly row: Row;
  /** Versions that were heads before and are not now, or never became one. */
  readonly superseded: readonly Version[];
}

/** The generation up to which `context` has seen `log`; 0 when it does not name it. */
export function seenIn(context: Context, log: LogNumber): number {
  // By index: called for each row that is written again, when an iterator is still an object.
  for (let i = 0; i < context.length; i++) {
    const entry = context[i] as ContextEntry;
    if (entry.log === log) return entry.generation;
  }
  return 0;
}

/** Log by log the greater, in order of log number. */
export function joinContexts(a: Context, b: Context): Context {
  if (isSorted(a) && isSorted(b)) {
    // Mostly one of them is the join: who writes a row again has seen what there was.
    if (covers(b, a)) return b;
    if (covers(a, b)) return a;
  }
  const join = new Map<LogNumber, number>();
  // Heads may name a log twice, so neither is taken to name each once.
  for (const { log, generation } of [...a, ...b]) {
    if (generation > (join.get(log) ?? 0)) join.set(log, generation);
  }
  return Array.from(join, ([log, generation]) => ({ log, generation })).sort(byLog);
}

/**
 * Adds a version that is not held yet. Commutative, associative and idempotent over any set of versions: the heads are
 * those that no context in the set covers. [HI6] [HI7]
 */
export function mergeVersion(row: Row, version: Version, order: LogOrder): Merged {
  // Most versions are their row's first.
  if (row.heads.length + row.seen.length + version.context.length === 0)
    return { row: { heads: [version], seen: NOTHING_SEEN }, superseded: NONE };
  const only = row.heads.length === 1 ? row.heads[0] : undefined;
  if (row.heads.some((head) => isSameDot(head, version))) return { row, superseded: NONE };
  const seen = joinContexts(row.seen, version.context);
  // Most others follow the only head.
  if (only !== undefined && isSeen(seen, only) && !isSeen(seen, version))
    return { row: { heads: [version], seen }, superseded: row.heads };
  const isCovered = (one: Version): boolean => isSeen(seen, one);
  const heads = row.heads.filter((head) => !isCovered(head));
  const superseded = row.heads.filter(isCovered);
  if (isCovered(version)) superseded.push(version);
  else insertHead(heads, version, order);
  return { row: { heads, seen }, superseded };
}

/** Whether two stand under one log and generation. */
export function isSameDot(a: ContextEntry, b: ContextEntry): boolean {
  return a.log === b.log && a.generation === b.generation;
}

function isSeen(seen: Context, { log, generation }: ContextEntry): boolean {
  return generation <= seenIn(seen, log);
}

const NOTHING_SEEN: Context = [];
const NONE: readonly Version[] = [];

/** The context of a local write: all that the row's versions had seen, and its heads themselves. [HI8] */
export function contextOf(row: Row): Context {
  if (row.heads.length === 0) return row.seen;
  return joinContexts(
    row.seen,
    row.heads.map(({ log, generation }) => ({ log, generation })),
  );
}

/** Compares the ids of two logs, the same way on every device: negative when `a` comes first. */
export type LogOrder = (a: LogNumber, b: LogNumber) => number;

/** Which of two heads is visible under last-write-wins: the greater (timestamp, log id, generation) first. [HI9] */
export function compareHeads(a: Version, b: Version, order: LogOrder): number {
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp ? -1 : 1;
  return order(b.log, a.log) || b.generation - a.generation;
}

function insertHead(heads: Version[], version: Version, order: LogOrder): void {
  const place = heads.findIndex((head) => compareHeads(version, head, order) < 0);
  heads.splice(place === -1 ? heads.length : place, 0, version);
}

function byLog(a: ContextEntry, b: ContextEntry): number {
  return a.log - b.log;
}

function isSorted(context: Context): boolean {
  for (let i = 1; i < context.length; i++)
    if ((context[i - 1] as ContextEntry).log >= (context[i] as ContextEntry).log) return false;
  return true;
}

/** Whether `a` has seen all that `b` has. Both are sorted. */
function covers(a: Context, b: Context): boolean {
  if (b.length > a.length) return false;
  let at = 0;
  for (let i = 0; i < b.length; i++) {
    const { log, generation } = b[i] as ContextEntry;
    while (at < a.length && (a[at] as ContextEntry).log < log) at += 1;
    const entry = a[at];
    if (entry === undefined || entry.log !== log || entry.generation < generation) return false;
  }
  return true;
}
