import { assert } from "../base/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import {
  CallWrite,
  type IndexChange,
  isSamePlace,
  nameText,
  readEntries,
  StagedIndex,
} from "./chunk-index.ts";
import type { ChunkReader } from "./chunk-reader.ts";
import type { PutOutcome } from "./chunk-store.ts";
import type { CallResult, GroupWork, Waiting } from "./commit-queue.ts";
import { ChunkError } from "./errors.ts";
import type { ChunkName, SecondPut, VerifiedChunk } from "./kind.ts";
import { INDEX_WRITE_BYTES_MAX, INDEX_WRITE_OPS_MAX } from "./limits.ts";
import type { PackCount, Packs } from "./packs.ts";
import type { IndexEntry, Location } from "./records.ts";

/** A group whose bytes are durable. */
export interface PreparedGroup {
  readonly calls: readonly Waiting[];
  /** Entries as they were read before; those that the group before has changed are out of date. */
  readonly known: Map<string, IndexEntry | undefined>;
  readonly before: PreparedGroup | undefined;
  /** Names of all chunks that it puts or takes out. */
  readonly touched: ReadonlySet<string>;
  /** Names of all chunks that it takes out. */
  readonly removed: ReadonlySet<string>;
  /** Where the chunks of fixed kinds lie that were appended for it. */
  readonly appended: Map<string, Location>;
  /** The same for other kinds, whose bytes are not told by the address. */
  readonly appendedEach: Map<VerifiedChunk, Location>;
  /** What the rule of such a kind said, where nothing can change it before the commit. */
  readonly decided: ReadonlyMap<VerifiedChunk, SecondPut>;
  /** How long each pack is that it was appended to. */
  readonly lengths: Map<number, number>;
  /** Names that its commit has changed; filled by it. */
  readonly changed: Set<string>;
}

interface GroupCommitDeps {
  readonly store: Store;
  readonly packs: Packs;
  readonly reader: ChunkReader;
  readonly capacityBytes: number | undefined;
}

/** What the index write that is being put together holds. */
interface Joined {
  readonly done: { readonly call: Waiting; readonly result: CallResult }[];
  readonly changes: IndexChange[];
  ops: WriteOp[];
  bytes: number;
}

/** Appends what a group of calls lacks, then writes the index with what the calls add. Rules: docs/spec/chunks.md. */
export class GroupCommit implements GroupWork<PreparedGroup> {
  readonly #deps: GroupCommitDeps;

  constructor(deps: GroupCommitDeps) {
    this.#deps = deps;
  }

  refusal(): ChunkError {
    return readOnlyError();
  }

  async prepare(
    calls: readonly Waiting[],
    before: PreparedGroup | undefined,
  ): Promise<PreparedGroup> {
    const { store, packs } = this.#deps;
    if (store.state === "readOnly") throw readOnlyError();
    await packs.recall();
    const removed = new Set(
      calls.flatMap(({ removals }) => removals.map(({ name }) => nameText(name))),
    );
    const puts = calls.flatMap(({ chunks }) => chunks);
    const names = new Map(puts.map((chunk) => [nameText(chunk), chunk]));
    const found = await readEntries(store, [...names.values()]);
    const known = new Map([...names.keys()].map((text, i) => [text, found[i]]));
    const touched = new Set([...names.keys(), ...removed]);
    const plan = new Plan(puts, known, removed, before);
    const decided = await this.#decide(plan, puts, known);
    const accepted = calls.filter((call) => this.#accept(call, plan, decided));
    const locations = plan.lacking.length > 0 ? await packs.append(plan.lacking) : [];
    const group: PreparedGroup = {
      calls: accepted,
      known,
      before,
      touched,
      removed,
      appended: new Map(),
      appendedEach: new Map(),
      decided,
      lengths: new Map(),
      changed: new Set(),
    };
    for (const [i, chunk] of plan.lacking.entries()) {
      const location = locations[i] as Location;
      if (isFixed(chunk)) group.appended.set(nameText(chunk), location);
      else group.appendedEach.set(chunk, location);
    }
    const last = locations.at(-1);
    if (last !== undefined) group.lengths.set(last.pack, packs.endOf(last.pack));
    return group;
  }

  /** What the rules of kinds say now of chunks that nothing changes before the commit. */
  async #decide(
    plan: Plan,
    puts: readonly VerifiedChunk[],
    known: ReadonlyMap<string, IndexEntry | undefined>,
  ): Promise<Map<VerifiedChunk, SecondPut>> {
    const decided = new Map<VerifiedChunk, SecondPut>();
    for (const chunk of puts) {
      const entry = known.get(nameText(chunk));
      if (isFixed(chunk) || entry === undefined || plan.isContended(chunk)) continue;
      decided.set(chunk, await this.#second(chunk, entry));
    }
    return decided;
  }

  /** Plans what a call lacks, or refuses the call when there is no room for it. */
  #accept(call: Waiting, plan: Plan, decided: ReadonlyMap<VerifiedChunk, SecondPut>): boolean {
    const { capacityBytes, packs } = this.#deps;
    const lacking = plan.lackingOf(call.chunks, decided);
    const all = capacityBytes === undefined ? [] : [...plan.lacking, ...lacking];
    const isTooMuch = packs.bytes + packs.room(all) > (capacityBytes ?? Number.POSITIVE_INFINITY);
    if (lacking.length > 0 && isTooMuch) {
      call.reject(
        new ChunkError(
          "CHUNKS_FULL",
          "Cannot write chunks: the byte budget that was given is used up",
        ),
      );
      return false;
    }
    plan.add(lacking);
    return true;
  }

  async commit(group: PreparedGroup): Promise<boolean> {
    // What was read before is out of date where the group before has changed it since.
    for (const text of group.before?.changed ?? []) group.known.delete(text);
    const staged = new StagedIndex(this.#deps.store, group.known);
    let joined: Joined = { done: [], changes: [], ops: [], bytes: 0 };
    const rest = [...group.calls];
    try {
      for (let call = rest[0]; call !== undefined; call = rest[0]) {
        const write = new CallWrite(staged);
        const result = await this.#run(group, call, write);
        if (result === undefined) {
          rest.shift();
          continue;
        }
        const ops = write.ops();
        const bytes = ops.reduce((sum, op) => sum + sizeOf(op), 0);
        const isTooMuch =
          joined.ops.length + ops.length > INDEX_WRITE_OPS_MAX ||
          joined.bytes + bytes > INDEX_WRITE_BYTES_MAX;
        if (isTooMuch && joined.done.length > 0) {
          await this.#write(group, joined);
          joined = { done: [], changes: [], ops: [], bytes: 0 };
        }
        rest.shift();
        staged.apply(write.changes);
        joined.done.push({ call, result });
        joined.changes.push(...write.changes);
        joined.ops = joined.ops.concat(ops);
        joined.bytes += bytes;
      }
      await this.#write(group, joined);
      return true;
    } catch (error) {
      // What was written may be there or not: the ordered store will know when it is open again.
      this.#deps.packs.forget();
      for (const { call } of joined.done) call.reject(error);
      for (const { reject } of rest) reject(error);
      return false;
    } finally {
      // So that groups do not hold each other for ever.
      (group as { before: PreparedGroup | undefined }).before = undefined;
    }
  }

  /** What a call changes; `undefined` when it failed by itself, and was told. */
  async #run(
    group: PreparedGroup,
    call: Waiting,
    write: CallWrite,
  ): Promise<CallResult | undefined> {
    const outcomes = await this.#put(group, call.chunks, write);
    const removed: (IndexEntry | undefined)[] = [];
    for (const { name, only } of call.removals) {
      const [entry] = await write.found([name]);
      const isMeant = entry !== undefined && (only === undefined || isSamePlace(entry, only));
      if (isMeant) write.set(name, entry, undefined);
      removed.push(isMeant ? entry : undefined);
    }
    try {
      await call.with?.(write, outcomes);
    } catch (error) {
      call.reject(error);
      return undefined;
    } finally {
      write.end();
    }
    return { outcomes, removed };
  }

  async #put(
    group: PreparedGroup,
    chunks: readonly VerifiedChunk[],
    write: CallWrite,
  ): Promise<PutOutcome[]> {
    await write.found(chunks);
    const outcomes: PutOutcome[] = [];
    for (const chunk of chunks) {
      const [entry] = await write.found([chunk]);
      const second =
        entry === undefined
          ? "replace"
          : (group.decided.get(chunk) ?? (await this.#second(chunk, entry)));
      if (second === "replace") {
        const places = entry?.places ?? [];
        write.set(chunk, entry, { ...locationIn(group, chunk), places });
      }
      outcomes.push(second === "replace" ? "stored" : second);
    }
    return outcomes;
  }

  /** What the kind says of a second put. Bytes that are damaged are not here. */
  async #second({ kind, bytes }: VerifiedChunk, entry: IndexEntry): Promise<SecondPut> {
    if (kind.secondPut === "duplicate") return "duplicate";
    const here = await this.#deps.reader.read(entry);
    return here === undefined ? "replace" : kind.secondPut(here, bytes);
  }

  async #write(group: PreparedGroup, joined: Joined): Promise<void> {
    const { store, packs } = this.#deps;
    const count: PackCount = packs.counted(joined.changes, group.lengths);
    const ops = joined.ops.concat(count.ops);
    if (ops.length > 0) await store.write(ops);
    packs.count(count);
    for (const { name } of joined.changes) group.changed.add(nameText(name));
    for (const { call, result } of joined.done) call.resolve(result);
  }
}

/** Which chunks of a group have to be appended: all whose bytes are not surely here when its index is written. */
class Plan {
  readonly #known: ReadonlyMap<string, IndexEntry | undefined>;
  readonly #removed: ReadonlySet<string>;
  readonly #before: PreparedGroup | undefined;
  readonly #times = new Map<string, number>();
  readonly #planned = new Set<string | VerifiedChunk>();
  readonly lacking: VerifiedChunk[] = [];

  constructor(
    puts: readonly VerifiedChunk[],
    known: ReadonlyMap<string, IndexEntry | undefined>,
    removed: ReadonlySet<string>,
    before: PreparedGroup | undefined,
  ) {
    this.#known = known;
    this.#removed = removed;
    this.#before = before;
    for (const chunk of puts) {
      const text = nameText(chunk);
      this.#times.set(text, (this.#times.get(text) ?? 0) + 1);
    }
  }

  /** Whether its entry may change between now and the moment when it is put. */
  isContended(chunk: VerifiedChunk): boolean {
    const text = nameText(chunk);
    return (
      (this.#times.get(text) ?? 0) > 1 ||
      this.#removed.has(text) ||
      this.#before?.touched.has(text) === true
    );
  }

  lackingOf(
    chunks: readonly VerifiedChunk[],
    decided: ReadonlyMap<VerifiedChunk, SecondPut>,
  ): VerifiedChunk[] {
    const lacking = new Map<string | VerifiedChunk, VerifiedChunk>();
    for (const chunk of chunks) {
      const id = isFixed(chunk) ? nameText(chunk) : chunk;
      const isHere = isFixed(chunk)
        ? this.#isHere(chunk)
        : (decided.get(chunk) ?? "replace") !== "replace";
      if (!isHere && !this.#planned.has(id)) lacking.set(id, chunk);
    }
    return [...lacking.values()];
  }

  /** Plans these, as `lackingOf` answered them. */
  add(lacking: readonly VerifiedChunk[]): void {
    for (const chunk of lacking) this.#planned.add(isFixed(chunk) ? nameText(chunk) : chunk);
    this.lacking.push(...lacking);
  }

  #isHere(name: ChunkName): boolean {
    const text = nameText(name);
    if (this.#removed.has(text) || this.#before?.removed.has(text) === true) return false;
    return this.#known.get(text) !== undefined || this.#before?.appended.has(text) === true;
  }
}

/** Whether the bytes of a second put are surely the same. */
function isFixed({ kind }: ChunkName): boolean {
  return kind.secondPut === "duplicate";
}

/** Where the bytes lie that were appended for a chunk, by its group or by the one before. */
function locationIn(group: PreparedGroup, chunk: VerifiedChunk): Location {
  const text = nameText(chunk);
  const location = isFixed(chunk)
    ? (group.appended.get(text) ?? group.before?.appended.get(text))
    : group.appendedEach.get(chunk);
  assert(location !== undefined, "a chunk that is not here was appended");
  return location;
}

function sizeOf(op: WriteOp): number {
  return op.key.length + (op.type === "put" ? op.value.length : 0);
}

function readOnlyError(): ChunkError {
  return new ChunkError("CHUNKS_READ_ONLY", "Cannot write chunks: an earlier write failed");
}
