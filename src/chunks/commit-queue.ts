import type { ChunkWrite, PutOutcome } from "./chunk-store.ts";
import type { ChunkName, VerifiedChunk } from "./kind.ts";
import { CHUNK_GROUP_BYTES_MAX, CHUNK_GROUP_CALLS_MAX } from "./limits.ts";
import type { IndexEntry } from "./records.ts";

/** A chunk that a call takes out. */
export interface Removal {
  readonly name: ChunkName;
  /** Only while its bytes are these. */
  readonly only?: IndexEntry | undefined;
}

/** What a call did. */
export interface CallResult {
  readonly outcomes: PutOutcome[];
  /** Entries that its removals took out; `undefined` for what was not here. */
  readonly removed: (IndexEntry | undefined)[];
}

/** One call that changes the index. */
export interface Call {
  readonly chunks: readonly VerifiedChunk[];
  readonly removals: readonly Removal[];
  readonly with?:
    | ((write: ChunkWrite, outcomes: readonly PutOutcome[]) => Promise<void> | void)
    | undefined;
}

/** A call that waits to be settled: once. */
export interface Waiting extends Call {
  readonly bytes: number;
  readonly resolve: (result: CallResult) => void;
  readonly reject: (error: unknown) => void;
}

/** The two halves of what becomes of a group. `Prepared` is what the first hands to the second. */
export interface GroupWork<Prepared> {
  /**
   * Makes the bytes of a group durable. It runs while `before`, the group before, is being committed, if there is one. What
   * it rejects with is what the calls of the group are told.
   */
  prepare(calls: readonly Waiting[], before: Prepared | undefined): Promise<Prepared>;
  /** Writes the index of a group and settles its calls. Never rejects; answers whether everything was written. */
  commit(prepared: Prepared): Promise<boolean>;
  /** What calls are told whose group was prepared upon one that could not be committed. */
  refusal(): unknown;
}

/**
 * Group commit: calls made in one microtask turn, or while a group is under way, become one group with one sync of the pack
 * and one write of the index. While the index of one is written the bytes of the next are appended and synced. Call order
 * is kept.
 */
export class CommitQueue<Prepared> {
  readonly #work: GroupWork<Prepared>;
  readonly #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;
  #committing: { readonly prepared: Prepared; readonly done: Promise<boolean> } | undefined;
  #arrived: PromiseWithResolvers<void> | undefined;

  constructor(work: GroupWork<Prepared>) {
    this.#work = work;
  }

  push(call: Call): Promise<CallResult> {
    return new Promise((resolve, reject) => {
      let bytes = 0;
      for (const chunk of call.chunks) bytes += chunk.bytes.length;
      this.#waiting.push({ ...call, bytes, resolve, reject });
      this.#arrived?.resolve();
      this.#working ??= this.#run();
    });
  }

  /** Resolves when nothing waits and nothing is under way. */
  async idle(): Promise<void> {
    await this.#working;
  }

  async #run(): Promise<void> {
    // Those who call in the same turn get in.
    await Promise.resolve();
    while (this.#waiting.length > 0 || this.#committing !== undefined) {
      if (this.#waiting.length > 0) await this.#takeOn(this.#takeGroup());
      else await Promise.race([this.#committing?.done, this.#arrival()]);
    }
    this.#arrived = undefined;
    this.#working = undefined;
  }

  /** Prepares a group, and begins to commit it when the one before is through. */
  async #takeOn(calls: readonly Waiting[]): Promise<void> {
    const before = this.#committing;
    let prepared: Prepared | undefined;
    let refusal: unknown;
    try {
      prepared = await this.#work.prepare(calls, before?.prepared);
    } catch (error) {
      refusal = error;
    }
    const isWritten = (await before?.done) ?? true;
    if (prepared === undefined || !isWritten) {
      refusal ??= this.#work.refusal();
      for (const { reject } of calls) reject(refusal);
      return;
    }
    const done = this.#work.commit(prepared);
    const committing = { prepared, done };
    this.#committing = committing;
    void done.then(() => {
      if (this.#committing === committing) this.#committing = undefined;
    });
  }

  /** Resolves when something waits. */
  #arrival(): Promise<void> {
    this.#arrived = Promise.withResolvers();
    return this.#arrived.promise;
  }

  /** The first calls as far as they fit together, at least one. */
  #takeGroup(): Waiting[] {
    let bytes = 0;
    const end = this.#waiting.findIndex((next, i) => {
      bytes += next.bytes;
      return i > 0 && (bytes > CHUNK_GROUP_BYTES_MAX || i >= CHUNK_GROUP_CALLS_MAX);
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }
}
