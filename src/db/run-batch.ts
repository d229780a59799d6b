/** The life of a batch: its function, its time, its commit, and running it again. */

import { CALLED_OFF } from "../base/index.ts";
import { Batch } from "./batch.ts";
import { DbError } from "./errors.ts";
import { BATCH_TIMEOUT_MS, BATCH_TIMEOUT_MS_MAX, BATCH_TRIES_MAX } from "./limits.ts";
import { closedError, type DbWorld, refuseClosed } from "./world.ts";
import { checkHint } from "./write.ts";

export interface BatchOptions {
  /** The application's word for the batch, offered to whoever resolves a conflict: 256 bytes at most. */
  readonly hint?: string | undefined;
  /** Only reads, all of one moment; writes are refused and nothing is ever committed. Default false. */
  readonly readOnly?: boolean | undefined;
  /** Milliseconds that its function may take, all runs together: 1 to `BATCH_TIMEOUT_MS_MAX`. Default: `BATCH_TIMEOUT_MS`. */
  readonly timeoutMs?: number | undefined;
  /** Gives the batch up, unless its commit is under way. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs `fn` and commits what it wrote, again while what it read has changed meanwhile. */
export async function runBatch<R>(
  world: DbWorld,
  fn: (batch: Batch) => Promise<R> | R,
  options: BatchOptions,
): Promise<R> {
  if (typeof fn !== "function") throw new TypeError("A batch is made by a function");
  const { hint, readOnly = false } = options;
  checkHint(hint);
  const end = new BatchEnd(world, options);
  try {
    for (let tries = 1; tries <= BATCH_TRIES_MAX; tries++) {
      refuseClosed(world);
      const batch = new Batch(world, readOnly);
      try {
        const result = await end.before(async () => {
          const answer = await fn(batch);
          await batch.refuseUnderWay();
          return answer;
        });
        batch.end();
        if (readOnly || (await batch.commit(hint)) === "written") return result;
      } finally {
        await batch.close();
      }
    }
  } finally {
    end.callOff();
  }
  throw new DbError(
    "DB_CONCURRENT_BATCH",
    `Cannot commit batch: what it reads has changed meanwhile, ${BATCH_TRIES_MAX} times`,
  );
}

/** What ends a batch before its function does: time, the caller, or the database closing. */
class BatchEnd {
  readonly #controller = new AbortController();
  readonly #timer = new AbortController();
  readonly #ends: (() => void)[] = [];

  /** @throws {RangeError} for a time that is none. */
  constructor(world: DbWorld, { timeoutMs = BATCH_TIMEOUT_MS, signal }: BatchOptions) {
    if (!(timeoutMs >= 1 && timeoutMs <= BATCH_TIMEOUT_MS_MAX))
      throw new RangeError(`A batch's time is 1 to ${BATCH_TIMEOUT_MS_MAX} milliseconds`);
    this.#follow(signal, () => signal?.reason);
    this.#follow(world.ending, () => closedError(world));
    world.clock.sleep(timeoutMs, this.#timer.signal).then(
      () =>
        this.#controller.abort(
          new DbError(
            "DB_BATCH_TIMEOUT",
            `Cannot commit batch: its function took longer than ${timeoutMs} ms`,
          ),
        ),
      // Called off.
      () => {},
    );
  }

  #follow(signal: AbortSignal | undefined, reason: () => unknown): void {
    if (signal === undefined) return;
    const abort = (): void => this.#controller.abort(reason());
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    this.#ends.push(() => signal.removeEventListener("abort", abort));
  }

  /** What `fn` answers, unless the end comes first. */
  async before<R>(fn: () => Promise<R> | R): Promise<R> {
    const { signal } = this.#controller;
    signal.throwIfAborted();
    let abort = (): void => {};
    const ended = new Promise<never>((_, reject) => {
      abort = () => reject(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
    });
    try {
      const result = await Promise.race([run(fn), ended]);
      signal.throwIfAborted();
      return result;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  callOff(): void {
    this.#timer.abort(CALLED_OFF);
    for (const end of this.#ends) end();
  }
}

/** What `fn` answers or throws, as a promise that nobody has to wait for. */
function run<R>(fn: () => Promise<R> | R): Promise<R> {
  const running = (async () => fn())();
  running.catch(() => {});
  return running;
}
