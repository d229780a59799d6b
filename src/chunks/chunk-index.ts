/** The index in the ordered store, and a write of it in the making. */

import { assert } from "../base/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import type { ChunkEntry, ChunkPlace, ChunkWrite } from "./chunk-store.ts";
import { ChunkError } from "./errors.ts";
import { chunkKey } from "./keys.ts";
import type { ChunkKind, ChunkName } from "./kind.ts";
import { decodeIndexEntry, encodeIndexEntry, type IndexEntry } from "./records.ts";

/** A chunk's name as a key of a map. */
export function nameText({ kind, address }: ChunkName): string {
  // Spread goes through an iterator, which costs five times as much.
  const units = address as unknown as number[];
  return String.fromCharCode(kind.code) + Reflect.apply(String.fromCharCode, undefined, units);
}

/** What the ordered store holds of each chunk, in order. */
export async function readEntries(
  store: Store,
  names: readonly ChunkName[],
): Promise<(IndexEntry | undefined)[]> {
  if (names.length === 0) return [];
  const values = await store.getMany(names.map((name) => chunkKey(name)));
  return values.map((value, i) => value && entryOf(names[i] as ChunkName, value));
}

function entryOf({ kind }: ChunkName, value: Uint8Array): IndexEntry {
  const entry = decodeIndexEntry(value);
  // As many bytes would be read into memory.
  if (entry.size > kind.bytesMax)
    throw new ChunkError("CHUNKS_CORRUPT", "Cannot read index entry: no chunk is that large");
  return entry;
}

/** An entry as callers see it. */
export function shownEntry(entry: IndexEntry | undefined): ChunkEntry | undefined {
  return entry && { size: entry.size, places: entry.places };
}

/** Whether the bytes of both are the same ones. */
export function isSamePlace(a: IndexEntry | undefined, b: IndexEntry): boolean {
  return a !== undefined && a.pack === b.pack && a.offset === b.offset;
}

/** What one chunk's entry becomes; `undefined`: it goes. */
export interface IndexChange {
  readonly name: ChunkName;
  readonly before: IndexEntry | undefined;
  readonly after: IndexEntry | undefined;
}

/** Entries as a write will leave them: those that it changes, over those that are known, over those of the store. */
export class StagedIndex {
  readonly #store: Store;
  readonly #known: Map<string, IndexEntry | undefined>;

  /** `known`: entries read already, which hold still; it is taken over. */
  constructor(store: Store, known: Map<string, IndexEntry | undefined>) {
    this.#store = store;
    this.#known = known;
  }

  async entries(names: readonly ChunkName[]): Promise<(IndexEntry | undefined)[]> {
    const texts = names.map(nameText);
    const unknown = names.filter((_, i) => !this.#known.has(texts[i] as string));
    const found = await readEntries(this.#store, unknown);
    for (const [i, name] of unknown.entries()) this.#known.set(nameText(name), found[i]);
    return texts.map((text) => this.#known.get(text));
  }

  apply(changes: Iterable<IndexChange>): void {
    for (const { name, after } of changes) this.#known.set(nameText(name), after);
  }
}

/** What one call changes: of the index, and whatever else its caller adds. Dropped as a whole when the call fails. */
export class CallWrite implements ChunkWrite {
  readonly #staged: StagedIndex;
  readonly #changes = new Map<string, IndexChange>();
  readonly #added: WriteOp[] = [];
  #isOver = false;

  constructor(staged: StagedIndex) {
    this.#staged = staged;
  }

  get changes(): Iterable<IndexChange> {
    return this.#changes.values();
  }

  /** Refuses whatever comes later: the write is made of what is here now. */
  end(): void {
    this.#isOver = true;
  }

  async found(names: readonly ChunkName[]): Promise<(IndexEntry | undefined)[]> {
    assert(!this.#isOver, "a write of chunks is used while its function runs");
    const below = await this.#staged.entries(names);
    return names.map((name, i) => {
      const changed = this.#changes.get(nameText(name));
      return changed === undefined ? below[i] : changed.after;
    });
  }

  /** `current` is the entry as `found` answered it. */
  set(name: ChunkName, current: IndexEntry | undefined, after: IndexEntry | undefined): void {
    const text = nameText(name);
    const before = this.#changes.has(text) ? this.#changes.get(text)?.before : current;
    this.#changes.set(text, { name, before, after });
  }

  async entry(name: ChunkName): Promise<ChunkEntry | undefined> {
    const [entry] = await this.found([name]);
    return shownEntry(entry);
  }

  async entries(
    kind: ChunkKind,
    addresses: readonly Uint8Array[],
  ): Promise<(ChunkEntry | undefined)[]> {
    const found = await this.found(addresses.map((address) => ({ kind, address })));
    return found.map(shownEntry);
  }

  async place(name: ChunkName, place: ChunkPlace): Promise<void> {
    const [entry] = await this.found([name]);
    assert(!this.#isOver, "a write of chunks is used while its function runs");
    assert(entry !== undefined, "a chunk that is given a place is here");
    const others = entry.places.filter(({ network }) => network !== place.network);
    const places = [...others, { network: place.network, binId: place.binId }];
    places.sort((a, b) => a.network - b.network);
    this.set(name, entry, { ...entry, places });
  }

  add(...ops: readonly WriteOp[]): void {
    assert(!this.#isOver, "a write of chunks is used while its function runs");
    for (const op of ops) this.#added.push(op);
  }

  /** All ops of the call but for the records of packs. */
  ops(): WriteOp[] {
    const ops: WriteOp[] = [];
    for (const { name, after } of this.#changes.values()) {
      const key = chunkKey(name);
      ops.push(
        after === undefined
          ? { type: "delete", key }
          : { type: "put", key, value: encodeIndexEntry(after) },
      );
    }
    return ops.concat(this.#added);
  }
}
