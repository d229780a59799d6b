/** The parts that a turn adds, takes back, lays aside and takes from aside. */

import type { Store, WriteOp } from "../store/index.ts";
import {
  asideKey,
  type AsideRecord,
  commitKey,
  commitRange,
  decodeAside,
  encodeAside,
  HistoryError,
  type LogNumber,
  type PartName,
  placeOf,
  readRecord,
  rivalKey,
  type ScopeNumber,
} from "../records/index.ts";
import type { AsideEntry } from "./aside.ts";
import { type Rival, rivalText } from "./rivals.ts";
import type { StagedScope } from "./staged-scope.ts";

export class StagedParts {
  readonly #store: Store;
  /** What counts from now on, and `undefined` for what does not any more. */
  readonly #commits = new Map<string, Staged<Uint8Array>>();
  readonly #asides = new Map<string, Staged<AsideRecord>>();
  /** Whether ops of a part that was taken are left out: who has it whole may hold rows that are lacking here. */
  isPartial = false;
  /** Whether rivals bring control ops. They change no row: their places name the parts of others. */
  hasRivals = false;
  readonly #rivals = new Map<string, { type: "put"; key: Uint8Array; value: Uint8Array }>();
  /** Parts that bring control ops without counting themselves. */
  readonly #bare = new Map<string, PartName>();
  readonly #added: PartName[] = [];
  readonly #takenBack: PartName[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** Parts that count from now on, or bring control ops alone. */
  get brought(): readonly PartName[] {
    if (this.#bare.size === 0 && this.#takenBack.length === 0) return this.#added;
    const counting = this.#added.filter((name) => this.#commits.get(placeText(name))?.value);
    return [...counting, ...this.#bare.values()];
  }

  /** Parts that count no more. */
  get takenBack(): readonly PartName[] {
    return this.#takenBack;
  }

  /** Whether it changes anything that others are told of. */
  get hasNews(): boolean {
    return this.brought.length + this.#takenBack.length > 0 || this.hasRivals;
  }

  /** Parts added: what is taken back again among them too. */
  get count(): number {
    return this.#added.length;
  }

  add(scope: StagedScope, log: LogNumber, generation: number, record: Uint8Array): void {
    const name = { scope: scope.state.number, log, generation };
    this.#commits.set(placeText(name), { name, value: record });
    this.#added.push(name);
    scope.changed = true;
  }

  /** The parts of a log that count, above `after`, with their records, by generation. */
  async *after(
    scope: StagedScope,
    log: LogNumber,
    after: number,
  ): AsyncGenerator<{ readonly generation: number; readonly record: Uint8Array }, void, undefined> {
    const { number } = scope.state;
    for await (const { key, value } of this.#store.scan(commitRange(number, log, after))) {
      const { generation } = placeOf(key);
      if (this.#commits.has(placeText({ scope: number, log, generation }))) continue;
      yield { generation, record: value };
    }
    // What is added lies above what is in the store.
    for (const { name, value } of [...this.#commits.values()]) {
      const { generation } = name;
      const isOf = name.scope === number && name.log === log && generation > after;
      if (isOf && value !== undefined) yield { generation, record: value };
    }
  }

  /** Takes a part out of what counts. */
  remove(scope: StagedScope, log: LogNumber, generation: number): void {
    const name = { scope: scope.state.number, log, generation };
    const isNew = this.#commits.get(placeText(name))?.value !== undefined;
    this.#commits.set(placeText(name), { name, value: undefined });
    // What was added in this turn has never been shown.
    if (!isNew) this.#takenBack.push(name);
    scope.changed = true;
  }

  /** Whether it adds a part of this name, which counts from now on. */
  adds(name: PartName): boolean {
    return this.#commits.get(placeText(name))?.value !== undefined;
  }

  /** Whether it changes what lies in a part's place. */
  changes(name: PartName): boolean {
    return this.#commits.has(placeText(name));
  }

  /** Whether anything was laid aside, or taken from there. */
  get hasAsides(): boolean {
    return this.#asides.size > 0;
  }

  /** Lays a part aside, in place of what lies there. */
  putAside(scope: StagedScope, log: LogNumber, entry: AsideEntry, value: AsideRecord): void {
    const name = { scope: scope.state.number, log, generation: entry.generation };
    this.#asides.set(placeText(name), { name, value });
    scope.ownAside().put(log, entry);
  }

  /** Takes a part from aside, if it lies there. */
  dropAside(scope: StagedScope, log: LogNumber, generation: number): void {
    if (scope.aside.get(log, generation) === undefined) return;
    const name = { scope: scope.state.number, log, generation };
    this.#asides.set(placeText(name), { name, value: undefined });
    scope.ownAside().delete(log, generation);
  }

  /** A part that lies aside. @throws {HistoryError} `HISTORY_CORRUPT` when none does. */
  async aside(scope: StagedScope, log: LogNumber, generation: number): Promise<AsideRecord> {
    const name = { scope: scope.state.number, log, generation };
    const staged = this.#asides.get(placeText(name));
    if (staged?.value !== undefined) return staged.value;
    const bytes = await this.#store.get(asideKey(name.scope, log, generation));
    if (bytes !== undefined) return readRecord("part aside", bytes, decodeAside);
    throw new HistoryError("HISTORY_CORRUPT", "Cannot read part aside: it is not there");
  }

  /** Notes that a part which does not count has brought control ops. */
  addBare(scope: StagedScope, log: LogNumber, generation: number): void {
    const name = { scope: scope.state.number, log, generation };
    this.#bare.set(placeText(name), name);
  }

  /** Keeps the control ops of a commit whose place is another's. */
  putRival(
    scope: StagedScope,
    rival: Rival,
    { part, isVouched }: Pick<AsideRecord, "part" | "isVouched">,
  ): void {
    const { log, generation, digest } = rival;
    const number = scope.state.number;
    this.#rivals.set(`${number} ${rivalText(rival)}`, {
      type: "put",
      key: rivalKey(number, log, generation, digest),
      value: encodeAside({ part, isLoose: true, isVouched, hasCounted: false }),
    });
    scope.ownRivals().put(rival);
    if (rival.awaits === undefined) this.hasRivals = true;
  }

  /** The control ops of a rival, in its part. @throws {HistoryError} `HISTORY_CORRUPT` when it is not there. */
  async rival({ state }: StagedScope, rival: Rival): Promise<AsideRecord> {
    const staged = this.#rivals.get(`${state.number} ${rivalText(rival)}`);
    if (staged !== undefined) return decodeAside(staged.value);
    return readRival(this.#store, state.number, rival);
  }

  writes(): WriteOp[] {
    const writes: WriteOp[] = [...this.#rivals.values()];
    for (const { name, value } of this.#commits.values())
      writes.push(writeOf(commitKey(name.scope, name.log, name.generation), value));
    for (const { name, value } of this.#asides.values()) {
      const key = asideKey(name.scope, name.log, name.generation);
      writes.push(writeOf(key, value && encodeAside(value)));
    }
    return writes;
  }
}

/** A rival as the store holds it. @throws {HistoryError} `HISTORY_CORRUPT` when it does not. */
export async function readRival(
  store: Store,
  scope: ScopeNumber,
  { log, generation, digest }: Pick<Rival, "log" | "generation" | "digest">,
): Promise<AsideRecord> {
  const bytes = await store.get(rivalKey(scope, log, generation, digest));
  if (bytes !== undefined) return readRecord("rival", bytes, decodeAside);
  throw new HistoryError("HISTORY_CORRUPT", "Cannot read rival of a commit: it is not there");
}

interface Staged<T> {
  readonly name: PartName;
  readonly value: T | undefined;
}

function writeOf(key: Uint8Array, value: Uint8Array | undefined): WriteOp {
  return value === undefined ? { type: "delete", key } : { type: "put", key, value };
}

/** A part's name as a key of maps. */
export function placeText({ scope, log, generation }: PartName): string {
  return `${scope} ${log} ${generation}`;
}
