import { assert, type Clock, codeOf } from "../base/index.ts";
import { StoreError } from "../store/index.ts";
import {
  HistoryError,
  changeRange,
  sequenceOf,
  decodeChange,
  type PartName,
  readRecord,
} from "../records/index.ts";
import { type DatabaseState, ownLogKey, type SeenRef, Turn } from "../turns/index.ts";
import { type AuthorDeps, authorDraft } from "./author.ts";
import {
  groups,
  joined,
  type Maintenance,
  takeDeliveries,
  takeDrafts,
  type WaitingDelivery,
  type WaitingDraft,
  type WaitingEntry,
  type WaitingTask,
  type WriteOutcome,
  type WriteRequest,
} from "./drafts.ts";
import { type Delivery, halvesOf } from "./fresh-parts.ts";
import { DELIVERY_READ_BYTES_MAX, TURN_READ_BYTES_MAX, WRITES_WAITING_MAX } from "./limits.ts";
import { type Receipt, type ReceiveDeps, receiveDelivery } from "./receive.ts";
import { reloadDatabase } from "./open.ts";
import { beginIncarnation } from "./own-log.ts";
import { authorAgain, hasForkedParts, isOwnLogForked } from "./quarantine.ts";
import { hasReads, isStillAsRead } from "./reads.ts";
import { hasGrown, needsRecount, recountAll } from "./recount.ts";
import { CutTooLarge, takeBackSome } from "./take-back.ts";

/** What one store write brought, told once it is durable. */
export interface Written {
  readonly database: string;
  /** Its place in the order of changes. */
  readonly sequence: number;
  readonly fromSync: boolean;
  /** What it brought. Those of which only control ops have effect are among them. */
  readonly parts: readonly PartName[];
  /** What counts no more. Absent: nothing of that kind. */
  readonly takenBack?: readonly PartName[] | undefined;
  /** Whether ops of what it brought are left out: others may hold rows of the same commits that are lacking here. */
  readonly isPartial?: boolean;
  /** The blobs that its rows name; `undefined`: not known, because the write was found only when the store was opened again. */
  readonly refs: readonly SeenRef[] | undefined;
}

/** What is answered to whoever writes after closing. */
export function closedError(): HistoryError {
  return new HistoryError("HISTORY_CLOSED", "Cannot write: the database is closed");
}

interface WriterDeps extends AuthorDeps, ReceiveDeps {
  readonly clock: Clock;
}

/**
 * One write at a time per database: what waits meanwhile shares the next turn, and so one store write and one sync
 * (group commit). A turn is gathered in a microtask, never by a timer. [HI3]
 */
export class Writer {
  readonly #deps: WriterDeps;
  readonly #database: DatabaseState;
  readonly #written: (written: Written) => void;
  readonly #queue: WaitingEntry[] = [];
  #run: Promise<void> | undefined;
  #closed = false;
  /** A store write has failed since memory was last known to be what the store holds. */
  #isUnsure = false;
  /** Something may lie aside that has to be authored again. */
  #mayAuthorAgain = true;
  #authoring: Promise<void> | undefined;
  readonly #endWatch: () => void;

  constructor(deps: WriterDeps, database: DatabaseState, written: (written: Written) => void) {
    this.#deps = deps;
    this.#database = database;
    this.#written = written;
    // What turned out to be there is shown without waiting for the next write.
    this.#endWatch = deps.store.onState((state) => {
      if (state === "open" && this.#isUnsure && !this.#closed) this.#run ??= this.#runAll();
    });
  }

  /** Resolves when the draft's commit is durable. */
  write(request: WriteRequest): Promise<WriteOutcome> {
    if (this.#isFull) return this.#writeLater(request);
    return this.#enter((resolve, reject) => ({ kind: "draft", request, resolve, reject }));
  }

  get #isFull(): boolean {
    return this.#queue.length >= WRITES_WAITING_MAX && this.#run !== undefined;
  }

  async #writeLater(request: WriteRequest): Promise<WriteOutcome> {
    while (this.#isFull) await this.#run;
    return this.write(request);
  }

  /** Resolves when the delivery is durable. */
  receive(delivery: Delivery): Promise<Receipt> {
    return this.#enter((resolve, reject) => ({ kind: "delivery", delivery, resolve, reject }));
  }

  /** Runs `task` as a turn of its own, and writes what it added. */
  alone(task: (turn: Turn) => Promise<void>): Promise<void> {
    return this.#enter((resolve, reject) => ({ kind: "task", task, resolve, reject }));
  }

  /** As `alone`, for what reads and writes records below what is seen. [HI83] */
  async maintain(task: Maintenance): Promise<void> {
    await this.alone(async (turn) => {
      // It finds no commit whose signature is still to be written.
      if (this.#hasLate) await this.#runTask(async (before) => before.touch());
      await task((op) => turn.add(op), turn.database.number);
    });
  }

  get #hasLate(): boolean {
    return this.#database.late?.isEmpty === false;
  }

  /** Authors what a fork of our log has put aside again, beside other writes and one part a turn, if there is any. [HI75] */
  authorAgain(): void {
    if (!this.#mayAuthorAgain || this.#closed || this.#authoring !== undefined) return;
    // Nobody begins a new log for it alone, but for one that a fork has ended anyway, or that has no commits.
    const { doubt, own } = this.#database;
    const isInUse = own.generation > 0 && !isOwnLogForked(this.#deps.identity, this.#database);
    if (doubt !== undefined && isInUse) return;
    this.#mayAuthorAgain = false;
    if (!hasForkedParts(this.#deps, this.#database)) return;
    this.#authoring = authorAgain(this.#deps, this.#database, (task) => this.alone(task))
      .catch((error: unknown) => {
        // It is found again with the next growth of a control log, or when the history is opened.
        const fields = { database: this.#database.name, code: codeOf(error) };
        this.#deps.logger("warn", "history.again.failed", fields);
      })
      .finally(() => {
        this.#authoring = undefined;
        this.authorAgain();
      });
  }

  /** Refuses new work and waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#endWatch();
    await this.#authoring;
    await this.#run;
    if (!this.#hasLate || this.#isUnsure || this.#deps.store.state !== "open") return;
    // Failed, they are signed again when the history is opened.
    await this.#runTask(async (turn) => turn.touch()).catch(() => {});
  }

  #enter<Answer>(
    entry: (resolve: (answer: Answer) => void, reject: (error: unknown) => void) => WaitingEntry,
  ): Promise<Answer> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise<Answer>((resolve, reject) => {
      this.#queue.push(entry(resolve, reject));
      this.#run ??= this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    // Lets everything of this microtask turn come in first.
    await Promise.resolve();
    for (;;) {
      const refusal = this.#isUnsure ? await this.#makeSure() : undefined;
      if (this.#queue.length === 0) break;
      if (refusal === undefined) await this.#turn();
      else for (const waiting of this.#queue.splice(0)) waiting.reject(refusal);
    }
    this.#run = undefined;
  }

  /**
   * After a store write that failed: takes up what the store holds since it was opened again, since the write may be
   * there. Answers why nothing can be written yet, or `undefined`. [HI2]
   */
  async #makeSure(): Promise<unknown> {
    if (this.#deps.store.state !== "open") {
      return new StoreError(
        "STORE_READ_ONLY",
        "Cannot write: a write failed, and the store is not open again",
      );
    }
    const before = this.#database.sequence;
    try {
      await reloadDatabase(this.#deps, this.#database);
      this.#isUnsure = false;
      for (const change of await this.#changesAfter(before)) this.#written(change);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  async #changesAfter(sequence: number): Promise<Written[]> {
    const { number, name } = this.#database;
    const changes: Written[] = [];
    for await (const { key, value } of this.#deps.store.scan(changeRange(number, sequence))) {
      const change = readRecord("change", value, decodeChange);
      changes.push({ database: name, sequence: sequenceOf(key), ...change, refs: undefined });
    }
    return changes;
  }

  #turn(): Promise<void> {
    const first = this.#queue[0];
    assert(first !== undefined, "a turn has something to do");
    if (first.kind === "draft") return this.#write(takeDrafts(this.#queue));
    if (first.kind === "delivery") return this.#takeIn(takeDeliveries(this.#queue));
    this.#queue.shift();
    return this.#runAlone(first);
  }

  async #runAlone(first: WaitingDelivery | WaitingTask): Promise<void> {
    try {
      if (first.kind === "task") first.resolve(await this.#runTask(first.task));
      else first.resolve(await this.#receive(first.delivery));
    } catch (error) {
      first.reject(error);
    }
  }

  /** Several deliveries in one turn; each by itself when that fails, so that one does not spoil the others', and it shows whose fault it was. [HI86] */
  async #takeIn(waiting: readonly WaitingDelivery[]): Promise<void> {
    if (waiting.length > 1) {
      try {
        const turn = new Turn(this.#deps, this.#database, DELIVERY_READ_BYTES_MAX);
        const receipts: Receipt[] = [];
        for (const { delivery } of waiting)
          // What one of them made us write is durable before another, which may bring our own log, is held against it.
          if (turn.own === this.#database.own)
            receipts.push(await receiveDelivery(this.#deps, turn, delivery));
        if (receipts.length === waiting.length) {
          await this.#commit(turn, true, () =>
            waiting.forEach(({ delivery }) => delivery.onWriting?.()),
          );
          waiting.forEach(({ resolve }, i) => resolve(receipts[i] as Receipt));
          return;
        }
      } catch (error) {
        if (this.#isUnsure) return waiting.forEach(({ reject }) => reject(error));
      }
    }
    for (const one of waiting) await this.#runAlone(one);
  }

  async #runTask(task: WaitingTask["task"]): Promise<void> {
    const turn = new Turn(this.#deps, this.#database, TURN_READ_BYTES_MAX);
    await task(turn);
    await this.#commit(turn, false);
  }

  /** What counts now and found no room in a write is taken in others that follow it. */
  #takeLeftOver({ scopes }: Turn): void {
    const ids = Array.from(scopes, ({ state }) => state.id);
    this.alone(async (turn) => {
      for (const id of ids) turn.scope(id);
      await recountAll(this.#deps, turn);
      // Failed, it is found again with the scope's next write.
    }).catch(() => {});
  }

  /**
   * Runs a turn; where it would take back more than one write may change, that is done before, from the end of the logs: at no
   * time does knowledge name what does not count. [HI40]
   */
  async #inWrites<Answer>(turn: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        return await turn();
      } catch (error) {
        if (!(error instanceof CutTooLarge)) throw error;
        await this.#takeBackSome(error);
      }
    }
  }

  #takeBackSome({ scope, cuts }: CutTooLarge): Promise<void> {
    return this.#runTask((turn) => takeBackSome(this.#deps, turn, turn.scope(scope), cuts));
  }

  /** One turn; or two, where small ops over large rows come to more than one may hold. [HI31] */
  async #receive(delivery: Delivery): Promise<Receipt> {
    let halves: ReturnType<typeof halvesOf>;
    try {
      return await this.#inWrites(async () => {
        const turn = new Turn(this.#deps, this.#database, DELIVERY_READ_BYTES_MAX);
        const receipt = await receiveDelivery(this.#deps, turn, delivery);
        await this.#commit(turn, true, delivery.onWriting);
        return receipt;
      });
    } catch (error) {
      if (codeOf(error) !== "HISTORY_TOO_LARGE") throw error;
      halves = halvesOf(delivery);
      if (halves === undefined) throw error;
    }
    const [head, tail] = halves;
    const first = await this.#receive(head);
    const second = await this.#receive(tail);
    return {
      rows: first.rows + second.rows,
      duplicates: first.duplicates + second.duplicates,
      aside: first.aside + second.aside,
      waiting: [...first.waiting, ...second.waiting],
    };
  }

  async #write(drafts: readonly WaitingDraft[]): Promise<void> {
    const turn = new Turn(this.#deps, this.#database, TURN_READ_BYTES_MAX);
    const done: { readonly waiting: WaitingDraft; readonly outcome: WriteOutcome }[] = [];
    // From the first that the turn has no room for, all: writes stay in the order of their calls.
    const later: WaitingDraft[] = [];
    for (const group of groups(drafts)) {
      if (later.length > 0) {
        later.push(...group);
        continue;
      }
      for (const [members, outcome] of await this.#author(turn, group, later)) {
        for (const waiting of members) done.push({ waiting, outcome });
      }
    }
    try {
      if (needsRecount(turn)) await recountAll(this.#deps, turn);
      await this.#commit(turn, false);
      for (const { waiting, outcome } of done) waiting.resolve(outcome);
    } catch (error) {
      if (error instanceof CutTooLarge) {
        const all = [...done.map(({ waiting }) => waiting), ...later];
        const again = this.#takeBackSome(error).then(() => this.#write(all));
        return again.catch((why: unknown) => all.forEach(({ reject }) => reject(why)));
      }
      for (const { waiting } of done) waiting.reject(error);
    }
    for (const draft of later) await this.#write([draft]);
  }

  /** Adds a group's commit. When it is refused, each member is tried by itself, so that one does not spoil the others'. */
  async #author(
    turn: Turn,
    group: readonly WaitingDraft[],
    later: WaitingDraft[],
  ): Promise<[readonly WaitingDraft[], WriteOutcome][]> {
    try {
      const request = joined(group);
      const isCurrent = this.#isOurLog(turn, request);
      if (!isCurrent || (hasReads(request) && !(await isStillAsRead(turn, request))))
        return [[group, "conflict"]];
      await authorDraft(this.#deps, turn, request);
      return [[group, "written"]];
    } catch (error) {
      const isAlone = group.length === 1 && turn.parts.length === 0;
      if (codeOf(error) === "HISTORY_TOO_LARGE" && !isAlone) {
        later.push(...group);
        return [];
      }
      if (group.length === 1) {
        group[0]?.reject(error);
        return [];
      }
      const answers: [readonly WaitingDraft[], WriteOutcome][] = [];
      for (const one of group) answers.push(...(await this.#author(turn, [one], later)));
      return answers;
    }
  }

  #isOurLog(turn: Turn, { log }: WriteRequest): boolean {
    if (log === undefined) return true;
    // What authoring would do first. The turn is written even if it then holds nothing else.
    const { doubt } = turn.database;
    if (doubt !== undefined) beginIncarnation(this.#deps, turn, doubt);
    return log === ownLogKey(this.#deps.identity.device, turn.own);
  }

  async #commit(turn: Turn, fromSync: boolean, begins?: () => void): Promise<void> {
    const { sequence, parts, refs, hasNews } = turn;
    const { takenBack, isPartial } = turn.staged;
    try {
      if (!(await turn.write(fromSync, begins))) return;
    } catch (error) {
      this.#isUnsure = true;
      throw error;
    }
    if (turn.hasLeftOver) this.#takeLeftOver(turn);
    this.#mayAuthorAgain ||= turn.staged.hasAsides || hasGrown(turn);
    this.authorAgain();
    if (!hasNews) return;
    const { name: database } = this.#database;
    this.#written({ database, sequence, fromSync, parts, takenBack, isPartial, refs });
  }
}
