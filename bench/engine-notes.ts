/** What our store gives its engine to write, to be given to an engine by itself. */

import { LevelEngine } from "../src/node/disk-store.ts";
import type { EngineOp } from "../src/store/index.ts";

/** Bytes that one turn's ops may have: a turn has some 5 000 of 200. */
const NOTED_BYTES_MAX = 8 * 1024 * 1024;
/** In place of the end of a value: the op deletes its key. */
const DELETED = -1;

/**
 * Copies ops into memory that was there before. Whoever held on to the ops themselves would leave the collector more living
 * objects than our store alone does, and would measure that.
 */
export class EngineNotes {
  readonly #memory = new Uint8Array(NOTED_BYTES_MAX);
  #used = 0;
  /** Of each batch, by op: where its key and its value end. */
  #ends: number[][] = [];

  /** Notes what is written while `work` runs, and nothing of before. Answers how many milliseconds noting took. */
  async noteWhile(work: () => Promise<void>): Promise<number> {
    this.#used = 0;
    this.#ends = [];
    let took = 0;
    const note = (ops: readonly EngineOp[]): void => {
      const began = performance.now();
      const ends: number[] = [];
      for (const op of ops)
        ends.push(this.#copy(op.key), op.type === "put" ? this.#copy(op.value) : DELETED);
      this.#ends.push(ends);
      took += performance.now() - began;
    };
    const { prototype } = LevelEngine;
    const original = Object.getOwnPropertyDescriptor(prototype, "batch") as PropertyDescriptor;
    const write = original.value as LevelEngine["batch"];
    prototype.batch = function noting(ops, options) {
      note(ops);
      return write.call(this, ops, options);
    };
    try {
      await work();
    } finally {
      Object.defineProperty(prototype, "batch", original);
    }
    return took;
  }

  /** What was noted, in memory of its own. */
  batches(): EngineOp[][] {
    let at = 0;
    const next = (end: number): Uint8Array => this.#memory.slice(at, (at = end));
    return this.#ends.map((ends) => {
      const ops: EngineOp[] = [];
      for (let i = 0; i < ends.length; i += 2) {
        const key = next(ends[i] as number);
        const end = ends[i + 1] as number;
        ops.push(end === DELETED ? { type: "del", key } : { type: "put", key, value: next(end) });
      }
      return ops;
    });
  }

  /** Answers where it ends. */
  #copy(bytes: Uint8Array): number {
    this.#memory.set(bytes, this.#used);
    this.#used += bytes.length;
    return this.#used;
  }
}
