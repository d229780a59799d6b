/** A row as a turn will leave it. */

import { ABSENT_ROW, decodeRow, encodeRow, readRecord, type Row } from "../records/index.ts";
import type { Beside } from "./beside.ts";

/** A row within its scope: its space, its key as bytes and as text. */
export interface RowName {
  readonly space: number;
  readonly key: Uint8Array;
  readonly text: string;
}

export class StagedRow {
  readonly name: RowName;
  /** Its key in the store. */
  readonly place: Uint8Array;
  changed = false;
  /** `undefined`: nothing changes beside it. */
  beside: Beside | undefined;
  /** `undefined`: it is what `#record` says. */
  #row: Row | undefined;
  #record: Uint8Array | undefined;

  constructor(name: RowName, place: Uint8Array, row: Row) {
    this.name = name;
    this.place = place;
    this.#row = row;
  }

  get row(): Row {
    return (this.#row ??= readRecord("row", this.#record as Uint8Array, decodeRow));
  }

  /** Whether nobody has written it. */
  get isAbsent(): boolean {
    return this.#row === ABSENT_ROW;
  }

  change(row: Row): void {
    this.#row = row;
    this.#record = undefined;
    this.changed = true;
  }

  /** Gives a row that was absent its first version, by what the store is to hold: few are looked at again in the turn. */
  putFirst(record: Uint8Array): void {
    this.#row = undefined;
    this.#record = record;
    this.changed = true;
  }

  /** What the store is to hold; `undefined`: nothing is left of it. */
  record(): Uint8Array | undefined {
    if (this.#record !== undefined) return this.#record;
    const { heads, seen } = this.row;
    return heads.length + seen.length === 0 ? undefined : encodeRow(this.row);
  }
}
