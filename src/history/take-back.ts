/** What counts no more leaves the rows, and lies aside from then on: all in the write that ends its right. */

import { controlIdOf } from "../access/index.ts";
import { assert, fromUtf8, logIdOf } from "../base/index.ts";
import {
  controlIdBytes,
  decodeHeld,
  type HeldOp,
  type LogNumber,
  partSize,
  readRecord,
  type Version,
} from "../records/index.ts";
import { decode, decodeStoredCommit, PartHeaderSchema } from "../wire/index.ts";
import { assemblePart, digestOf, type StoredRecord } from "../records/index.ts";
import type { RowName, StagedScope, Turn, TurnDeps } from "../turns/index.ts";
import { isAllowed, type WrittenRow } from "./counting.ts";
import { RECOUNT_BYTES_MAX, RECOUNT_OPS_MAX } from "./limits.ts";

/** Of one log in one scope: what is beyond `keep` counts no more. */
export interface Cut {
  readonly log: LogNumber;
  readonly keep: number;
}

/** One store write cannot take back as much: it is done in several, from the end of the logs, before anything else is changed. */
export class CutTooLarge extends Error {
  readonly scope: StagedScope["state"]["id"];
  readonly cuts: readonly Cut[];

  constructor(scope: StagedScope["state"]["id"], cuts: readonly Cut[]) {
    super("More is taken back than one write may change");
    this.scope = scope;
    this.cuts = cuts;
  }
}

/** Where logs of the scope count no more, by what the control log has become in this turn. */
export async function cutsOf(deps: TurnDeps, turn: Turn, scope: StagedScope): Promise<Cut[]> {
  const cuts: Cut[] = [];
  for (const [log, known] of scope.vector) {
    // What counted once and lies within every freeze counts still.
    const from = scope.access.frozenAfter(deps.interner.logOf(log));
    if (known <= from) continue;
    const keep = await keptOf(deps, turn, scope, log, from);
    if (keep !== undefined) cuts.push({ log, keep });
  }
  return cuts;
}

/** The generation up to which a log goes on counting; `undefined`: all of it does. */
async function keptOf(
  { crypto, interner }: TurnDeps,
  turn: Turn,
  scope: StagedScope,
  log: LogNumber,
  from: number,
): Promise<number | undefined> {
  const logKey = interner.logOf(log);
  const { device: author } = logIdOf(logKey);
  for await (const { generation, record: bytes } of turn.staged.after(scope, log, from)) {
    const record = readRecord("commit", bytes, decodeStoredCommit);
    const header = decode(PartHeaderSchema, record.part);
    const controls = record.held.filter((held) => decodeHeld(held) === "control").length;
    const heads = header.controlHeads.map(controlIdOf);
    if (controls > 0)
      heads.push(controlIdOf(controlIdBytes(crypto, digestOf(record), controls - 1)));
    if (!isAllowed(scope.access, { author, log: logKey, generation, heads }, rowsOf(record)))
      return Number(header.previousGeneration);
  }
  return undefined;
}

function rowsOf(record: StoredRecord): RowName[] {
  return record.held.map(decodeHeld).flatMap((held) => (held === "control" ? [] : [nameOf(held)]));
}

function nameOf({ space, key }: Exclude<HeldOp, "control">): RowName & WrittenRow {
  const text = fromUtf8(key);
  assert(text !== undefined, "a stored row's key was checked");
  return { space, key, text };
}

/** Takes back what lies beyond the cuts. @throws {CutTooLarge}: and has changed nothing. */
export async function takeBack(
  deps: TurnDeps,
  turn: Turn,
  scope: StagedScope,
  cuts: readonly Cut[],
): Promise<void> {
  const taker = new BackTaker(deps, turn, scope, cuts);
  if (!(await taker.gather())) throw new CutTooLarge(scope.state.id, cuts);
  await taker.takeBack();
}

/** As much of the ends of these logs as one write may change. */
export async function takeBackSome(
  deps: TurnDeps,
  turn: Turn,
  scope: StagedScope,
  cuts: readonly Cut[],
): Promise<void> {
  const ends: Cut[] = [];
  let ops = 0;
  let bytes = 0;
  for (const { log, keep } of cuts) {
    const parts: { generation: number; previous: number; ops: number; bytes: number }[] = [];
    for await (const { generation, record } of turn.staged.after(scope, log, keep)) {
      const stored = readRecord("commit", record, decodeStoredCommit);
      const previous = Number(decode(PartHeaderSchema, stored.part).previousGeneration);
      parts.push({ generation, previous, ops: stored.held.length, bytes: record.length });
    }
    let end: number | undefined;
    for (const part of parts.toReversed()) {
      const isFull = ops + part.ops > RECOUNT_OPS_MAX || bytes + part.bytes > RECOUNT_BYTES_MAX;
      if (isFull && (end !== undefined || ends.length > 0)) break;
      ops += part.ops;
      bytes += part.bytes;
      end = part.previous;
    }
    if (end !== undefined) ends.push({ log, keep: Math.max(keep, end) });
    if (ops > RECOUNT_OPS_MAX / 2) break;
  }
  const taker = new BackTaker(deps, turn, scope, ends);
  await taker.gather();
  await taker.takeBack();
}

interface GatheredPart {
  readonly log: LogNumber;
  readonly generation: number;
  readonly record: StoredRecord;
}

class BackTaker {
  readonly #deps: TurnDeps;
  readonly #turn: Turn;
  readonly #scope: StagedScope;
  readonly #cuts: readonly Cut[];
  readonly #keep: ReadonlyMap<LogNumber, number>;
  readonly #parts: GatheredPart[] = [];
  readonly #beside = new Map<string, { readonly name: RowName; readonly versions: Version[] }>();

  constructor(deps: TurnDeps, turn: Turn, scope: StagedScope, cuts: readonly Cut[]) {
    this.#deps = deps;
    this.#turn = turn;
    this.#scope = scope;
    this.#cuts = cuts;
    this.#keep = new Map(cuts.map(({ log, keep }) => [log, keep]));
  }

  /** Finds the parts. `false`: they are more than one write may change. */
  async gather(): Promise<boolean> {
    let ops = 0;
    let bytes = 0;
    for (const { log, keep } of this.#cuts) {
      for await (const { generation, record } of this.#turn.staged.after(this.#scope, log, keep)) {
        const stored = readRecord("commit", record, decodeStoredCommit);
        this.#parts.push({ log, generation, record: stored });
        ops += stored.held.length;
        bytes += record.length;
        const isFull = ops > RECOUNT_OPS_MAX || bytes > RECOUNT_BYTES_MAX;
        if (isFull && this.#parts.length > 1) return false;
      }
    }
    return true;
  }

  async takeBack(): Promise<void> {
    for (const part of this.#parts) {
      const rows = rowsOf(part.record);
      await this.#turn.loadRows(this.#scope, rows, Number.POSITIVE_INFINITY);
      for (const name of rows) await this.#loadBeside(name);
    }
    for (const part of this.#parts) await this.#layAside(part);
    for (const { name, versions } of this.#beside.values())
      this.#turn.remerge(this.#scope, name, versions, (version) => this.#isKept(version));
    for (const { log, keep } of this.#cuts) this.#turn.lower(this.#scope, log, keep);
  }

  #isKept({ log, generation }: Version): boolean {
    return generation <= (this.#keep.get(log) ?? Number.POSITIVE_INFINITY);
  }

  async #loadBeside(name: RowName): Promise<void> {
    const text = `${name.space}${name.text}`;
    if (this.#beside.has(text)) return;
    const versions = await this.#turn.versionsBeside(this.#scope, name);
    this.#beside.set(text, { name, versions });
  }

  async #layAside({ log, generation, record }: GatheredPart): Promise<void> {
    const part = await assemblePart(this.#deps, record, {
      versions: (held) => Promise.resolve(held.map((op) => this.#versionAt(log, generation, op))),
      controlOp: (id) => this.#turn.controlOp(this.#scope, id),
    });
    const flags = { isLoose: false, isVouched: true, hasCounted: true };
    const entry = { ...flags, generation, size: partSize(part), awaits: undefined };
    this.#turn.staged.remove(this.#scope, log, generation);
    this.#turn.staged.putAside(this.#scope, log, entry, { ...flags, part });
  }

  #versionAt(log: LogNumber, generation: number, op: HeldOp): Version | undefined {
    if (op === "control") return undefined;
    const name = nameOf(op);
    const beside = this.#beside.get(`${name.space}${name.text}`);
    return [...this.#turn.row(this.#scope, name).heads, ...(beside?.versions ?? [])].find(
      (version) => version.log === log && version.generation === generation,
    );
  }
}
