import { MemoryLevel } from "memory-level";
import type { Clock, Logger, Random } from "../base/index.ts";
import type { Engine } from "./engine.ts";
import { openStore } from "./open-store.ts";
import type { Store } from "./store.ts";

/** A medium that lives in memory, until it is let go: what was closed can be opened again. */
export interface MemoryMedium {
  /** Opens the medium. Rejects as a locked disk does while another handle is open. */
  openEngine(): Promise<Engine>;
}

/** A new, empty medium in memory. */
export function createMemoryMedium(): MemoryMedium {
  const level = new MemoryLevel<Uint8Array, Uint8Array>({
    keyEncoding: "view",
    valueEncoding: "view",
    storeEncoding: "view",
  });
  return {
    async openEngine() {
      await level.open();
      return level as Engine;
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
  return openStore({ openEngine: () => medium.openEngine(), clock, random, logger });
}

const ZEROS: Random = { bytes: (length) => new Uint8Array(length) };
const STILL: Clock = { now: () => 0, monotonic: () => 0, sleep: async () => {} };
