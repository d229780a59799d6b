import { assert, type Clock, type Logger, type Random } from "../base/index.ts";
import type { Engine } from "./engine.ts";
import { StoreError } from "./errors.ts";
import { STORE_SCAN_PAGE_BYTES, STORE_SCAN_PAGE_ENTRIES } from "./limits.ts";
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

export interface StoreDeps {
  /** Opens the medium; called again after a failed write, when the earlier engine has been closed. */
  readonly openEngine: () => Promise<Engine>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
}

/** Opens a store over an engine. */
export async function openStore(deps: StoreDeps): Promise<Store> {
  return new EngineStore(await deps.openEngine(), deps.random.bytes(16));
}

class EngineStore implements Store {
  readonly id: Uint8Array;
  readonly #engine: Engine;
  readonly #listeners = new Set<(state: StoreState, cause?: StoreError) => void>();
  #state: StoreState = "open";

  constructor(engine: Engine, id: Uint8Array) {
    this.#engine = engine;
    this.id = id;
  }

  get state(): StoreState {
    return this.#state;
  }

  async get(key: Uint8Array, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    return this.#open().getSync(key, options);
  }

  async getMany(
    keys: readonly Uint8Array[],
    options: ReadOptions = {},
  ): Promise<(Uint8Array | undefined)[]> {
    return await this.#open().getMany([...keys], options);
  }

  async *scan(range: KeyRange, options: ScanOptions = {}): AsyncGenerator<Entry, void, undefined> {
    const { reverse = false, limit = -1, snapshot } = options;
    const iterator = this.#open().iterator({
      ...bounds(range),
      reverse,
      limit,
      snapshot,
      highWaterMarkBytes: STORE_SCAN_PAGE_BYTES,
    });
    try {
      for (;;) {
        const page = await iterator.nextv(STORE_SCAN_PAGE_ENTRIES);
        if (page.length === 0) return;
        for (const [key, value] of page) yield { key, value };
      }
    } finally {
      await iterator.close();
    }
  }

  async write(batch: readonly WriteOp[]): Promise<void> {
    const ops = batch.map((op) =>
      op.type === "put" ? op : ({ type: "del", key: op.key } as const),
    );
    await this.#open().batch(ops, { sync: true });
  }

  snapshot(): Snapshot {
    return this.#open().snapshot();
  }

  onState(listener: (state: StoreState, cause?: StoreError) => void): () => void {
    assert(!this.#listeners.has(listener), "a listener is added once");
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    await this.#engine.close();
    for (const listener of this.#listeners) listener("closed");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): Engine {
    if (this.#state === "closed")
      throw new StoreError("STORE_CLOSED", "Cannot use store: it is closed");
    return this.#engine;
  }
}

function bounds(range: KeyRange): { gte?: Uint8Array; gt?: Uint8Array; lt?: Uint8Array } {
  const { gte, gt, lt } = range;
  return { ...(gte && { gte }), ...(gt && { gt }), ...(lt && { lt }) };
}
