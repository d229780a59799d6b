import { type Crypto, type Logger } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import type { ChunkFiles } from "./chunk-files.ts";
import { readEntries, shownEntry } from "./chunk-index.ts";
import { ChunkReader } from "./chunk-reader.ts";
import type {
  ChunkEntry,
  ChunkStatus,
  ChunkStore,
  ChunkWrite,
  PutOptions,
  PutOutcome,
} from "./chunk-store.ts";
import { type Call, type CallResult, CommitQueue } from "./commit-queue.ts";
import { ChunkError } from "./errors.ts";
import { GroupCommit, type PreparedGroup } from "./group-commit.ts";
import { type ChunkKind, type ChunkName, VerifiedChunk } from "./kind.ts";
import { PUT_BYTES_MAX, PUT_CHUNKS_MAX, READ_ATTEMPTS_MAX } from "./limits.ts";
import { openPacks } from "./open-packs.ts";
import type { Packs } from "./packs.ts";
import type { IndexEntry } from "./records.ts";

export interface ChunkStoreDeps {
  /** Where the index is kept. Stays its caller's, and is closed after the store of chunks. */
  readonly store: Store;
  /** Where the bytes are kept: no other store of chunks uses them. Closed with this one. */
  readonly files: ChunkFiles;
  readonly crypto: Crypto;
  readonly logger?: Logger | undefined;
  /** Bytes that the pack files may have. Default: as many as the medium takes. */
  readonly capacityBytes?: number | undefined;
}

/**
 * Opens the chunks that an ordered store has the index of, or begins with none.
 *
 * @throws {ChunkError} `CHUNKS_OPEN_FAILED`, `CHUNKS_CORRUPT`, `CHUNKS_READ_FAILED`, `CHUNKS_WRITE_FAILED`, `CHUNKS_FULL`;
 *   {StoreError}. The files are closed then.
 */
export async function openChunkStore(deps: ChunkStoreDeps): Promise<ChunkStore> {
  try {
    return new PackChunkStore(deps, await openPacks(deps));
  } catch (error) {
    // What went wrong first is what its caller must hear.
    await deps.files.close().catch(() => {});
    throw error;
  }
}

type LostListener = (chunk: ChunkName, entry: ChunkEntry) => void;

/** Chunks in pack files, their index in the ordered store. */
class PackChunkStore implements ChunkStore {
  readonly #deps: ChunkStoreDeps;
  readonly #packs: Packs;
  readonly #reader: ChunkReader;
  readonly #queue: CommitQueue<PreparedGroup>;
  readonly #listeners = new Set<LostListener>();
  readonly #reads = new Set<Promise<unknown>>();
  readonly #endListening: () => void;
  #closed: Promise<void> | undefined;

  constructor(deps: ChunkStoreDeps, packs: Packs) {
    this.#deps = deps;
    this.#packs = packs;
    const { store, capacityBytes } = deps;
    const reader = new ChunkReader(deps.files, deps.crypto);
    this.#reader = reader;
    this.#queue = new CommitQueue(new GroupCommit({ store, packs, reader, capacityBytes }));
    this.#endListening = store.onState((state) => {
      // A call that changes nothing: what a failed write has left there is taken up now, not at the next put.
      if (state === "open") this.#queue.push({ chunks: [], removals: [] }).catch(() => {});
    });
  }

  async put(chunks: readonly VerifiedChunk[], options: PutOptions = {}): Promise<PutOutcome[]> {
    checkPut(chunks);
    if (chunks.length === 0 && options.with === undefined) return [];
    const { outcomes } = await this.#push({ chunks, removals: [], with: options.with });
    return outcomes;
  }

  async write(change: (write: ChunkWrite) => Promise<void> | void): Promise<void> {
    await this.#push({ chunks: [], removals: [], with: change });
  }

  async delete(
    kind: ChunkKind,
    addresses: readonly Uint8Array[],
    options: PutOptions = {},
  ): Promise<void> {
    if (addresses.length > PUT_CHUNKS_MAX)
      throw new RangeError(
        `A delete has at most ${PUT_CHUNKS_MAX} chunks, not ${addresses.length}`,
      );
    const removals = addresses.map((address) => ({ name: { kind, address } }));
    await this.#push({ chunks: [], removals, with: options.with });
  }

  has(kind: ChunkKind, addresses: readonly Uint8Array[]): Promise<boolean[]> {
    return this.#reading(async () => {
      const found = await this.#find(kind, addresses);
      return found.map((entry) => entry !== undefined);
    });
  }

  entries(kind: ChunkKind, addresses: readonly Uint8Array[]): Promise<(ChunkEntry | undefined)[]> {
    return this.#reading(async () => (await this.#find(kind, addresses)).map(shownEntry));
  }

  get(
    name: ChunkName,
    range?: { readonly start: number; readonly end: number },
  ): Promise<Uint8Array | undefined> {
    if (range !== undefined && !(range.start >= 0 && range.end >= range.start))
      throw new RangeError("A range begins at 0 or later and ends there or later");
    return this.#reading(async () => {
      const bytes = await this.#get(name);
      return range === undefined ? bytes : bytes?.subarray(range.start, range.end);
    });
  }

  getMany(kind: ChunkKind, addresses: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#reading(async () => {
      const entries = await this.#find(kind, addresses);
      const found = await this.#reader.readMany(entries);
      for (const [i, address] of addresses.entries()) {
        const entry = entries[i];
        if (entry === undefined || found[i] !== undefined) continue;
        const name = { kind, address };
        if (!(await this.#lose(name, entry))) found[i] = await this.#get(name);
      }
      return found;
    });
  }

  status(): ChunkStatus {
    if (this.#closed !== undefined) throw closedError();
    return { ...this.#packs.status(), capacityBytes: this.#deps.capacityBytes };
  }

  onLost(listener: LostListener): () => void {
    // Wrapped, so that one function given twice is two listeners.
    const entry: LostListener = (chunk, lost) => listener(chunk, lost);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#endListening();
    // A read may find a chunk damaged, and take it out.
    while (this.#reads.size > 0) await Promise.allSettled(this.#reads);
    await this.#queue.idle();
    await this.#deps.files.close();
  }

  #push(call: Call): Promise<CallResult> {
    if (this.#closed !== undefined) throw closedError();
    return this.#queue.push(call);
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw closedError();
    const reading = read();
    this.#reads.add(reading);
    try {
      return await reading;
    } finally {
      this.#reads.delete(reading);
    }
  }

  #find(kind: ChunkKind, addresses: readonly Uint8Array[]): Promise<(IndexEntry | undefined)[]> {
    return readEntries(
      this.#deps.store,
      addresses.map((address) => ({ kind, address })),
    );
  }

  async #get(name: ChunkName): Promise<Uint8Array | undefined> {
    for (let attempt = 1; attempt <= READ_ATTEMPTS_MAX; attempt++) {
      const [entry] = await this.#find(name.kind, [name.address]);
      if (entry === undefined) return undefined;
      const bytes = await this.#reader.read(entry);
      if (bytes !== undefined) return bytes;
      if (await this.#lose(name, entry)) return undefined;
    }
    throw new ChunkError(
      "CHUNKS_READ_FAILED",
      `Cannot read chunk: it was replaced ${READ_ATTEMPTS_MAX} times meanwhile`,
    );
  }

  /** Takes a damaged chunk out. Answers false when its entry has become another one. */
  async #lose(name: ChunkName, entry: IndexEntry): Promise<boolean> {
    const { pack, offset, size } = entry;
    this.#deps.logger?.("error", "chunks.lost", { kind: name.kind.name, pack, offset, size });
    let removed: readonly (IndexEntry | undefined)[];
    try {
      ({ removed } = await this.#queue.push({ chunks: [], removals: [{ name, only: entry }] }));
    } catch (error) {
      // It is not here, whether the index can be told now or at the next read.
      this.#deps.logger?.("warn", "chunks.lost-kept", { error: String(error) });
      return true;
    }
    const shown = shownEntry(removed[0]);
    if (shown === undefined) return false;
    for (const listener of [...this.#listeners]) {
      try {
        listener(name, shown);
      } catch (bug) {
        // A listener's bug is to be seen, and is not to keep others from hearing.
        void Promise.reject(new Error("A listener of lost chunks failed", { cause: bug }));
      }
    }
    return true;
  }
}

function checkPut(chunks: readonly VerifiedChunk[]): void {
  if (chunks.length > PUT_CHUNKS_MAX)
    throw new RangeError(`A put has at most ${PUT_CHUNKS_MAX} chunks, not ${chunks.length}`);
  let bytes = 0;
  for (const chunk of chunks) {
    if (!VerifiedChunk.isVerified(chunk)) throw new TypeError("What is put is a VerifiedChunk");
    bytes += chunk.bytes.length;
  }
  if (bytes > PUT_BYTES_MAX)
    throw new RangeError(`A put has at most ${PUT_BYTES_MAX} bytes, not ${bytes}`);
}

function closedError(): ChunkError {
  return new ChunkError("CHUNKS_CLOSED", "Cannot use chunks: their store has been closed");
}
