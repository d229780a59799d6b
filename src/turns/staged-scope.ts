import type { AccessState, ControlEntry, ControlLog, Rejection } from "../access/index.ts";
import {
  assert,
  coversVector,
  type DeviceId,
  type GenVector,
  type ScopeKey,
  type Sum256,
} from "../base/index.ts";
import type { LogNumber, LoneRow } from "../records/index.ts";
import { AsideIndex } from "./aside.ts";
import { ControlPlaces } from "./control-places.ts";
import { RivalIndex } from "./rivals.ts";
import type { RowName, StagedRow } from "./staged-row.ts";
import type { ScopeState } from "./state.ts";

/** Rows by their names. A map a space, since a text of both would be made and hashed anew at each look. */
class StagedRows {
  /** In the order in which they were read. */
  readonly all: StagedRow[] = [];
  readonly #spaces = new Map<number, Map<string, StagedRow>>();

  get({ space, text }: RowName): StagedRow | undefined {
    return this.#spaces.get(space)?.get(text);
  }

  /** Adds a row, unless it is there. */
  add(row: StagedRow): void {
    const { space, text } = row.name;
    let rows = this.#spaces.get(space);
    if (rows === undefined) this.#spaces.set(space, (rows = new Map<string, StagedRow>()));
    if (rows.has(text)) return;
    rows.set(text, row);
    this.all.push(row);
  }
}

/** Control ops after which all that counted before counts still. */
const TAKES_NOTHING: ReadonlySet<ControlEntry["op"]["type"]> = new Set([
  "device",
  "grant",
  "invite",
  "policy",
  "spec",
  "status",
]);

/**
 * One scope as it will be when the turn's write is durable. Nothing of it is seen outside before.
 */
export class StagedScope {
  readonly state: ScopeState;
  readonly vector: Map<LogNumber, number>;
  readonly sum: Sum256;
  readonly rows = new StagedRows();
  #control: ControlLog | undefined;
  #aside: AsideIndex | undefined;
  #controlPlaces: ControlPlaces | undefined;
  #rivals: RivalIndex | undefined;
  #mayHaveLostRights = false;
  changed = false;

  constructor(state: ScopeState) {
    this.state = state;
    this.vector = new Map(state.numbers);
    this.sum = state.sum.clone();
  }

  get control(): ControlLog {
    return this.#control ?? this.state.control;
  }

  get access(): AccessState {
    return this.control.state;
  }

  get aside(): AsideIndex {
    return this.#aside ?? this.state.aside;
  }

  get controlPlaces(): ControlPlaces {
    return this.#controlPlaces ?? this.state.controlPlaces;
  }

  get rivals(): RivalIndex {
    return this.#rivals ?? this.state.rivals;
  }

  /** The rivals, to be changed. */
  ownRivals(): RivalIndex {
    this.#rivals ??= new RivalIndex(this.state.rivals);
    this.changed = true;
    return this.#rivals;
  }

  /** Whether the control log has grown in this turn. */
  get hasNewControls(): boolean {
    return this.#control !== undefined;
  }

  /** Whether it has grown by an op that may take rights away, since `settleRights` was called. */
  get mayHaveLostRights(): boolean {
    return this.#mayHaveLostRights;
  }

  settleRights(): void {
    this.#mayHaveLostRights = false;
  }

  /** The parts aside, to be changed. */
  ownAside(): AsideIndex {
    this.#aside ??= new AsideIndex(this.state.aside);
    this.changed = true;
    return this.#aside;
  }

  /** `log`: that in which it stands. Answers why the op has no effect, or `undefined` when it counts. */
  addControl(entry: ControlEntry, log: LogNumber): Rejection | undefined {
    // A fork: what the state holds is what is durable.
    this.#control ??= this.state.control.fork();
    this.#controlPlaces ??= new ControlPlaces(this.state.controlPlaces);
    if (!this.#control.has(entry.id)) this.#controlPlaces.add(log, entry.generation);
    this.changed = true;
    if (!TAKES_NOTHING.has(entry.op.type)) this.#mayHaveLostRights = true;
    return this.#control.add(entry);
  }

  /** What a device's holder record says now that it has: its revocations take back nothing of that. [AC34] */
  notePublished(device: DeviceId, published: GenVector): void {
    const before = this.control.publishedOf(device);
    const isLess = !coversVector(published, before);
    if (!isLess && coversVector(before, published)) return;
    this.#control ??= this.state.control.fork();
    this.changed = true;
    if (isLess) this.#mayHaveLostRights = true;
    this.#control.notePublished(device, published);
  }

  /**
   * As `Turn.mergeInto`, of the first version of an application's row that was absent and names no blob: `record` is what the store
   * is to hold of it. `digestAt`: where among `digests` that of its op lies.
   */
  putFirst(
    row: StagedRow,
    record: Uint8Array,
    digests: Uint8Array,
    digestAt: number,
    isLive: boolean,
  ): void {
    row.putFirst(record);
    if (isLive) this.sum.addAt(digests, digestAt);
  }

  /** The same of one that has seen all of a row as `before` is read: the version there is kept beside it. */
  putNext(
    row: StagedRow,
    record: Uint8Array,
    digests: Uint8Array,
    digestAt: number,
    isLive: boolean,
    before: LoneRow,
    recordBefore: Uint8Array,
  ): void {
    if (before.valueSize > 0) this.sum.subtractAt(recordBefore, before.digestAt);
    if (isLive) this.sum.addAt(digests, digestAt);
    row.putNext(record, before);
  }

  /** The rows that the turn has changed so far. */
  changedRows(): { readonly scope: ScopeKey; readonly space: number; readonly key: Uint8Array }[] {
    const rows = [];
    for (const { name, isChanged } of this.rows.all)
      if (isChanged) rows.push({ scope: this.state.key, space: name.space, key: name.key });
    return rows;
  }

  settle(): void {
    this.state.numbers = this.vector;
    this.state.sum = this.sum;
    this.state.control = this.control;
    this.state.aside = this.aside;
    this.state.controlPlaces = this.controlPlaces;
    this.state.rivals = this.rivals;
  }
}

/** A row that the turn has read. */
export function stagedRow(scope: StagedScope, name: RowName): StagedRow {
  const row = scope.rows.get(name);
  assert(row !== undefined, "a turn reads a row before it merges into it");
  return row;
}
