import { concatBytes, fromUtf8, utf8 } from "../base/index.ts";
import type { Store } from "../store/index.ts";

/** First byte of the keys of paused databases; what follows is the database's name. */
const PAUSED_SPACE = 0x82;
const PAUSED_RANGE = { gte: Uint8Array.of(PAUSED_SPACE), lt: Uint8Array.of(PAUSED_SPACE + 1) };

/** The databases that are paused, by what the store says. */
export async function pausedDatabases(store: Pick<Store, "scan">): Promise<Set<string>> {
  const paused = new Set<string>();
  for await (const { key } of store.scan(PAUSED_RANGE)) {
    const name = fromUtf8(key.subarray(1));
    if (name !== undefined) paused.add(name);
  }
  return paused;
}

/** Which databases are paused: kept over restarts, so that whoever has paused one finds it so. [SY20] */
export class Pauses {
  readonly #store: Store;
  readonly #paused: Set<string>;
  /** As the store has them; `#paused` is ahead of it while it writes. */
  readonly #stored: Set<string>;
  readonly #tell: () => void;
  /** Changes asked for, by database. */
  readonly #asked = new Map<string, number>();

  private constructor(store: Store, paused: Set<string>, tell: () => void) {
    this.#tell = tell;
    this.#store = store;
    this.#paused = paused;
    this.#stored = new Set(paused);
  }

  /** `tell` is called after each change. */
  static async open(store: Store, tell: () => void): Promise<Pauses> {
    return new Pauses(store, await pausedDatabases(store), tell);
  }

  has(database: string): boolean {
    return this.#paused.has(database);
  }

  /** Holds at once; durable when it resolves. Where that fails, what stood in the store before holds again. [SY20] */
  async set(database: string, isPaused: boolean): Promise<void> {
    const key = concatBytes(Uint8Array.of(PAUSED_SPACE), utf8(database));
    const number = (this.#asked.get(database) ?? 0) + 1;
    this.#asked.set(database, number);
    this.#hold(database, isPaused);
    try {
      await this.#store.write([
        isPaused ? { type: "put", key, value: NOTHING } : { type: "delete", key },
      ]);
    } catch (error) {
      // What was asked for since then stands or falls with its own write.
      if (this.#asked.get(database) === number) this.#hold(database, this.#stored.has(database));
      throw error;
    }
    if (isPaused) this.#stored.add(database);
    else this.#stored.delete(database);
  }

  #hold(database: string, isPaused: boolean): void {
    if (isPaused) this.#paused.add(database);
    else this.#paused.delete(database);
    this.#tell();
  }
}

const NOTHING = new Uint8Array();
