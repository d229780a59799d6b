/**
 * What a store asks of its engine: the part of abstract-level that it uses, written down so that a fault can be put
 * between. Every abstract-level database with `view` encodings for keys and values fits.
 */

export interface EngineSnapshot {
  close(): Promise<void>;
}

export interface EngineReadOptions {
  readonly snapshot?: EngineSnapshot | undefined;
}

export interface EngineRange {
  readonly gte?: Uint8Array;
  readonly gt?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly reverse: boolean;
  /** Entries at most; -1 for all. */
  readonly limit: number;
  readonly snapshot?: EngineSnapshot | undefined;
  /** Bytes after which a page ends early, where the engine knows the option. */
  readonly highWaterMarkBytes: number;
}

export interface EngineIterator {
  /** The next entries, at most `size`; none at the end. */
  nextv(size: number): Promise<[Uint8Array, Uint8Array][]>;
  close(): Promise<void>;
}

export type EngineOp =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/** An open engine: a handle on the medium, good until closed or until a write fails. */
export interface Engine {
  /** abstract-level's manifest, with `getSync: true` when that may be called. */
  readonly supports: object;

  get(key: Uint8Array, options: EngineReadOptions): Promise<Uint8Array | undefined>;
  getSync(key: Uint8Array, options: EngineReadOptions): Uint8Array | undefined;
  getMany(keys: Uint8Array[], options: EngineReadOptions): Promise<(Uint8Array | undefined)[]>;
  iterator(range: EngineRange): EngineIterator;
  snapshot(): EngineSnapshot;

  /** Applies all ops or none. With `sync` they are on the medium when it resolves. */
  batch(ops: readonly EngineOp[], options: { readonly sync: boolean }): Promise<void>;

  /** Ends iterators and snapshots, waits for calls under way, releases the medium. */
  close(): Promise<void>;
}

/** Whether `engine` answers `getSync`, which abstract-level declares even where it is absent. */
export function hasGetSync(engine: Engine): boolean {
  return "getSync" in engine.supports && engine.supports.getSync === true;
}
