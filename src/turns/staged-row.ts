/** A row as a turn will leave it. */

import {
  ABSENT_ROW,
  type ContextEntry,
  decodeRow,
  decodeVersion,
  encodeRow,
  type LoneRow,
  readRecord,
  type Row,
  type Version,
} from "../records/index.ts";
import { Beside } from "./beside.ts";

/** A row within its scope: its space, its key as bytes and as text. */
export interface RowName {
  readonly space: number;
  readonly key: Uint8Array;
  readonly text: string;
}

/** A version that was a row's only one: `bytes` is what the store is to hold of it beside the row. */
export interface Replaced extends ContextEntry {
  readonly bytes: Uint8Array;
}

/**
 * A row as a record or as what that says: most are read, get one version more, which has seen the only one before, and are not
 * looked at again, so that the record is enough.
 */
export class StagedRow {
  readonly name: RowName;
  /** Its key in the store. */
  readonly place: Uint8Array;
  /** `undefined`: it is what `#record` says. */
  #row: Row | undefined;
  #record: Uint8Array | undefined;
  #isChanged = false;
  #replaced: Replaced | undefined;
  #beside: Beside | undefined;

  /** `record`: what the store holds; `undefined`: nobody has written it. */
  constructor(name: RowName, place: Uint8Array, record: Uint8Array | undefined) {
    this.name = name;
    this.place = place;
    this.#row = record === undefined ? ABSENT_ROW : undefined;
    this.#record = record;
  }

  /** @throws {HistoryError} `HISTORY_CORRUPT`. */
  get row(): Row {
    return (this.#row ??= readRecord("row", this.#record as Uint8Array, decodeRow));
  }

  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** What changes beside it; `undefined`: nothing. */
  get beside(): Beside | undefined {
    this.#takeApart();
    return this.#beside;
  }

  /** The version that `putNext` has put beside it, where that is all that changes there. */
  get replaced(): Replaced | undefined {
    return this.#replaced;
  }

  /** What the store is to hold; `undefined`: nothing is left of it. */
  record(): Uint8Array | undefined {
    if (this.#record !== undefined) return this.#record;
    const { heads, seen } = this.row;
    return heads.length + seen.length === 0 ? undefined : encodeRow(this.row);
  }

  change(row: Row): void {
    this.#takeApart();
    this.#row = row;
    this.#record = undefined;
    this.#isChanged = true;
  }

  /** Puts a version beside it, or (`undefined`) takes it from there. */
  setBeside(of: Version, version: Version | undefined): void {
    this.#takeApart();
    this.#beside ??= new Beside();
    this.#beside.set(of, version);
  }

  /** Whether nothing is there: nobody has written it, or all of that was taken back. */
  get isAbsent(): boolean {
    return this.#row === ABSENT_ROW;
  }

  /** Gives a row that was absent its first version, by what the store is to hold. */
  putFirst(record: Uint8Array): void {
    this.#put(record);
  }

  /** What the store holds, where the turn has only read it and it may be a lone row. */
  readLone(lone: LoneRow): Uint8Array | undefined {
    const record = this.#isChanged || this.#beside !== undefined ? undefined : this.#record;
    return record !== undefined && lone.read(record) ? record : undefined;
  }

  /** Gives it a version that has seen the one that `readLone` has read, and all that this had seen. */
  putNext(record: Uint8Array, { log, generation }: LoneRow): void {
    const before = this.#record as Uint8Array;
    // Behind the first byte of a lone row's record stands its version, as it is kept beside a row.
    this.#replaced = { log, generation, bytes: before.subarray(1) };
    this.#put(record);
  }

  #put(record: Uint8Array): void {
    this.#row = undefined;
    this.#record = record;
    this.#isChanged = true;
  }

  #takeApart(): void {
    if (this.#replaced === undefined) return;
    const version = readRecord("version", this.#replaced.bytes, decodeVersion);
    this.#replaced = undefined;
    this.#beside = new Beside();
    this.#beside.set(version, version);
  }
}
