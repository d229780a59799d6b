import type { Budget } from "../base/index.ts";
import { STORE_BATCH_BYTES } from "./limits.ts";
import type { PullChunk, PullOutcome, PullStorage, SealWrite } from "./ports.ts";
import type { PullCounters } from "./pull-exchange.ts";

export interface IntakeDeps {
  readonly storage: PullStorage;
  readonly counters: PullCounters;
  /** Bytes of deliveries that the process holds. */
  readonly budget: Budget;
}

/** As `PullPutOptions.seal`, with the chunks that are put by the same write. */
export type SealBatch = (
  write: SealWrite,
  outcomes: readonly PullOutcome[],
  batch: readonly PullChunk[],
) => Promise<void>;

/** Told of each chunk that was put, once that is durable. */
export type Stored = (chunk: PullChunk, outcome: PullOutcome) => void;

/**
 * Deliveries of one page on their way into the reserve: stored in batches as they arrive, one batch while the next is gathered, and
 * never more of them in memory than the process allows. [PS19]
 */
export class DeliveryIntake {
  readonly #deps: IntakeDeps;
  readonly #onStored: Stored;
  #batch: PullChunk[] = [];
  #bytes = 0;
  /** While a batch is held: ends that it is stored when others wait for room. */
  #release: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: IntakeDeps, onStored: Stored) {
    this.#deps = deps;
    this.#onStored = onStored;
  }

  /** Takes one chunk. Rejects when an earlier one could not be stored. */
  async add(chunk: PullChunk, signal?: AbortSignal): Promise<void> {
    const size = chunk.chunk.bytes.length;
    const { budget } = this.#deps;
    if (!budget.tryTake(size)) {
      // Who waits holds nothing that is not on its way to the disk, so that nobody waits in a circle.
      if (this.#batch.length > 0) await this.#flush();
      await budget.take(size, signal);
    }
    this.#batch.push(chunk);
    this.#bytes += size;
    // A peer that stalls does not keep from others what it has filled.
    this.#release ??= budget.onShort(() => void this.#flush().catch(() => {}));
    if (this.#bytes >= STORE_BATCH_BYTES) await this.#flush();
  }

  /** Stores what is left, with `seal` in the same write. */
  async end(seal?: SealBatch): Promise<void> {
    if (this.#batch.length > 0 || seal !== undefined) await this.#flush(seal);
    await this.#writing;
  }

  /** Starts storing the batch once the one before is stored, and resolves then. */
  async #flush(seal?: SealBatch): Promise<void> {
    const before = this.#writing;
    const batch = this.#batch;
    const bytes = this.#bytes;
    this.#batch = [];
    this.#bytes = 0;
    this.#release?.();
    this.#release = undefined;
    this.#writing = this.#putAfter(before, batch, bytes, seal);
    // Seen by the next one who waits for it.
    this.#writing.catch(() => {});
    await before;
  }

  async #putAfter(
    before: Promise<void>,
    batch: readonly PullChunk[],
    bytes: number,
    seal: SealBatch | undefined,
  ): Promise<void> {
    try {
      await before;
    } catch (error) {
      this.#deps.budget.give(bytes);
      throw error;
    }
    await this.#put(batch, bytes, seal);
  }

  async #put(
    batch: readonly PullChunk[],
    bytes: number,
    seal: SealBatch | undefined,
  ): Promise<void> {
    const { storage, counters, budget } = this.#deps;
    try {
      counters.dbOps += 1;
      const outcomes = await storage.put(batch, {
        seal: seal && ((write, outcomes) => seal(write, outcomes, batch)),
      });
      batch.forEach((chunk, i) => this.#onStored(chunk, outcomes[i] as PullOutcome));
    } finally {
      budget.give(bytes);
    }
  }
}
