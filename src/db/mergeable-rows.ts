/**
 * Counters, sets and maps in rows. A change is made of what the row holds when it is written: all that want to change one row
 * wait for each other, and one commit takes up those that wait, so none is lost and a thousand cost little. [CO15]
 */

import {
  decodeValue,
  encodeValue,
  equalBytes,
  type LogKey,
  type Mergeable,
  type ScopeId,
  scopeKeyOf,
  type Value,
} from "../base/index.ts";
import {
  addToCounter,
  addToSet,
  ConflictError,
  type Content,
  contentOf,
  deleteField,
  deleteFromSet,
  type Kind,
  mergeableOf,
  pendingContent,
  setField,
} from "../conflicts/index.ts";
import type { Row, RowName } from "../history/index.ts";
import { DbError } from "./errors.ts";
import { EDIT_TRIES_MAX, EDITS_TOGETHER_MAX, EDITS_WAITING_MAX } from "./limits.ts";
import { headsOf } from "./row-view.ts";
import { type DbWorld, refuseUnusable } from "./world.ts";
import { commit } from "./write.ts";

/** What a change makes of a content, `log` being ours; `undefined`: it changes nothing. */
export type Edit = (content: Content, log: LogKey) => Content | undefined;

/** Where a mergeable value lies: in a row, or in a batch that is being made. */
export interface Cell {
  /** What is visible there. */
  get(): Promise<Value | undefined>;
  edit(kind: Kind, edit: Edit): Promise<void>;
}

/** A row that counts. */
export interface CounterRow {
  /** The total; 0 when the row is not there. @throws {ConflictError} `CONFLICT_KIND_MISMATCH`. */
  value(): Promise<number>;
  /** Adds a whole number, which may be negative. @throws {ConflictError}; {RangeError}; as `put`. */
  add(n: number): Promise<void>;
}

/** A row that is a set: elements are row values, and equal ones are one. */
export interface SetRow<T> {
  /** In the order of their bytes. @throws {ConflictError} `CONFLICT_KIND_MISMATCH`. */
  values(): Promise<T[]>;
  has(element: T): Promise<boolean>;
  /** @throws {ConflictError}; {ValueError}; as `put`. */
  add(element: T): Promise<void>;
  /** Takes it out; writes nothing when it is not there. @throws as `add`. */
  delete(element: T): Promise<void>;
}

/** A row that is a map of fields, each of which is written by itself. */
export interface MapRow<T> {
  get(field: string): Promise<T | undefined>;
  /** By field. @throws {ConflictError} `CONFLICT_KIND_MISMATCH`. */
  entries(): Promise<[field: string, value: T][]>;
  /** @throws {ConflictError}; {ValueError}; as `put`. */
  set(field: string, value: T): Promise<void>;
  /** Deletes a field; writes nothing when it is not there. @throws as `set`. */
  delete(field: string): Promise<void>;
}

export function counterRow(cell: Cell): CounterRow {
  return {
    async value() {
      const value = (await cell.get()) ?? 0;
      if (typeof value !== "number") throw mismatch("counter");
      return value;
    },
    async add(n) {
      if (!Number.isSafeInteger(n)) throw new RangeError("A counter counts whole numbers");
      await cell.edit("counter", (content, log) =>
        n === 0 ? undefined : addToCounter(content, log, n),
      );
    },
  };
}

export function setRow<T>(cell: Cell): SetRow<T> {
  const values = async (): Promise<T[]> => {
    const value = (await cell.get()) ?? [];
    if (!Array.isArray(value)) throw mismatch("set");
    return [...(value as T[])];
  };
  return {
    values,
    async has(element) {
      const bytes = encodeValue(element);
      return (await values()).some((one) => equalBytes(encodeValue(one), bytes));
    },
    async add(element) {
      const taken = asOfNow(element);
      await cell.edit("set", (content) => addToSet(content, taken));
    },
    async delete(element) {
      const taken = asOfNow(element);
      await cell.edit("set", (content) => deleteFromSet(content, taken));
    },
  };
}

export function mapRow<T>(cell: Cell): MapRow<T> {
  const fields = async (): Promise<Map<string, T>> => {
    const value = (await cell.get()) ?? {};
    if (typeof value !== "object" || value === null) throw mismatch("map");
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype) throw mismatch("map");
    return new Map(Object.entries(value) as [string, T][]);
  };
  return {
    get: async (field) => (await fields()).get(field),
    entries: async () => [...(await fields())],
    async set(field, value) {
      checkField(field);
      const taken = asOfNow(value);
      await cell.edit("map", (content) => setField(content, field, taken));
    },
    async delete(field) {
      checkField(field);
      await cell.edit("map", (content) => deleteField(content, field));
    },
  };
}

function checkField(field: string): void {
  if (typeof field !== "string") throw new TypeError("A map's field is a text");
}

/** A value as it is now, whatever the caller does with it later. [DB3] */
function asOfNow(value: unknown): Value {
  return decodeValue(encodeValue(value));
}

function mismatch(kind: Kind): ConflictError {
  return new ConflictError(
    "CONFLICT_KIND_MISMATCH",
    `Cannot read ${kind}: the row holds something else`,
  );
}

/** A batch's own: what it has written already, else the row as it was read. */
export function editedInBatch(
  world: DbWorld,
  kind: Kind,
  edit: (content: Content) => Content | undefined,
  before: { readonly pending: Value | undefined } | { readonly row: Row },
): Mergeable | undefined {
  const content =
    "row" in before
      ? contentOf(kind, headsOf(world, before.row))
      : pendingContent(kind, before.pending);
  const after = edit(content);
  return after === undefined ? undefined : mergeableOf(after);
}

interface WaitingEdit {
  readonly kind: Kind;
  readonly edit: Edit;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Queue {
  readonly waiting: WaitingEdit[];
  run: Promise<void>;
}

/** The changes of mergeable rows of one open database: those of one row one after another. [CO15] */
export class RowEdits {
  readonly #queues = new Map<string, Queue>();

  /** Changes a row; resolves when that is durable. */
  async edit(world: DbWorld, scope: ScopeId, name: RowName, kind: Kind, edit: Edit): Promise<void> {
    const id = `${scopeKeyOf(scope)} ${name.text}`;
    for (;;) {
      refuseUnusable(world, scope);
      const queue = this.#queues.get(id);
      if (queue === undefined || queue.waiting.length < EDITS_WAITING_MAX) break;
      await queue.run;
    }
    return new Promise((resolve, reject) => {
      const waiting: WaitingEdit = { kind, edit, resolve, reject };
      const queue = this.#queues.get(id);
      if (queue !== undefined) {
        queue.waiting.push(waiting);
        return;
      }
      const fresh: Queue = { waiting: [waiting], run: Promise.resolve() };
      this.#queues.set(id, fresh);
      fresh.run = this.#runAll(world, scope, name, fresh, () => this.#queues.delete(id));
    });
  }

  /** `done` is called in the very step that finds nothing waiting: whoever comes later begins anew. */
  async #runAll(
    world: DbWorld,
    scope: ScopeId,
    name: RowName,
    queue: Queue,
    done: () => void,
  ): Promise<void> {
    // What is asked for in one turn goes together.
    await Promise.resolve();
    while (queue.waiting.length > 0) {
      const group = queue.waiting.splice(0, EDITS_TOGETHER_MAX);
      try {
        await writeEdits(world, scope, name, group);
        for (const { resolve } of group) resolve();
      } catch (error) {
        if (group.length === 1) group[0]?.reject(error);
        // One that cannot be done does not spoil the others.
        else for (const one of group) await settleAlone(world, scope, name, one);
      }
    }
    done();
  }
}

async function settleAlone(
  world: DbWorld,
  scope: ScopeId,
  name: RowName,
  one: WaitingEdit,
): Promise<void> {
  try {
    await writeEdits(world, scope, name, [one]);
    one.resolve();
  } catch (error) {
    one.reject(error);
  }
}

/** Writes what changes make of a row, anew while others write it meanwhile. */
async function writeEdits(
  world: DbWorld,
  scope: ScopeId,
  name: RowName,
  edits: readonly WaitingEdit[],
): Promise<void> {
  for (let tries = 1; tries <= EDIT_TRIES_MAX; tries++) {
    refuseUnusable(world, scope);
    const log = world.history.ownLog(world.name);
    const row = await world.history.row(scope, name.space, name.key);
    let pending: Mergeable | undefined;
    for (const { kind, edit } of edits) {
      const content =
        pending === undefined
          ? contentOf(kind, headsOf(world, row))
          : pendingContent(kind, pending);
      const after = edit(content, log);
      if (after !== undefined) pending = mergeableOf(after);
    }
    if (pending === undefined) return;
    const outcome = await commit(world, {
      parts: [{ scope, rows: [{ name, value: encodeValue(pending) }] }],
      reads: [{ scope, name, row }],
      log,
    });
    if (outcome === "written") return;
  }
  throw new DbError(
    "DB_CONCURRENT_BATCH",
    `Cannot change row: it was written by others meanwhile, ${EDIT_TRIES_MAX} times`,
  );
}
