/** Rows, changes and stored parts as they are read in order. */

import type { VerifiedOp } from "../access/index.ts";
import {
  ABSENT_ROW,
  asideKey,
  changeKey,
  type ChangeRecord,
  changeRange,
  commitKey,
  commitRange,
  controlRange,
  decodeAside,
  decodeChange,
  decodeControlRecord,
  decodeHeld,
  decodeRow,
  HistoryError,
  type Interner,
  type LogNumber,
  isEmptyRange,
  markerOf,
  type PartName,
  positionOf,
  readRecord,
  type Row,
  ROW_KEY_PREFIX,
  rowRange,
  type ScopeNumber,
  sequenceOf,
  storedControl,
  type StoredRecord,
} from "../records/index.ts";
import type { ScanOptions, Store } from "../store/index.ts";
import { changeOfPlace, type DatabaseState, type ScopeState } from "../turns/index.ts";
import { decodeOp, decodeStoredCommit } from "../wire/index.ts";
import { READ_SINGLY_MAX, SERVE_AHEAD_BYTES } from "./limits.ts";

/** Where a scan of rows begins and ends, by row key bytes. */
export interface RowRange {
  /** First key; default: the first there is. */
  readonly start?: Uint8Array | undefined;
  /** The key before which it ends; default: after the last. */
  readonly end?: Uint8Array | undefined;
}

/** A change as it lies in the order of changes. */
export interface Change extends ChangeRecord {
  readonly sequence: number;
}

/** The row that a record holds, if there is one. */
export function rowIn(record: Uint8Array | undefined): Row {
  return record === undefined ? ABSENT_ROW : readRecord("row", record, decodeRow);
}

/** Rows of a scope in key order, deleted ones too. */
export async function* scanRows(
  store: Store,
  scope: ScopeNumber | undefined,
  space: number,
  range: RowRange,
  options: ScanOptions | undefined,
): AsyncGenerator<{ readonly key: Uint8Array; readonly row: Row }, void, undefined> {
  if (scope === undefined) return;
  const keys = rowRange(scope, space, range.start, range.end);
  if (isEmptyRange(keys)) return;
  for await (const { key, value } of store.scan(keys, options))
    yield { key: key.subarray(ROW_KEY_PREFIX), row: readRecord("row", value, decodeRow) };
}

/** A row by its key within a scope. */
export interface RowPlace {
  readonly space: number;
  readonly key: Uint8Array;
}

/** The order of changes of each database, read as it is asked. */
export class ChangeOrder {
  readonly #store: Store;
  readonly #interner: Interner;
  readonly #databases: ReadonlyMap<string, DatabaseState>;

  constructor(
    { store, interner }: { readonly store: Store; readonly interner: Interner },
    databases: ReadonlyMap<string, DatabaseState>,
  ) {
    this.#store = store;
    this.#interner = interner;
    this.#databases = databases;
  }

  /** Changes of a database after a position, oldest first, up to now. [HI26] */
  async *after(database: string, sequence: number): AsyncGenerator<Change, void, undefined> {
    const state = this.#databases.get(database);
    if (state === undefined) return;
    const last = state.sequence;
    if (last - sequence <= READ_SINGLY_MAX) return yield* this.#few(state, sequence, last);
    for await (const { key, value } of this.#store.scan(changeRange(state.number, sequence))) {
      const at = sequenceOf(key);
      if (at > last) return;
      yield { sequence: at, ...readRecord("change", value, decodeChange) };
    }
  }

  /** Reads each by its number: no iterator, no thread. Who follows what is written asks for one or two. */
  async *#few(
    { number }: DatabaseState,
    after: number,
    last: number,
  ): AsyncGenerator<Change, void, undefined> {
    const found = await this.#store.getMany(
      Array.from({ length: Math.max(0, last - after) }, (_, i) => changeKey(number, after + 1 + i)),
    );
    for (const [i, value] of found.entries()) {
      // Of one that was collected all rows are in later ones.
      if (value === undefined) continue;
      yield { sequence: after + 1 + i, ...readRecord("change", value, decodeChange) };
    }
  }

  /** Names of the rows that a part wrote, in its order. */
  async rowsOf({ scope, log, generation }: PartName): Promise<RowPlace[]> {
    const bytes = await this.#store.get(commitKey(scope, log, generation));
    if (bytes !== undefined) {
      return readRecord("commit", bytes, decodeStoredCommit)
        .held.map(decodeHeld)
        .filter((held) => held !== "control");
    }
    const aside = await this.#store.get(asideKey(scope, log, generation));
    if (aside === undefined) return [];
    const { part: raw } = readRecord("part aside", aside, decodeAside);
    return raw.ops.map(decodeOp).filter((op) => op.control === undefined);
  }

  /**
   * The change that brought a part to where it counts now; `undefined`: it does not count, or is not here. A part that was
   * put back keeps its place.
   */
  async arrivalOf({ scope, log, generation }: PartName): Promise<number | undefined> {
    const bytes = await this.#store.get(commitKey(scope, log, generation));
    return bytes && changeOfPlace(readRecord("commit", bytes, decodeStoredCommit).sequence);
  }

  /** The control ops of a scope that came, or began to count, with changes after a position. Reads its control log. */
  async controlsAfter(scope: ScopeNumber, sequence: number): Promise<VerifiedOp[]> {
    const found: VerifiedOp[] = [];
    for await (const { key, value } of this.#store.scan(controlRange(scope))) {
      const record = readRecord("control op", value, decodeControlRecord);
      const { log, generation } = record;
      const arrival = await this.arrivalOf({ scope, log, generation });
      // Of one whose part lies aside it is not known when it came.
      if (arrival !== undefined && arrival <= sequence) continue;
      found.push(storedControl(this.#interner, key.subarray(5), record).op);
    }
    return found;
  }

  /** Names a position, for `positionOf` after any time and restart: an opaque text. [HI60] @throws {HistoryError} `HISTORY_NO_DATABASE`. */
  markerOf(database: string, sequence: number): string {
    const state = this.#databases.get(database);
    if (state === undefined)
      throw new HistoryError("HISTORY_NO_DATABASE", `Cannot mark: no database "${database}" here`);
    return markerOf(state, sequence);
  }

  /** The position that a marker names; `undefined`: none of this store, as far as it has gone. [HI60] */
  positionOf(database: string, marker: string): number | undefined {
    const state = this.#databases.get(database);
    return state && positionOf(state, marker);
  }
}

/** A part as it is stored. */
export interface StoredPart {
  readonly generation: number;
  readonly record: StoredRecord;
}

/** The stored parts of one log in one scope, some ahead, without a scan that stays open: there may be very many logs. */
export class LogSource {
  readonly scope: ScopeState;
  readonly log: LogNumber;
  /** The last generation that is due. */
  readonly last: number;
  readonly #store: Store;
  /** Read ahead, the next one last. */
  #read: StoredPart[] = [];
  #after: number;
  #hasEnded = false;

  constructor(
    store: Store,
    scope: ScopeState,
    log: LogNumber,
    { after, last }: { readonly after: number; readonly last: number },
  ) {
    this.#store = store;
    this.scope = scope;
    this.log = log;
    this.#after = after;
    this.last = last;
  }

  /** Whether the part of this generation is due and has not been given. */
  isDue(generation: number): boolean {
    const { current } = this;
    return current !== undefined && generation >= current.generation && generation <= this.last;
  }

  get current(): StoredPart | undefined {
    return this.#read.at(-1);
  }

  /** Goes to the next part; reads at most `ahead` of them, fewer when they are large. */
  async advance(ahead: number): Promise<void> {
    this.#read.pop();
    if (this.#read.length > 0 || this.#hasEnded) return;
    let bytes = 0;
    for await (const [generation, value] of this.#stored(ahead)) {
      this.#read.push({ generation, record: readRecord("commit", value, decodeStoredCommit) });
      this.#after = generation;
      bytes += value.length;
      if (bytes >= SERVE_AHEAD_BYTES || this.#read.length === ahead) break;
    }
    this.#hasEnded = this.#read.length === 0 || this.#after >= this.last;
    this.#read.reverse();
  }

  /** What is stored of the log from here on, `limit` parts at most. */
  async *#stored(limit: number): AsyncGenerator<[number, Uint8Array], void, undefined> {
    const { number } = this.scope;
    const after = this.#after;
    if (this.last - after <= READ_SINGLY_MAX) {
      // Who follows what is written lacks one or two: each is read by its number, without an iterator or a thread.
      for (let one = after + 1; one <= this.last; one++) {
        const value = await this.#store.get(commitKey(number, this.log, one));
        if (value !== undefined) yield [one, value];
      }
      return;
    }
    const range = commitRange(number, this.log, after);
    for await (const { key, value } of this.#store.scan(range, { limit })) {
      const generation = generationOf(key);
      if (generation > this.last) return;
      yield [generation, value];
    }
  }
}

/** The generation in a commit's key: its last 8 bytes. */
export function generationOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return view.getUint32(9) * 2 ** 32 + view.getUint32(13);
}
