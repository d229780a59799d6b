import {
  assert,
  BATCH_BYTES_MAX,
  BATCH_OPS_MAX,
  encodeValue,
  decodeValue,
  type ScopeId,
  scopeKeyOf,
} from "../base/index.ts";
import { ROW_SPACE, type RowRead, type RowWrite, type WriteOutcome } from "../history/index.ts";
import type { Collection } from "./collection.ts";
import { valueOf } from "./row-view.ts";
import { DbError } from "./errors.ts";
import { BATCH_TRIES_MAX } from "./limits.ts";
import { rowName } from "./names.ts";
import type { DbWorld } from "./world.ts";
import { commit } from "./write.ts";

export interface BatchOptions {
  /** The application's word for the batch, offered to whoever resolves a conflict: 256 bytes at most. */
  readonly hint?: string | undefined;
}

/**
 * Reads and writes of one collection that become one commit: all or nothing, here and on every peer. What it reads is
 * what it has written itself, else the present state; if that has changed when it commits, it is run again. [DB10]
 */
export class Batch {
  readonly #world: DbWorld;
  readonly #writes = new Map<string, RowWrite>();
  readonly #reads = new Map<string, RowRead>();
  #scope: ScopeId | undefined;
  #bytes = 0;
  #hasEnded = false;

  constructor(world: DbWorld) {
    this.#world = world;
  }

  /** @throws {DbError} `DB_BATCH_SCOPES`, `DB_BATCH_TOO_LARGE`, `DB_BATCH_ENDED`, `DB_KEY_INVALID`; {ValueError}. */
  put<T>(collection: Collection<T>, key: string, value: T): void {
    this.#enter(collection.id);
    this.#write({ name: rowName(key), value: encodeValue(value) });
  }

  /** @throws as `put`. */
  delete<T>(collection: Collection<T>, key: string): void {
    this.#enter(collection.id);
    this.#write({ name: rowName(key), value: undefined });
  }

  /** @throws {DbError} `DB_BATCH_SCOPES`, `DB_BATCH_ENDED`, `DB_KEY_INVALID`. */
  async get<T>(collection: Collection<T>, key: string): Promise<T | undefined> {
    this.#enter(collection.id);
    const name = rowName(key);
    const written = this.#writes.get(key);
    if (written !== undefined)
      return written.value === undefined ? undefined : (decodeValue(written.value) as T);
    const known = this.#reads.get(key);
    const row =
      known?.row ?? (await this.#world.history.row(collection.id, ROW_SPACE.rows, name.key));
    if (known === undefined) this.#reads.set(key, { name, row });
    return valueOf<T>(row);
  }

  async has<T>(collection: Collection<T>, key: string): Promise<boolean> {
    return (await this.get(collection, key)) !== undefined;
  }

  /** Ends the batch; nothing more can be done with it. */
  end(): void {
    this.#hasEnded = true;
  }

  /** Commits what was written. */
  async commit(hint: string | undefined): Promise<WriteOutcome> {
    if (this.#scope === undefined || this.#writes.size === 0) return "written";
    return commit(this.#world, {
      scope: this.#scope,
      rows: [...this.#writes.values()],
      reads: [...this.#reads.values()],
      hint,
    });
  }

  #enter(scope: ScopeId): void {
    if (this.#hasEnded)
      throw new DbError("DB_BATCH_ENDED", "Cannot use batch: its function has returned");
    if (this.#scope !== undefined && scopeKeyOf(this.#scope) !== scopeKeyOf(scope)) {
      throw new DbError(
        "DB_BATCH_SCOPES",
        "Cannot use batch: it spans collections, which is not supported yet",
      );
    }
    this.#scope = scope;
  }

  #write(row: RowWrite): void {
    const before = this.#writes.get(row.name.text);
    const bytes = this.#bytes + sizeOf(row) - (before === undefined ? 0 : sizeOf(before));
    if (before === undefined && this.#writes.size >= BATCH_OPS_MAX) {
      throw new DbError("DB_BATCH_TOO_LARGE", `Cannot add to batch: over ${BATCH_OPS_MAX} ops`);
    }
    if (bytes > BATCH_BYTES_MAX)
      throw new DbError("DB_BATCH_TOO_LARGE", `Cannot add to batch: over ${BATCH_BYTES_MAX} bytes`);
    this.#bytes = bytes;
    this.#writes.set(row.name.text, row);
  }
}

/** Bytes of an op beside its key and value: salt, tags and lengths. What a context takes is checked at the commit. */
const OP_OVERHEAD = 32;

function sizeOf({ name, value }: RowWrite): number {
  return name.key.length + (value?.length ?? 0) + OP_OVERHEAD;
}

/** Runs `fn` and commits what it wrote, again while what it read has changed meanwhile. */
export async function runBatch<R>(
  world: DbWorld,
  fn: (batch: Batch) => Promise<R> | R,
  { hint }: BatchOptions,
): Promise<R> {
  for (let tries = 1; tries <= BATCH_TRIES_MAX; tries++) {
    const batch = new Batch(world);
    let result: R;
    try {
      result = await fn(batch);
    } finally {
      batch.end();
    }
    const outcome = await batch.commit(hint);
    if (outcome === "written") return result;
    assert(outcome === "conflict", "a batch is written or in conflict");
  }
  throw new DbError(
    "DB_CONCURRENT_BATCH",
    `Cannot commit batch: the rows it reads changed ${BATCH_TRIES_MAX} times meanwhile`,
  );
}
