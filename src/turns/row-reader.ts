/** How a turn reads the rows that it is about to change. */

import { HistoryError, nearOrder, rowKey } from "../records/index.ts";
import type { Store } from "../store/index.ts";
import { READS_AT_ONCE, ROWS_A_READ, ROWS_AT_ONCE_MAX } from "./limits.ts";
import { type RowName, StagedRow } from "./staged-row.ts";
import type { StagedScope } from "./staged-scope.ts";

/** A row that is to be read, and where it would lie. */
interface Sought {
  readonly name: RowName;
  readonly place: Uint8Array;
}

/** Rows that are being read. */
interface Page {
  readonly sought: readonly Sought[];
  readonly found: Promise<(Uint8Array | undefined)[]>;
}

export class RowReader {
  readonly #store: Store;
  readonly #bytesMax: number;
  #bytesRead = 0;

  /** `bytesMax`: of rows as they are that may be read. */
  constructor(store: Store, bytesMax: number) {
    this.#store = store;
    this.#bytesMax = bytesMax;
  }

  /** Gives the scope those of the rows that it does not hold yet. @throws {HistoryError} `HISTORY_TOO_LARGE`. */
  async load(
    scope: StagedScope,
    names: readonly RowName[],
    bytesMax = this.#bytesMax,
  ): Promise<void> {
    if (this.loadNow(scope, names, bytesMax)) return;
    const missing = this.#inPlace(
      scope,
      names.filter((name) => !this.#isHere(scope, name)),
    );
    // The next pages are read while one is taken up: at first one, since it is not known how large the rows are.
    const underWay: Page[] = [];
    for (let from = 0, most = 2; from < missing.length || underWay.length > 0;) {
      for (; from < missing.length && underWay.length < most; from += ROWS_A_READ)
        underWay.push(this.#read(missing.slice(from, from + ROWS_A_READ)));
      const { sought, found } = underWay.shift() as Page;
      const records = await found;
      sought.forEach(({ name, place }, i) => this.#take(scope, name, place, records[i]));
      this.#refuse(bytesMax);
      // More at once where as much again would still be far from too much.
      most = this.#bytesRead <= bytesMax / (2 * READS_AT_ONCE) ? READS_AT_ONCE : 2;
    }
  }

  /** As `load` where the rows are few and the store answers at once; `false`: they are to be waited for. */
  loadNow(scope: StagedScope, names: readonly RowName[], bytesMax = this.#bytesMax): boolean {
    if (names.length > ROWS_AT_ONCE_MAX) return false;
    for (const name of names) {
      if (this.#isHere(scope, name)) continue;
      const place = rowKey(scope.state.number, name.space, name.key);
      const found = this.#store.getNow(place);
      if (found === "wait") return false;
      this.#take(scope, name, place, found);
    }
    this.#refuse(bytesMax);
    return true;
  }

  /** Whether the scope holds the row, or does now since the store cannot. [HI76] */
  #isHere(scope: StagedScope, name: RowName): boolean {
    if (scope.rows.get(name) !== undefined) return true;
    const { number, written } = scope.state;
    if (written === undefined || written.mayHave(name)) return false;
    this.#take(scope, name, rowKey(number, name.space, name.key), undefined);
    return true;
  }

  /** The rows with their places in the store, about in the order of these: neighbours are read together. */
  #inPlace({ state }: StagedScope, names: readonly RowName[]): readonly Sought[] {
    const places = names.map(({ space, key }) => rowKey(state.number, space, key));
    return nearOrder(places).map((i) => ({
      name: names[i] as RowName,
      place: places[i] as Uint8Array,
    }));
  }

  #read(sought: readonly Sought[]): Page {
    const places = sought.map(({ place }) => place);
    const found = this.#store.getMany(places);
    // Where the page before it fails nobody waits for this one.
    found.catch(() => {});
    return { sought, found };
  }

  #take(
    scope: StagedScope,
    name: RowName,
    place: Uint8Array,
    record: Uint8Array | undefined,
  ): void {
    if (record !== undefined) this.#bytesRead += record.length;
    scope.rows.add(new StagedRow(name, place, record));
  }

  #refuse(bytesMax: number): void {
    if (this.#bytesRead <= bytesMax) return;
    throw new HistoryError(
      "HISTORY_TOO_LARGE",
      `Cannot commit: the rows as they are have over ${bytesMax} bytes together`,
    );
  }
}
