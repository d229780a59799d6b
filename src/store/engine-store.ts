import type { Clock, Logger } from "../base/index.ts";
import { COPY_KEY } from "./born-mark.ts";
import { readError, writeError } from "./causes.ts";
import { checkBatch, checkKey, checkRange, type EngineBounds } from "./check.ts";
import {
  type Engine,
  type EngineIterator,
  type EngineOp,
  type EngineReadOptions,
  type EngineSnapshot,
  hasGetSync,
} from "./engine.ts";
import { EngineHandle } from "./engine-handle.ts";
import { StoreError } from "./errors.ts";
import {
  STORE_GET_AT_ONCE_MAX,
  STORE_GET_HALVES_MIN,
  STORE_REOPEN_DELAY_MS,
  STORE_REOPEN_DELAY_MS_MAX,
  STORE_SCAN_PAGE_BYTES,
  STORE_SCAN_PAGE_ENTRIES,
} from "./limits.ts";
import type {
  Entry,
  KeyRange,
  ReadOptions,
  ScanOptions,
  Snapshot,
  Store,
  StoreState,
  WriteOp,
} from "./store.ts";
import type { StoreOrigin } from "./witness.ts";
import { WriteQueue } from "./write-queue.ts";

interface EngineStoreDeps {
  readonly openEngine: () => Promise<Engine>;
  readonly proveRoom?: (() => Promise<void>) | undefined;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
}

type StateListener = (state: StoreState, cause?: StoreError) => void;

/**
 * The contract over an engine.
 *
 *     open --- a write fails ---> readOnly --- engine reopened, probe synced ---> open
 *       \                            \
 *        `------- close() ------------`---> closed
 *
 * An engine that has failed once may lose what it acknowledges afterwards (LevelDB does, after a full disk), so nothing
 * is acknowledged through it again.
 */
export class EngineStore implements Store {
  readonly id: Uint8Array;
  readonly origin: StoreOrigin;
  readonly #deps: EngineStoreDeps;
  readonly #handle: EngineHandle;
  readonly #queue: WriteQueue;
  readonly #listeners = new Set<StateListener>();
  readonly #closing = new AbortController();
  #state: StoreState = "open";
  /** Why writes are refused, while they are. */
  #failure: StoreError | undefined;
  #recovery: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    deps: EngineStoreDeps,
    engine: Engine,
    { id, origin }: { readonly id: Uint8Array; readonly origin: StoreOrigin },
  ) {
    this.id = id;
    this.origin = origin;
    this.#deps = deps;
    this.#handle = new EngineHandle(deps, engine, id, this.#closing.signal);
    this.#queue = new WriteQueue((ops) => this.#writeGroup(ops));
  }

  get state(): StoreState {
    return this.#state;
  }

  async get(key: Uint8Array, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    // The synchronous way costs a sixth: no thread, no callback.
    const found = this.getNow(key, options);
    if (found !== "wait") return found;
    const engine = this.#engine() ?? (await this.#handle.wait());
    try {
      return plain(await engine.get(key, { snapshot: snapshotIn(engine, options) }));
    } catch (error) {
      throw this.#readError(error);
    }
  }

  getNow(key: Uint8Array, options: ReadOptions = {}): Uint8Array | undefined | "wait" {
    checkKey(key);
    const engine = this.#engine();
    if (engine === undefined || !hasGetSync(engine)) return "wait";
    const snapshot = snapshotIn(engine, options);
    try {
      return plain(engine.getSync(key, snapshot === undefined ? NOW : { snapshot }));
    } catch (error) {
      throw this.#readError(error);
    }
  }

  async getMany(
    keys: readonly Uint8Array[],
    options: ReadOptions = {},
  ): Promise<(Uint8Array | undefined)[]> {
    keys.forEach(checkKey);
    const engine = this.#engine() ?? (await this.#handle.wait());
    const read = { snapshot: snapshotIn(engine, options) };
    try {
      if (hasGetSync(engine) && keys.length <= STORE_GET_AT_ONCE_MAX)
        return getAtOnce(engine, keys, read.snapshot);
      if (keys.length < STORE_GET_HALVES_MIN)
        return (await engine.getMany([...keys], read)).map(plain);
      return await getInHalves(engine, keys, read.snapshot);
    } catch (error) {
      throw this.#readError(error);
    }
  }

  scan(range: KeyRange, options: ScanOptions = {}): AsyncIterable<Entry> {
    return this.#scan(checkRange(range, options), options);
  }

  async *#scan(bounds: EngineBounds, options: ReadOptions): AsyncGenerator<Entry, void, undefined> {
    const engine = this.#engine() ?? (await this.#handle.wait());
    const snapshot = snapshotIn(engine, options);
    let iterator: EngineIterator | undefined;
    try {
      iterator = engine.iterator({
        ...bounds,
        snapshot,
        highWaterMarkBytes: STORE_SCAN_PAGE_BYTES,
      });
      for (;;) {
        const page = await iterator.nextv(STORE_SCAN_PAGE_ENTRIES);
        if (page.length === 0) return;
        for (const [key, value] of page) yield { key: plain(key), value: plain(value) };
      }
    } catch (error) {
      throw this.#readError(error);
    } finally {
      await iterator?.close();
    }
  }

  async settleOrigin(): Promise<void> {
    if (this.origin !== "copy") return;
    this.#mustWrite();
    await this.#queue.push([{ type: "delete", key: COPY_KEY }], COPY_KEY.length);
  }

  write(batch: readonly WriteOp[]): Promise<void> {
    try {
      const bytes = checkBatch(batch);
      this.#mustWrite();
      return batch.length > 0 ? this.#queue.push(batch, bytes) : Promise.resolve();
    } catch (error) {
      return refused(error);
    }
  }

  snapshot(): Snapshot {
    const engine = this.#engine();
    if (engine === undefined) {
      throw new StoreError(
        "STORE_READ_FAILED",
        "Cannot take snapshot: the store is being reopened after a failed write",
      );
    }
    try {
      return new EngineStoreSnapshot(engine);
    } catch (error) {
      throw this.#readError(error);
    }
  }

  onState(listener: StateListener): () => void {
    // Wrapped, so that one function given twice is two listeners.
    const entry: StateListener = (state, cause) => listener(state, cause);
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
    this.#setState("closed");
    this.#closing.abort();
    await this.#queue.idle();
    await this.#recovery;
    try {
      await this.#handle.close();
    } catch (error) {
      // What was acknowledged is on the medium, and there is nothing that a caller could do.
      this.#deps.logger?.("error", "store.close-failed", { error: String(error) });
    }
  }

  #mustWrite(): void {
    if (this.#state === "closed") throw closedError();
    if (this.#state === "readOnly") throw this.#readOnlyError();
  }

  /** The engine, or `undefined` while it is being reopened. */
  #engine(): Engine | undefined {
    if (this.#state === "closed") throw closedError();
    return this.#handle.engine;
  }

  async #writeGroup(ops: readonly EngineOp[]): Promise<void> {
    const engine = this.#handle.engine;
    if (engine === undefined) throw this.#readOnlyError();
    try {
      await engine.batch(ops, { sync: true });
    } catch (cause) {
      const error = writeError(cause);
      this.#fail(error);
      throw error;
    }
  }

  /** From here on nothing is acknowledged through the engine that has just failed. */
  #fail(failure: StoreError): void {
    this.#failure = failure;
    this.#queue.refuseWaiting(this.#readOnlyError());
    if (this.#state === "closed") return;
    this.#deps.logger?.("error", "store.read-only", { code: failure.code });
    this.#setState("readOnly", failure);
    this.#recovery = this.#recover();
  }

  async #recover(): Promise<void> {
    let delayMs = STORE_REOPEN_DELAY_MS;
    for (let attempt = 1; ; attempt++) {
      await this.#deps.clock.sleep(delayMs, this.#closing.signal).catch(() => {});
      if (this.#closing.signal.aborted) return;
      try {
        await this.#handle.reopen();
        break;
      } catch (error) {
        this.#deps.logger?.("warn", "store.reopen-failed", { attempt, error: String(error) });
      }
      delayMs = Math.min(2 * delayMs, STORE_REOPEN_DELAY_MS_MAX);
    }
    this.#failure = undefined;
    this.#deps.logger?.("info", "store.reopened");
    if (this.#state === "readOnly") this.#setState("open");
  }

  #setState(state: StoreState, cause?: StoreError): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) {
      try {
        listener(state, cause);
      } catch (bug) {
        // A listener's bug is to be seen, and is not to keep the store from recovering.
        void Promise.reject(new Error("A listener of a store's state failed", { cause: bug }));
      }
    }
  }

  #readOnlyError(): StoreError {
    return new StoreError(
      "STORE_READ_ONLY",
      "Cannot write store: it is read-only since a write failed",
      { cause: this.#failure },
    );
  }

  #readError(cause: unknown): StoreError {
    return this.#state === "closed" ? closedError(cause) : readError(cause);
  }
}

const NOW: EngineReadOptions = {};

/** A snapshot, good as long as the engine that it was taken from is open. */
class EngineStoreSnapshot implements Snapshot {
  readonly #engine: Engine;
  readonly #snapshot: EngineSnapshot;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#snapshot = engine.snapshot();
  }

  static of(snapshot: Snapshot, engine: Engine): EngineSnapshot {
    if (!(#engine in snapshot))
      throw new TypeError("A snapshot comes from the store that it is read with");
    if (snapshot.#engine !== engine) {
      throw new StoreError(
        "STORE_READ_FAILED",
        "Cannot read snapshot: the store has been reopened since it was taken",
      );
    }
    return snapshot.#snapshot;
  }

  close(): Promise<void> {
    return this.#snapshot.close();
  }
}

function snapshotIn(engine: Engine, options: ReadOptions): EngineSnapshot | undefined {
  return options.snapshot && EngineStoreSnapshot.of(options.snapshot, engine);
}

/** A few keys without a thread, where they would wait behind every file that is being synced: of one moment, as `getMany`. */
function getAtOnce(
  engine: Engine,
  keys: readonly Uint8Array[],
  given: EngineSnapshot | undefined,
): (Uint8Array | undefined)[] {
  const snapshot = given ?? (keys.length > 1 ? engine.snapshot() : undefined);
  try {
    return keys.map((key) => plain(engine.getSync(key, { snapshot })));
  } finally {
    // It holds nothing that the engine's own closing would not free.
    if (given === undefined) snapshot?.close().catch(() => {});
  }
}

/** On two threads, of one state. */
async function getInHalves(
  engine: Engine,
  keys: readonly Uint8Array[],
  given: EngineSnapshot | undefined,
): Promise<(Uint8Array | undefined)[]> {
  const snapshot = given ?? engine.snapshot();
  try {
    const middle = keys.length >> 1;
    const halves = [keys.slice(0, middle), keys.slice(middle)];
    const found = await Promise.all(halves.map((half) => engine.getMany(half, { snapshot })));
    return found.flat().map(plain);
  } finally {
    if (given === undefined) snapshot.close().catch(() => {});
  }
}

/** A refusal as a promise: calls that go well need no frame of an async function. */
async function refused(error: unknown): Promise<never> {
  throw error;
}

function closedError(cause?: unknown): StoreError {
  return new StoreError("STORE_CLOSED", "Cannot use store: it has been closed", { cause });
}

function plain(bytes: Uint8Array): Uint8Array;
function plain(bytes: Uint8Array | undefined): Uint8Array | undefined;
/** The same memory as a plain `Uint8Array`: engines on Node.js answer Buffers, whose `slice` shares memory. */
function plain(bytes: Uint8Array | undefined): Uint8Array | undefined {
  if (bytes === undefined || bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
