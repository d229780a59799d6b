/** What a batch has read and is to write, over all of its collections. */

import {
  BATCH_BYTES_MAX,
  BATCH_OPS_MAX,
  compareBytes,
  type LogKey,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import {
  type RangeRead,
  ROW_SPACE,
  type Row,
  type RowName,
  type RowRange,
  type RowRead,
  type RowWrite,
  type View,
  type WriteRequest,
} from "../history/index.ts";
import { DbError } from "./errors.ts";
import { BATCH_COLLECTIONS_MAX, BATCH_RANGES_MAX, BATCH_READS_MAX } from "./limits.ts";

interface ScopeContent {
  readonly scope: ScopeId;
  readonly writes: Map<string, RowWrite>;
  readonly reads: Map<string, RowRead>;
}

/** A range that has been read, until it is known that less of it was. */
type OpenRange = { -readonly [K in keyof RangeRead]: RangeRead[K] };

export class BatchContent {
  readonly #scopes = new Map<ScopeKey, ScopeContent>();
  readonly #ranges: OpenRange[] = [];
  #last: ScopeContent | undefined;
  #ops = 0;
  #bytes = 0;
  #reads = 0;

  /** What was last written to a row, if anything was. */
  written(scope: ScopeId, key: string): RowWrite | undefined {
    return this.#find(scope)?.writes.get(key);
  }

  /** All that was written within a range, in key order. */
  writtenWithin(scope: ScopeId, { start, end }: RowRange, reverse: boolean): RowWrite[] {
    const writes = this.#find(scope)?.writes.values() ?? [];
    const sign = reverse ? -1 : 1;
    return [...writes]
      .filter(
        ({ name: { key } }) =>
          (start === undefined || compareBytes(key, start) >= 0) &&
          (end === undefined || compareBytes(key, end) < 0),
      )
      .sort((a, b) => sign * compareBytes(a.name.key, b.name.key));
  }

  /** As `write`, of one row: most are written one by one. */
  writeOne(scope: ScopeId, row: RowWrite): void {
    const last = this.#find(scope);
    const size = sizeOf(row);
    // The first of a scope, or one over another: `write` counts these.
    const isCounted =
      last === undefined || last.writes.size === 0 || last.writes.has(row.name.text);
    if (isCounted || this.#ops >= BATCH_OPS_MAX || this.#bytes + size > BATCH_BYTES_MAX)
      return this.write(scope, [row]);
    last.writes.set(row.name.text, row);
    this.#ops += 1;
    this.#bytes += size;
  }

  /** Takes all of `rows`, or none. @throws {DbError} `DB_BATCH_TOO_LARGE`. */
  write(scope: ScopeId, rows: readonly RowWrite[]): void {
    if (rows.length === 0) return;
    const known = this.#find(scope)?.writes;
    let [ops, bytes] = [this.#ops, this.#bytes];
    for (const row of rows) {
      const before = known?.get(row.name.text);
      ops += before === undefined ? 1 : 0;
      bytes += sizeOf(row) - (before === undefined ? 0 : sizeOf(before));
    }
    if (ops > BATCH_OPS_MAX) throw tooLarge(`over ${BATCH_OPS_MAX} ops`);
    if (bytes > BATCH_BYTES_MAX) throw tooLarge(`over ${BATCH_BYTES_MAX} bytes`);
    if ((known === undefined || known.size === 0) && this.#written() >= BATCH_COLLECTIONS_MAX)
      throw tooLarge(`over ${BATCH_COLLECTIONS_MAX} collections`);
    const { writes } = this.#in(scope);
    for (const row of rows) writes.set(row.name.text, row);
    this.#ops = ops;
    this.#bytes = bytes;
  }

  /** @throws {DbError} `DB_BATCH_TOO_LARGE` when no further row may be read. */
  refuseRead(scope: ScopeId, { text }: RowName): void {
    if (this.#find(scope)?.reads.has(text) === true) return;
    if (this.#reads >= BATCH_READS_MAX)
      throw new DbError(
        "DB_BATCH_TOO_LARGE",
        `Cannot read in batch: it reads over ${BATCH_READS_MAX} rows`,
      );
  }

  noteRead(scope: ScopeId, name: RowName, row: Row): void {
    const { reads } = this.#in(scope);
    if (!reads.has(name.text)) this.#reads += 1;
    reads.set(name.text, { scope, name, row: headsOnly(row) });
  }

  /** Answers a function that says, when a scan ends early, how far it got. @throws {DbError} `DB_BATCH_TOO_LARGE`. */
  noteRange(
    scope: ScopeId,
    view: View,
    range: RowRange,
    reverse: boolean,
  ): (last: Uint8Array) => void {
    if (this.#ranges.length >= BATCH_RANGES_MAX)
      throw new DbError(
        "DB_BATCH_TOO_LARGE",
        `Cannot read in batch: it reads over ${BATCH_RANGES_MAX} ranges`,
      );
    const open: OpenRange = { scope, view, space: ROW_SPACE.rows, ...range };
    this.#ranges.push(open);
    return (last) => {
      if (reverse) open.start = last;
      else open.end = after(last);
    };
  }

  /** What is to be committed; `undefined`: nothing. */
  request(log: LogKey | undefined, hint: string | undefined): WriteRequest | undefined {
    if (this.#ops === 0) return undefined;
    const scopes = [...this.#scopes.values()];
    return {
      parts: scopes
        .filter(({ writes }) => writes.size > 0)
        .map(({ scope, writes }) => ({ scope, rows: [...writes.values()] })),
      reads: scopes.flatMap(({ reads }) => [...reads.values()]),
      ranges: this.#ranges,
      log,
      hint,
    };
  }

  #written(): number {
    let count = 0;
    for (const { writes } of this.#scopes.values()) if (writes.size > 0) count += 1;
    return count;
  }

  #in(scope: ScopeId): ScopeContent {
    const known = this.#find(scope);
    if (known !== undefined) return known;
    const content = { scope, writes: new Map(), reads: new Map() };
    this.#scopes.set(scopeKeyOf(scope), content);
    return content;
  }

  #find(scope: ScopeId): ScopeContent | undefined {
    // Most batches go on in the collection that they were in.
    if (this.#last?.scope === scope) return this.#last;
    this.#last = this.#scopes.get(scopeKeyOf(scope));
    return this.#last;
  }
}

function tooLarge(why: string): DbError {
  return new DbError("DB_BATCH_TOO_LARGE", `Cannot add to batch: ${why}`);
}

/** The least key after `key`. */
function after(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

const NO_SALT = new Uint8Array();
const NO_DIGEST = new Uint8Array();

/** Which versions a row had: without their values, so that a batch may read more than it may hold. */
function headsOnly({ heads }: Row): Row {
  return {
    heads: heads.map(({ log, generation, timestamp }) => ({
      log,
      generation,
      timestamp,
      salt: NO_SALT,
      digest: NO_DIGEST,
      context: [],
      value: undefined,
    })),
    seen: [],
  };
}

/** Bytes of an op beside its key and value: salt, tags and lengths. What a context takes is checked at the commit. */
const OP_OVERHEAD = 32;

function sizeOf({ name, value }: RowWrite): number {
  return name.key.length + (value?.length ?? 0) + OP_OVERHEAD;
}
