import { type AuthorDeps, authorDraft, type Draft, type RowWrite } from "./author.ts";
import { assert, scopeKeyOf } from "../base/index.ts";
import { HistoryError } from "./errors.ts";
import { TURN_OPS_MAX, WRITES_WAITING_MAX } from "./limits.ts";
import { type Delivery, type Receipt, type ReceiveDeps, receiveDelivery } from "./receive.ts";
import type { PartName } from "./records.ts";
import type { DatabaseState } from "./state.ts";
import { type RowName, Turn } from "./turn.ts";
import type { Row } from "./version.ts";

/** A row as a batch has read it: its heads then. */
export interface RowRead {
  readonly name: RowName;
  readonly row: Row;
}

/** A draft and how it may be committed. */
export interface WriteRequest extends Draft {
  /** May share a commit with others that say so: single writes that are no batch. Default false. */
  readonly together?: boolean | undefined;
  /** Commit only while these rows have the heads that were read. */
  readonly reads?: readonly RowRead[] | undefined;
}

/** `conflict`: a row that was read has changed, and nothing was written. */
export type WriteOutcome = "written" | "conflict";

/** What one store write brought, told once it is durable. */
export interface Written {
  readonly database: string;
  /** Its place in the order of changes. */
  readonly sequence: number;
  readonly fromSync: boolean;
  readonly parts: readonly PartName[];
}

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

interface WaitingDraft extends Waiting<WriteOutcome> {
  readonly kind: "draft";
  readonly request: WriteRequest;
}

interface WaitingDelivery extends Waiting<Receipt> {
  readonly kind: "delivery";
  readonly delivery: Delivery;
}

interface WaitingTask extends Waiting<void> {
  readonly kind: "task";
  readonly task: (turn: Turn) => Promise<void>;
}

/**
 * One write at a time per database: what waits meanwhile shares the next turn, and so one store write and one sync
 * (group commit). A turn is gathered in a microtask, never by a timer. [HI3]
 */
export class Writer {
  readonly #deps: AuthorDeps & ReceiveDeps;
  readonly #database: DatabaseState;
  readonly #written: (written: Written) => void;
  readonly #queue: (WaitingDraft | WaitingDelivery | WaitingTask)[] = [];
  #run: Promise<void> | undefined;
  #closed = false;

  constructor(
    deps: AuthorDeps & ReceiveDeps,
    database: DatabaseState,
    written: (written: Written) => void,
  ) {
    this.#deps = deps;
    this.#database = database;
    this.#written = written;
  }

  /** Resolves when the draft's commit is durable. */
  async write(request: WriteRequest): Promise<WriteOutcome> {
    while (this.#queue.length >= WRITES_WAITING_MAX && this.#run !== undefined) await this.#run;
    return this.#enter((waiting: Waiting<WriteOutcome>) => ({
      kind: "draft",
      request,
      ...waiting,
    }));
  }

  /** Resolves when the delivery is durable. */
  receive(delivery: Delivery): Promise<Receipt> {
    return this.#enter((waiting: Waiting<Receipt>) => ({ kind: "delivery", delivery, ...waiting }));
  }

  /** Runs `task` as a turn of its own, and writes what it added. */
  alone(task: (turn: Turn) => Promise<void>): Promise<void> {
    return this.#enter((waiting: Waiting<void>) => ({ kind: "task", task, ...waiting }));
  }

  /** Refuses new work and waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#run;
  }

  #enter<Answer>(
    entry: (waiting: Waiting<Answer>) => WaitingDraft | WaitingDelivery | WaitingTask,
  ): Promise<Answer> {
    if (this.#closed)
      return Promise.reject(
        new HistoryError("HISTORY_CLOSED", "Cannot write: the database is closed"),
      );
    return new Promise<Answer>((resolve, reject) => {
      this.#queue.push(entry({ resolve, reject }));
      this.#run ??= this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    // Lets everything of this microtask turn come in first.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#turn();
    this.#run = undefined;
  }

  async #turn(): Promise<void> {
    const first = this.#queue[0];
    assert(first !== undefined, "a turn has something to do");
    if (first.kind === "draft") return this.#write(this.#takeDrafts());
    this.#queue.shift();
    try {
      const turn = new Turn(this.#deps, this.#database);
      if (first.kind === "task") {
        await first.task(turn);
        await this.#commit(turn, false);
        first.resolve();
      } else {
        const receipt = await receiveDelivery(this.#deps, turn, first.delivery);
        await this.#commit(turn, true);
        first.resolve(receipt);
      }
    } catch (error) {
      first.reject(error);
    }
  }

  #takeDrafts(): WaitingDraft[] {
    let ops = 0;
    let count = 0;
    for (const entry of this.#queue) {
      if (entry.kind !== "draft") break;
      ops += entry.request.rows.length;
      if (count > 0 && ops > TURN_OPS_MAX) break;
      count += 1;
    }
    return this.#queue.splice(0, count) as WaitingDraft[];
  }

  async #write(drafts: readonly WaitingDraft[]): Promise<void> {
    const turn = new Turn(this.#deps, this.#database);
    const done: { readonly waiting: WaitingDraft; readonly outcome: WriteOutcome }[] = [];
    for (const group of groups(drafts)) {
      for (const [members, outcome] of await this.#author(turn, group)) {
        for (const waiting of members) done.push({ waiting, outcome });
      }
    }
    try {
      await this.#commit(turn, false);
      for (const { waiting, outcome } of done) waiting.resolve(outcome);
    } catch (error) {
      for (const { waiting } of done) waiting.reject(error);
    }
  }

  /** Adds a group's commit. When it is refused, each member is tried by itself, so that one does not spoil the others'. */
  async #author(
    turn: Turn,
    group: readonly WaitingDraft[],
  ): Promise<[readonly WaitingDraft[], WriteOutcome][]> {
    try {
      const request = joined(group);
      if (!(await isStillAsRead(turn, request))) return [[group, "conflict"]];
      await authorDraft(this.#deps, turn, request);
      return [[group, "written"]];
    } catch (error) {
      if (group.length === 1) {
        group[0]?.reject(error);
        return [];
      }
      const answers: [readonly WaitingDraft[], WriteOutcome][] = [];
      for (const one of group) answers.push(...(await this.#author(turn, [one])));
      return answers;
    }
  }

  async #commit(turn: Turn, fromSync: boolean): Promise<void> {
    const { sequence, parts } = turn;
    if (!(await turn.write(fromSync)) || parts.length === 0) return;
    this.#written({ database: this.#database.name, sequence, fromSync, parts });
  }
}

/** Drafts that become one commit: single writes of one scope, as long as no batch of that scope comes between. */
function groups(drafts: readonly WaitingDraft[]): WaitingDraft[][] {
  const all: WaitingDraft[][] = [];
  const open = new Map<string, { group: WaitingDraft[]; ops: number }>();
  for (const draft of drafts) {
    const scope = scopeKeyOf(draft.request.scope);
    const { together, rows } = draft.request;
    const current = open.get(scope);
    if (together === true && current !== undefined && current.ops + rows.length <= TURN_OPS_MAX) {
      current.group.push(draft);
      current.ops += rows.length;
      continue;
    }
    const group = [draft];
    all.push(group);
    if (together === true) open.set(scope, { group, ops: rows.length });
    else open.delete(scope);
  }
  return all;
}

/** One draft of several: of two writes to a row the later counts. */
function joined(group: readonly WaitingDraft[]): WriteRequest {
  const first = group[0];
  assert(first !== undefined, "a group has a member");
  if (group.length === 1) return first.request;
  const rows = new Map<string, RowWrite>();
  for (const { request } of group) {
    for (const row of request.rows) rows.set(`${row.name.space}${row.name.text}`, row);
  }
  return { scope: first.request.scope, rows: [...rows.values()], hint: first.request.hint };
}

async function isStillAsRead(turn: Turn, request: WriteRequest): Promise<boolean> {
  const { reads } = request;
  if (reads === undefined || reads.length === 0) return true;
  const scope = turn.scope(request.scope);
  await turn.loadRows(
    scope,
    reads.map(({ name }) => name),
  );
  return reads.every(({ name, row }) => sameHeads(turn.row(scope, name), row));
}

function sameHeads(a: Row, b: Row): boolean {
  return (
    a.heads.length === b.heads.length &&
    a.heads.every(
      (head, i) => head.log === b.heads[i]?.log && head.generation === b.heads[i].generation,
    )
  );
}
