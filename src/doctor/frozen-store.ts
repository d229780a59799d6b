import type { Entry, KeyRange, ScanOptions, Snapshot, Store } from "../store/index.ts";

/** A store as it was at one moment, for readers that do not know of snapshots. Writing to it is refused. */
export class FrozenStore implements Store {
  readonly #store: Store;
  readonly #snapshot: Snapshot;

  constructor(store: Store) {
    this.#store = store;
    this.#snapshot = store.snapshot();
  }

  get id(): Uint8Array {
    return this.#store.id;
  }

  get origin(): Store["origin"] {
    return this.#store.origin;
  }

  get state(): Store["state"] {
    return this.#store.state;
  }

  /** What a look finds is nobody's to take up. */
  settleOrigin(): Promise<void> {
    return Promise.resolve();
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#store.get(key, { snapshot: this.#snapshot });
  }

  getNow(key: Uint8Array): Uint8Array | undefined | "wait" {
    return this.#store.getNow(key, { snapshot: this.#snapshot });
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#store.getMany(keys, { snapshot: this.#snapshot });
  }

  scan(range: KeyRange, options: ScanOptions = {}): AsyncIterable<Entry> {
    return this.#store.scan(range, { ...options, snapshot: this.#snapshot });
  }

  write(): Promise<void> {
    return Promise.reject(new TypeError("What was frozen is not written to"));
  }

  snapshot(): Snapshot {
    return { close: () => Promise.resolve() };
  }

  onState(listener: Parameters<Store["onState"]>[0]): () => void {
    return this.#store.onState(listener);
  }

  /** Gives up the moment. The store stays open. */
  close(): Promise<void> {
    return this.#snapshot.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
