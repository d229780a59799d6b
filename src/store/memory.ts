import { MemoryLevel } from "memory-level";
import type { Clock, Logger, Random } from "../base/index.ts";
import type {
  Engine,
  EngineIterator,
  EngineOp,
  EngineRange,
  EngineReadOptions,
  EngineSnapshot,
} from "./engine.ts";
import { openStore } from "./open-store.ts";
import type { Store } from "./store.ts";
import type { Witness } from "./witness.ts";

/** A medium that lives in memory, until it is let go: what was closed can be opened again. */
export interface MemoryMedium {
  /** Opens the medium. Rejects as a locked disk does while another handle is open. */
  openEngine(): Promise<Engine>;
  /** What tells it from its copies. Default: nothing does. */
  readonly witness?: Witness | undefined;
}

/** A new, empty medium in memory. */
export function createMemoryMedium(): MemoryMedium {
  const level = new MemoryLevel<Uint8Array, Uint8Array>({
    keyEncoding: "view",
    valueEncoding: "view",
    storeEncoding: "view",
  });
  let isHeld = false;
  let name = new Uint8Array();
  return {
    witness: {
      look: () => Promise.resolve(name),
      renew: (nonce) => Promise.resolve((name = Uint8Array.from(nonce))),
    },
    async openEngine() {
      if (isHeld)
        throw Object.assign(new Error("The medium is open already"), { code: "LEVEL_LOCKED" });
      isHeld = true;
      await level.open();
      return new MemoryEngine(level, () => {
        isHeld = false;
      });
    },
  };
}

export interface MemoryStoreOptions {
  /** What to open. Default: a new, empty one. */
  readonly medium?: MemoryMedium | undefined;
  /** Where the store's id comes from. Default: the id is all zeros. */
  readonly random?: Random | undefined;
  /** Default: one that stands still; a store in memory waits for nothing unless its writes are made to fail. */
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/** A store in memory, with the guarantees of one on disk but for outliving the process. */
export function openMemoryStore(options: MemoryStoreOptions = {}): Promise<Store> {
  const { medium = createMemoryMedium(), random = ZEROS, clock = STILL, logger } = options;
  const { witness } = medium;
  return openStore({ openEngine: () => medium.openEngine(), witness, clock, random, logger });
}

const ZEROS: Random = { bytes: (length) => new Uint8Array(length) };

const STILL: Clock = {
  now: () => 0,
  monotonic: () => 0,
  sleep: (_, signal) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    }),
};

/** A handle on a medium in memory. Unlike memory-level itself it copies what it is given, as a disk does. */
class MemoryEngine implements Engine {
  readonly supports = { getSync: true };
  readonly #release: () => void;
  #level: Engine | undefined;

  constructor(level: Engine, release: () => void) {
    this.#level = level;
    this.#release = release;
  }

  async get(key: Uint8Array, options: EngineReadOptions): Promise<Uint8Array | undefined> {
    return this.getSync(key, options);
  }

  getSync(key: Uint8Array, options: EngineReadOptions): Uint8Array | undefined {
    return this.#open().getSync(key, options);
  }

  async getMany(
    keys: Uint8Array[],
    options: EngineReadOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    return await this.#open().getMany(keys, options);
  }

  iterator(range: EngineRange): EngineIterator {
    return this.#open().iterator(range);
  }

  snapshot(): EngineSnapshot {
    return this.#open().snapshot();
  }

  async batch(ops: readonly EngineOp[], options: { readonly sync: boolean }): Promise<void> {
    const copies = ops.map((op): EngineOp => {
      const key = Uint8Array.from(op.key);
      return op.type === "put"
        ? { type: "put", key, value: Uint8Array.from(op.value) }
        : { type: "del", key };
    });
    await this.#open().batch(copies, options);
  }

  async close(): Promise<void> {
    const level = this.#level;
    if (level === undefined) return;
    this.#level = undefined;
    await level.close();
    this.#release();
  }

  #open(): Engine {
    if (this.#level === undefined)
      throw Object.assign(new Error("The handle is closed"), { code: "LEVEL_DATABASE_NOT_OPEN" });
    return this.#level;
  }
}
