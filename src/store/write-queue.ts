import type { EngineOp } from "./engine.ts";
import type { StoreError } from "./errors.ts";
import { STORE_GROUP_BYTES_MAX, STORE_GROUP_OPS_MAX } from "./limits.ts";
import type { WriteOp } from "./store.ts";

interface Waiting {
  readonly batch: readonly WriteOp[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

/** Writes a joined batch and syncs it. Rejects with what the writers are to be told. */
export type WriteGroup = (ops: readonly EngineOp[]) => Promise<void>;

/**
 * Group commit: writes that are called in one microtask turn, or while the engine is at work, become one engine batch
 * with one sync. So a lone writer waits for nothing but its own sync, and many share each.
 *
 * Call order is kept. The engine works on one group at a time, of a bounded size; all others wait here as they came,
 * neither copied nor encoded: they are their callers' memory until their promises settle, and those who await each
 * write before the next are held back by that alone.
 */
export class WriteQueue {
  readonly #write: WriteGroup;
  #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;

  constructor(write: WriteGroup) {
    this.#write = write;
  }

  /** Resolves when `batch` is durable. `bytes` is its size. */
  push(batch: readonly WriteOp[], bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, bytes, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  /** Answers those whose batches no engine has seen. */
  refuseWaiting(error: StoreError): void {
    const refused = this.#waiting;
    this.#waiting = [];
    for (const { reject } of refused) reject(error);
  }

  /** Resolves when nothing waits and nothing is being written. */
  async idle(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    // Those who call in the same turn get in.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#write(joined(group));
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error as StoreError);
      }
    }
    this.#working = undefined;
  }

  /** The first writes as far as they fit together, at least one. */
  #takeGroup(): Waiting[] {
    let ops = 0;
    let bytes = 0;
    const end = this.#waiting.findIndex((next, i) => {
      ops += next.batch.length;
      bytes += next.bytes;
      return i > 0 && (ops > STORE_GROUP_OPS_MAX || bytes > STORE_GROUP_BYTES_MAX);
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }
}

function joined(group: readonly Waiting[]): EngineOp[] {
  const ops: EngineOp[] = [];
  for (const { batch } of group)
    batch.forEach((op) => ops.push(op.type === "put" ? op : { type: "del", key: op.key }));
  return ops;
}
